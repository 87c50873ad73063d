//! What writers and readers are told to do.

use std::sync::Arc;
use std::time::Duration;

use milena_core::machine::reader::{self, Opened};
use milena_core::machine::writer::{self, Gathered, News};
use milena_core::machine::{Command, ReaderId, WriterId};
use milena_core::record::{BatchBuilder, Header};
use milena_core::{Acks, Compression, Isolation, ReaderConfig, Reset, Start, Until, WriterConfig};

use super::Run;
use super::broker::TOPICS;
use super::ledger::{Reader, Writer};

/// Of one run: each is looked at in every step.
const MAX_WRITERS: usize = 4;
const MAX_READERS: usize = 4;

/// What a reader's batches may decompress to: small, so that a fuzzer meets it.
const MAX_DECOMPRESSED: usize = 1 << 20;

impl Run<'_> {
    /// A writer with the settings that a byte says, which writes to the first topic.
    pub(super) fn open_writer(&mut self, how: u8) {
        let id = WriterId(self.drive.ledger.writers.len() as u64);
        let mut config = WriterConfig::default();
        config = match how & 3 {
            0 | 1 => config,
            2 => config.acks(Acks::Leader),
            _ => config.acks(Acks::None),
        };
        config.idempotence &= how & 1 == 0;
        config.compression = match how >> 2 & 7 {
            1 => Compression::Gzip,
            2 => Compression::Lz4,
            3 => Compression::Zstd,
            4 => Compression::Snappy,
            _ => Compression::None,
        };
        if how & 32 != 0 {
            config.linger = Duration::from_millis(20);
        }
        if how & 64 != 0 {
            config.delivery_timeout = Duration::from_secs(2);
        }
        if how & 128 != 0 {
            (config.batch_bytes, config.request_bytes) = (256, 512);
        }
        config.check().expect("settings that make sense");
        let config = Arc::new(config);
        self.drive.ledger.writers.insert(id, Writer::new(config.clone()));
        self.drive.command(Command::Writer(id, writer::Command::Open(config)));
        self.topic(id, TOPICS[0]);
    }

    fn topic(&mut self, writer: WriterId, topic: &str) {
        self.drive.ledger.topics.insert(topic.to_owned());
        self.drive.command(Command::Writer(writer, writer::Command::Topic(topic.into())));
    }

    fn writer(&mut self) -> Option<WriterId> {
        let there = self.drive.ledger.writers.iter().filter(|(_, writer)| !writer.is_gone());
        let there: Vec<_> = there.map(|(id, _)| *id).collect();
        self.choices.pick(&there).copied()
    }

    pub(super) fn write_to(&mut self) {
        let topic = TOPICS[self.choices.below(TOPICS.len())];
        if let Some(writer) = self.writer() {
            self.topic(writer, topic);
        }
    }

    /// Records gather, in the newest batch or in a new one, and the machine is told where that is news.
    pub(super) fn append(&mut self) {
        let [how, size] = self.choices.word().to_be_bytes();
        self.append_to(how, size);
    }

    pub(super) fn append_to(&mut self, how: u8, size: u8) {
        let Some(id) = self.writer() else { return };
        let slot = self.choices.byte();
        let now = self.drive.now;
        let writer = self.drive.ledger.writers.get_mut(&id).expect("it was picked");
        if !writer.is_open || writer.places.is_empty() {
            // News of nothing must not matter.
            let gathered = writer::Command::Gathered { slot: slot.into(), news: News::First };
            return self.drive.command(Command::Writer(id, gathered));
        }
        let slot = usize::from(slot) % writer.places.len();
        let gathering = writer.places[slot].get_mut().len();
        let news = match gathering {
            0 => Some(News::First),
            _ if how & 4 != 0 => Some(News::Full),
            _ => None,
        };
        if news.is_some() {
            let builder = BatchBuilder::with_capacity(128);
            let reserved = builder.capacity() + 1;
            let batch = writer.next_batch();
            writer.gather(slot, Gathered { batch, builder, created: now.mono, reserved });
        }
        let records = 1 + usize::from(how & 3);
        let value = vec![how; size.into()];
        let headers = [Header { key: "k", value: Some(b"v") }];
        let headers = if how & 8 != 0 { &headers[..] } else { &[] };
        let mut place = writer.places[slot].borrow_mut();
        let builder = &mut place.back_mut().expect("there is one").builder;
        for record in 0..records {
            // Some records of a batch have headers, others have none.
            let headers = if record % 2 == 0 { headers } else { &[] };
            builder.append(now.wall, None, Some(&value), headers);
        }
        drop(place);
        writer.append(slot, records);
        if let Some(news) = news {
            self.drive.command(Command::Writer(id, writer::Command::Gathered { slot, news }));
        }
    }

    pub(super) fn flush(&mut self) {
        if let Some(writer) = self.writer() {
            self.drive.command(Command::Writer(writer, writer::Command::Flush));
        }
    }

    pub(super) fn open_or_close_writer(&mut self) {
        let how = self.choices.byte();
        if self.choices.flag() && self.drive.ledger.writers.len() < MAX_WRITERS {
            return self.open_writer(how);
        }
        if let Some(id) = self.writer() {
            self.drive.ledger.writers.get_mut(&id).expect("it was picked").is_open = false;
            self.drive.command(Command::Writer(id, writer::Command::Close));
        }
    }

    /// Some jobs are done, in any order: one, or several at once.
    pub(super) fn work(&mut self) {
        let [first, count] = self.choices.word().to_be_bytes();
        let there = self.drive.jobs.len();
        if there == 0 {
            return;
        }
        self.drive.jobs.rotate_left(usize::from(first) % there);
        let jobs = self.drive.jobs.split_off(there - 1 - usize::from(count) % there);
        self.drive.work(jobs);
    }

    /// A reader with the settings that a byte says.
    pub(super) fn open_reader(&mut self, how: u8) {
        let id = ReaderId(self.drive.ledger.readers.len() as u64);
        let mut config = ReaderConfig::new(TOPICS[usize::from(how & 3) * usize::from(how >> 7)]);
        if how & 4 != 0 {
            config.until = Until::End;
        }
        if how & 8 != 0 {
            config.isolation = Isolation::ReadUncommitted;
        }
        config.reset = [Reset::First, Reset::Last, Reset::Error, Reset::First][usize::from(how >> 4 & 3)];
        config.start = match how >> 6 & 3 {
            0 | 2 => Start::First,
            1 => Start::Last,
            _ => Start::Offset(2),
        };
        config.max_decompressed_bytes = MAX_DECOMPRESSED;
        // Room for a fetch from each broker, and little more.
        (config.buffer_bytes, config.partition_bytes) = (1 << 16, 1 << 13);
        config.check().expect("settings that make sense");
        let config = Arc::new(config);
        self.drive.ledger.topics.insert(config.topic.to_string());
        self.drive.ledger.readers.insert(id, Reader::new(config.clone()));
        self.drive.command(Command::Reader(id, reader::Command::Open(config)));
    }

    fn reader(&mut self) -> Option<ReaderId> {
        let there = self.drive.ledger.readers.iter().filter(|(_, reader)| !reader.is_closed);
        let there: Vec<_> = there.map(|(id, _)| *id).collect();
        self.choices.pick(&there).copied()
    }

    /// A chunk is read, and told as read; or more than there was is told.
    pub(super) fn consume(&mut self) {
        let how = self.choices.byte();
        let Some(id) = self.reader() else { return };
        let reader = self.drive.ledger.readers.get_mut(&id).expect("it was picked");
        let bytes = match reader.unread.pop_front() {
            Some(chunk) => {
                let mut opened = Opened::new(chunk, &reader.config);
                // One that can't be read is an error, and reading goes on after it.
                while opened.next_message().is_some() {}
                opened.bytes()
            }
            None if how & 1 == 1 => usize::MAX,
            None => 0,
        };
        reader.fetched_bytes = reader.fetched_bytes.saturating_sub(bytes);
        self.drive.command(Command::Reader(id, reader::Command::Consumed(bytes)));
    }

    pub(super) fn open_or_close_reader(&mut self) {
        let how = self.choices.byte();
        if self.choices.flag() && self.drive.ledger.readers.len() < MAX_READERS {
            return self.open_reader(how);
        }
        if let Some(id) = self.reader() {
            self.drive.ledger.readers.get_mut(&id).expect("it was picked").is_closed = true;
            self.drive.command(Command::Reader(id, reader::Command::Close));
        }
    }
}
