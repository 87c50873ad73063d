//! What was asked of the machine and what came of it: each thing is told once, and nothing is forgotten.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use milena_core::machine::reader::Chunk;
use milena_core::machine::writer::{self, BatchId, Gathered, Settled, TopicView};
use milena_core::machine::{OpId, Outstanding, ReaderId, WriterId, reader};
use milena_core::{Instant, ReaderConfig, WriterConfig};

use super::known::Known;
use super::rests::Alone;

/// An operation that someone waits for.
#[derive(Debug)]
pub(super) struct Operation {
    /// When it is over, whatever the brokers do.
    pub(super) until: Instant,
    pub(super) is_done: bool,
    pub(super) is_cancelled: bool,
}

/// A batch: when it began, and which of its records have an outcome.
#[derive(Debug)]
struct Batch {
    created: Instant,
    settled: Vec<bool>,
}

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) config: Arc<WriterConfig>,
    /// Records may be appended: it was not told to close, and has not told that it is closed.
    pub(super) is_open: bool,
    is_gone: bool,
    /// By slot.
    pub(super) places: Vec<RefCell<VecDeque<Gathered>>>,
    topics: BTreeMap<Arc<str>, Vec<usize>>,
    batches: BTreeMap<(usize, BatchId), Batch>,
    reserved: usize,
    released: usize,
}

#[derive(Debug)]
pub(super) struct Reader {
    pub(super) config: Arc<ReaderConfig>,
    pub(super) is_closed: bool,
    pub(super) has_ended: bool,
    pub(super) unread: VecDeque<Chunk>,
    /// Bytes that were fetched and not yet told as read.
    pub(super) fetched_bytes: usize,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) operations: BTreeMap<OpId, Operation>,
    pub(super) writers: BTreeMap<WriterId, Writer>,
    pub(super) readers: BTreeMap<ReaderId, Reader>,
    /// Topics that were named, and coordinators that were looked for.
    pub(super) topics: BTreeSet<String>,
    pub(super) coordinators: usize,
}

impl Operation {
    pub(super) fn is_live(&self) -> bool {
        !self.is_done && !self.is_cancelled
    }
}

impl Reader {
    pub(super) fn new(config: Arc<ReaderConfig>) -> Self {
        let (is_closed, has_ended) = (false, false);
        Reader { config, is_closed, has_ended, unread: VecDeque::new(), fetched_bytes: 0 }
    }
}

impl Writer {
    pub(super) fn new(config: Arc<WriterConfig>) -> Self {
        Writer {
            config,
            is_open: true,
            is_gone: false,
            places: Vec::new(),
            topics: BTreeMap::new(),
            batches: BTreeMap::new(),
            reserved: 0,
            released: 0,
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// A new batch begins.
    pub(super) fn gather(&mut self, slot: usize, gathered: Gathered) {
        let batch = Batch { created: gathered.created, settled: Vec::new() };
        self.reserved += gathered.reserved;
        assert!(self.batches.insert((slot, gathered.batch), batch).is_none(), "the fuzzer's own batch ids");
        self.places[slot].get_mut().push_back(gathered);
    }

    /// The newest batch of a slot got so many records more.
    pub(super) fn append(&mut self, slot: usize, records: usize) {
        let newest = self.places[slot].get_mut().back().expect("it was gathered").batch;
        let batch = self.batches.get_mut(&(slot, newest)).expect("it was gathered");
        batch.settled.resize(batch.settled.len() + records, false);
    }

    pub(super) fn next_batch(&self) -> BatchId {
        BatchId(self.batches.len() as u64)
    }

    fn on_topic(&mut self, topic: Arc<str>, view: TopicView) {
        let before = self.topics.insert(topic.clone(), view.slots.clone()).unwrap_or_default();
        assert!(view.slots.starts_with(&before), "{topic}: slots {before:?} became {:?}", view.slots);
        for slot in view.slots.iter().skip(before.len()) {
            assert_eq!(*slot, self.places.len(), "{topic}: new slots are counted on from the last one");
            self.places.push(RefCell::default());
        }
        let known = |index: &i32| usize::try_from(*index).is_ok_and(|index| index < view.slots.len());
        assert!(view.available.iter().all(known), "{topic}: {view:?}");
    }

    fn on_settled(&mut self, settled: &Settled) {
        let Settled { slot, batch, first, records, .. } = settled;
        let of = self.batches.get_mut(&(*slot, *batch));
        let of = of.unwrap_or_else(|| panic!("a batch that was never gathered is settled: {settled:?}"));
        assert!(*records > 0, "nothing is settled: {settled:?}");
        let range = *first as usize..*first as usize + *records as usize;
        let count = of.settled.len();
        let flags = of.settled.get_mut(range);
        let flags = flags.unwrap_or_else(|| panic!("of {count} records these are settled: {settled:?}"));
        assert!(!flags.contains(&true), "records are settled twice: {settled:?}");
        flags.fill(true);
    }

    fn on_output(&mut self, writer: WriterId, output: &writer::Output) {
        assert!(!self.is_gone, "{writer:?} is gone and tells {output:?}");
        match output {
            writer::Output::Topic { topic, view } => {
                view.iter().cloned().for_each(|view| self.on_topic(topic.clone(), view));
            }
            // It is the driver's to do.
            writer::Output::Work(_) => {}
            writer::Output::Settled(settled) => self.on_settled(settled),
            writer::Output::Released { bytes, .. } => {
                self.released += bytes;
                let Writer { released, reserved, .. } = self;
                assert!(released <= reserved, "{writer:?} gave back {released} bytes of {reserved}");
            }
            writer::Output::Reserved { bytes } => self.reserved += bytes,
            writer::Output::Closed => self.is_open = false,
            writer::Output::Gone => (self.is_open, self.is_gone) = (false, true),
        }
    }

    /// Batches that should have an outcome by now and do not.
    fn overdue(&self, now: Instant) -> Option<(usize, BatchId)> {
        let late = |batch: &Batch| {
            batch.created + self.config.delivery_timeout <= now && batch.settled.contains(&false)
        };
        self.batches.iter().find(|(_, batch)| late(batch)).map(|(name, _)| *name)
    }
}

impl Ledger {
    pub(super) fn on_done(&mut self, op: OpId) {
        let operation = self.operations.get_mut(&op);
        let operation = operation.unwrap_or_else(|| panic!("{op:?} is done, and nobody asked for it"));
        assert!(!operation.is_done, "{op:?} is done twice");
        assert!(!operation.is_cancelled, "{op:?} was cancelled and is done");
        operation.is_done = true;
    }

    pub(super) fn on_writer(&mut self, writer: WriterId, output: &writer::Output) {
        let known = self.writers.get_mut(&writer).unwrap_or_else(|| panic!("{writer:?} was never opened"));
        known.on_output(writer, output);
    }

    pub(super) fn on_reader(&mut self, reader: ReaderId, output: &reader::Output) {
        let known = self.readers.get_mut(&reader).unwrap_or_else(|| panic!("{reader:?} was never opened"));
        assert!(!known.is_closed, "{reader:?} was closed and tells {output:?}");
        match output {
            reader::Output::Fetched(chunk) => {
                assert!(!known.has_ended, "{reader:?} has ended, and more comes: {chunk:?}");
                known.fetched_bytes += chunk.records.len();
                known.unread.push_back(chunk.clone());
            }
            reader::Output::Ended(_) => {
                assert!(!known.has_ended, "{reader:?} ends twice");
                known.has_ended = true;
            }
        }
    }

    pub(super) fn live_operations(&self) -> usize {
        self.operations.values().filter(|operation| operation.is_live()).count()
    }

    pub(super) fn slots(&self) -> usize {
        self.writers.values().map(|writer| writer.places.len()).sum()
    }

    pub(super) fn live_readers(&self) -> impl Iterator<Item = &Reader> {
        self.readers.values().filter(|reader| !reader.is_closed)
    }

    /// Who alone writes and who alone reads, if anybody does.
    pub(super) fn alone(&self) -> Alone {
        let mut writers = self.writers.iter().filter(|(_, writer)| !writer.is_gone);
        let mut readers = self.readers.iter().filter(|(_, reader)| !reader.is_closed && !reader.has_ended);
        let writer = writers.next().map(|(id, _)| *id).filter(|_| writers.next().is_none());
        let reader = readers.next().map(|(id, _)| *id).filter(|_| readers.next().is_none());
        Alone { writer, reader }
    }

    /// Records that have no outcome yet.
    pub(super) fn unsettled(&self) -> usize {
        let batches = self.writers.values().flat_map(|writer| writer.batches.values());
        batches.map(|batch| batch.settled.iter().filter(|settled| !**settled).count()).sum()
    }

    /// How much there is that may want something: what bounds depend on.
    pub(super) fn size(&self, known: &Known) -> usize {
        let partitions = |reader: &Reader| known.partitions(&reader.config.topic);
        let readers: usize = self.live_readers().map(|reader| 2 + partitions(reader)).sum();
        self.live_operations() + self.slots() + self.writers.len() + readers
    }

    /// Nothing waits for ever: what has a deadline is over when that has passed.
    pub(super) fn check_deadlines(&self, now: Instant, are_jobs_done: bool) {
        let late = self.operations.iter().find(|(_, op)| op.is_live() && op.until <= now);
        if let Some((op, operation)) = late {
            panic!("{op:?} waits for ever: it is {now:?}, and it was to be over at {:?}", operation.until);
        }
        if !are_jobs_done {
            return;
        }
        for (id, writer) in &self.writers {
            if let Some((slot, batch)) = writer.overdue(now) {
                panic!("slot {slot} of {id:?}: {batch:?} waits for ever, its delivery_timeout has passed");
            }
        }
    }

    /// What the machine says it has under way is what was asked of it.
    pub(super) fn check_outstanding(&self, outstanding: &Outstanding, known: &Known, nodes: usize) {
        let Outstanding {
            operations,
            parked,
            lookups,
            queued,
            unanswered,
            connections,
            writers,
            readers,
            topics,
            timers,
            fetched_bytes,
            ..
        } = *outstanding;
        let live_writers = self.writers.values().filter(|writer| !writer.is_gone).count();
        let live_readers = self.live_readers().count();
        assert_eq!(operations, self.live_operations(), "operations outstanding");
        assert_eq!((writers, readers), (live_writers, live_readers), "writers and readers outstanding");
        let fetched: usize = self.live_readers().map(|reader| reader.fetched_bytes).sum();
        assert_eq!(fetched_bytes, fetched, "bytes that were fetched and not read");
        assert!(topics <= self.topics.len(), "{topics} topics outstanding of {:?}", self.topics);
        assert!(lookups <= self.coordinators, "{lookups} lookups of {} coordinators", self.coordinators);
        // Each operation has one request under way at most, each partition a few.
        let most = 2 + lookups + self.live_operations() + 4 * (self.size(known) + nodes);
        let requests = parked + queued + unanswered;
        assert!(requests <= most, "{requests} requests are under way, {most} would do: {outstanding:?}");
        // What has nothing to do is closed, but for one on each lane.
        let most = nodes * (2 + live_readers) + queued + unanswered;
        assert!(connections <= most, "{connections} connections, {most} would do: {outstanding:?}");
        let most = 1 + connections + operations + self.slots() + 2 * writers + 2 * readers;
        assert!(timers <= most, "{timers} timers, {most} would do: {outstanding:?}");
    }

    /// All is over: each thing was told once, and what was taken was given back.
    pub(super) fn check_end(&self) {
        for (op, operation) in &self.operations {
            assert!(!operation.is_live(), "{op:?} was never done");
        }
        for (id, reader) in &self.readers {
            assert!(reader.has_ended || reader.is_closed, "{id:?} never ended");
        }
        for (id, writer) in &self.writers {
            for ((slot, batch), of) in &writer.batches {
                let open = of.settled.iter().position(|settled| !settled);
                assert_eq!(open, None, "slot {slot} of {id:?}: a record of {batch:?} was never settled");
            }
            assert!(writer.is_gone, "{id:?} is never gone");
            assert_eq!(writer.released, writer.reserved, "bytes {id:?} gave back, of those reserved");
        }
    }
}
