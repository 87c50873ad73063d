//! Records in by every version of Produce and out by every version of Fetch, in every format and codec, of nine releases.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use milena_conformance::cluster::Release;
use milena_conformance::kafka::{Kafka, available_for};
use milena_core::protocol::fetch::{FetchPartition, PartitionData};
use milena_core::protocol::metadata::MetadataRequestTopic;
use milena_core::protocol::produce::PartitionProduceData;
use milena_core::protocol::*;
use milena_core::record::{Batches, Compression, HeaderRef, Limits, MessageFormat};
use milena_core::{Call, CloseReason, Error, NewTopic, Target};

use crate::calls::{Named, Session, connect, fetch, produce};
use crate::negotiation::{listed_as_released, negotiated};
use crate::records::{END, Row, SET, SETS, Written};

/// A topic, and what its partitions hold.
#[derive(Debug)]
struct Topic {
    release: Release,
    named: Named,
    configs: Vec<(String, String)>,
    /// The format that the broker keeps, and the codec if that is not the producer's.
    stored: MessageFormat,
    codec: Option<Compression>,
    written: Vec<Written>,
    /// For each partition and set, when the broker says that it appended it; -1 where it does not.
    appended: Vec<Vec<i64>>,
}

impl Topic {
    fn new(release: Release, name: &str, written: Vec<Written>, config: Option<(&str, &str)>) -> Self {
        // Records of 2023 are older than the default keeps.
        let configs = [("retention.ms", "-1")].into_iter().chain(config);
        Topic {
            release,
            named: Named { name: name.to_owned(), ..Named::default() },
            configs: configs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            stored: if release < Release::V0_11 { MessageFormat::V1 } else { MessageFormat::V2 },
            codec: None,
            appended: vec![Vec::new(); written.len()],
            written,
        }
    }

    fn codec(&self, partition: usize) -> Compression {
        self.codec.unwrap_or(self.written[partition].codec)
    }

    /// The format in which this version of Fetch hands records out: the broker converts newer ones down.
    fn fetched(&self, version: i16) -> MessageFormat {
        self.stored.min(match version {
            ..2 => MessageFormat::V0,
            2 | 3 => MessageFormat::V1,
            _ => MessageFormat::V2,
        })
    }

    /// Whether the broker hands no zstd out in this version of Fetch. Format v1 knows none; while there were
    /// conversions, until 4.0, a topic that is itself set to zstd was kept from all readers that may not know it.
    fn refused(&self, partition: usize, version: i16) -> bool {
        let kept = self.codec == Some(Compression::Zstd) && self.release < Release::V4_0;
        self.codec(partition) == Compression::Zstd && version < if kept { 10 } else { 4 }
    }

    /// The partitions to be asked for by this version of Fetch: Kafka 0.11 and 1.0 fail to convert records with headers,
    /// and with them the whole request (KAFKA-6739).
    fn partitions(&self, version: i16) -> impl Iterator<Item = usize> {
        let all = self.release > Release::V1_0 || self.fetched(version) == MessageFormat::V2;
        (0..self.written.len()).filter(move |partition| all || !self.written[*partition].headers)
    }

    /// The records from an offset on, as this version of Fetch must give them.
    fn expected(&self, partition: usize, from: i64, version: i16) -> Vec<Row> {
        let written = self.written[partition];
        let fetched = self.fetched(version);
        let row = |offset: i64| {
            let mut row = written.row(offset);
            let appended = self.appended[partition][(offset / SET) as usize];
            row.timestamp = match (fetched, written.format()) {
                (MessageFormat::V0, _) => -1,
                _ if appended != -1 => appended,
                (_, MessageFormat::V0) => -1,
                _ => row.timestamp,
            };
            if fetched != MessageFormat::V2 {
                row.headers.clear();
            }
            row
        };
        (from..END).map(row).collect()
    }

    /// Appends one set to each partition in `version`, all by one request.
    fn write(&mut self, session: &mut Session, version: i16, set: i64) {
        let partition = |(index, written): (usize, &Written)| PartitionProduceData {
            index: index as i32,
            records: Some(written.set(set)),
            ..Default::default()
        };
        let mine = self.written.iter().enumerate().filter(|(_, written)| written.version == version);
        let data: Vec<_> = mine.map(partition).collect();
        let count = data.len();
        let to = Target::leader(&self.named.name, data[0].index);
        let request = produce(-1, self.named.produce(version, data));
        let answer = session.call(Call::new(request).to(to), version);
        assert_eq!(answer.responses[0].partition_responses.len(), count);
        for answer in &answer.responses[0].partition_responses {
            let written = self.written[answer.index as usize];
            let said = (answer.error_code, answer.base_offset);
            assert_eq!(said, (ErrorCode::NONE, set * SET), "{written:?} to {}", self.named.name);
            self.appended[answer.index as usize].push(answer.log_append_time_ms);
        }
    }
}

/// What was read of a partition, or why not.
type Read = Result<Vec<Row>, ErrorCode>;

/// All partitions of all topics from one offset on: as many requests as it takes, each for what is still missing.
fn read(session: &mut Session, topics: &[Topic], from: i64, version: i16) -> BTreeMap<(usize, usize), Read> {
    let mut reads = BTreeMap::new();
    for (at, topic) in topics.iter().enumerate() {
        reads.extend(topic.partitions(version).map(|partition| ((at, partition), Ok(Vec::new()))));
    }
    loop {
        let position = |read: &Read| match read {
            Ok(rows) => Some(rows.last().map_or(from, |row: &Row| row.offset + 1)),
            Err(_) => None,
        };
        let missing = |at: usize| {
            let partition = |partition: usize| {
                let fetch_offset = position(&reads[&(at, partition)]).filter(|position| *position < END)?;
                let (partition, partition_max_bytes) = (partition as i32, 1 << 20);
                Some(FetchPartition { partition, fetch_offset, partition_max_bytes, ..Default::default() })
            };
            topics[at].partitions(version).filter_map(partition).collect::<Vec<_>>()
        };
        let wanted = (0..topics.len()).map(|at| topics[at].named.fetch(version, missing(at)));
        let wanted: Vec<_> = wanted.filter(|topic| !topic.partitions.is_empty()).collect();
        if wanted.is_empty() {
            return reads;
        }
        let mut left: usize = wanted.iter().map(|topic| topic.partitions.len()).sum();
        let to = Target::leader(&topics[0].named.name, 0);
        let answer = session.call(Call::new(fetch(wanted)).to(to), version);
        assert_eq!(answer.error_code, ErrorCode::NONE);
        for answered in &answer.responses {
            let is_it = |topic: &Topic| topic.named.is(version, &answered.topic, answered.topic_id);
            let at = topics.iter().position(is_it).unwrap();
            for data in &answered.partitions {
                left -= 1;
                let read = reads.get_mut(&(at, data.partition_index as usize)).unwrap();
                let position = position(read).unwrap();
                match rows(&topics[at], data, position, version) {
                    Ok(rows) => {
                        assert!(!rows.is_empty(), "{}: nothing from {position} on", topics[at].named.name);
                        read.as_mut().unwrap().extend(rows);
                    }
                    Err(code) => *read = Err(code),
                }
            }
        }
        assert_eq!(left, 0, "every partition is answered");
    }
}

/// The records of an answer from an offset on, of the format and codec that they must have.
fn rows(topic: &Topic, data: &PartitionData, from: i64, version: i16) -> Read {
    if data.error_code != ErrorCode::NONE {
        return Err(data.error_code);
    }
    assert_eq!(data.high_watermark, END);
    let mut rows = Vec::new();
    for batch in Batches::new(data.records.clone().unwrap()) {
        let batch = batch.unwrap();
        batch.verify_crc().unwrap();
        assert_eq!(batch.magic(), topic.fetched(version).magic());
        assert_eq!(batch.compression(), Ok(topic.codec(data.partition_index as usize)));
        for record in batch.records(&Limits::default()).unwrap().within(from..i64::MAX) {
            let record = record.unwrap();
            let header = |header: HeaderRef<'_>| {
                (header.key_str().unwrap().to_owned(), header.value.map(Bytes::copy_from_slice))
            };
            rows.push(Row {
                offset: record.offset,
                timestamp: record.timestamp,
                key: record.key,
                value: record.value,
                headers: record.headers.iter().map(header).collect(),
            });
        }
    }
    Ok(rows)
}

/// What to write to a broker that serves these versions of Produce.
fn topics(release: Release, produce: RangeInclusive<i16>) -> Vec<Topic> {
    use MessageFormat::{V0, V1, V2};
    let all = |version: i16| {
        let codecs =
            Compression::ALL.into_iter().filter(move |codec| *codec != Compression::Zstd || version >= 7);
        codecs.map(move |codec| Written { version, codec, headers: version >= 3 })
    };
    let newest = |formats: &[MessageFormat]| {
        let newest = |format: &MessageFormat| {
            produce.clone().filter(|version| format.produce_versions().contains(version)).max()
        };
        formats.iter().filter_map(newest).flat_map(all).collect::<Vec<_>>()
    };
    let plain = |formats: &[MessageFormat]| {
        newest(formats).into_iter().map(|written| Written { headers: false, ..written }).collect::<Vec<_>>()
    };
    let topic = |name: &str, written, config| Topic::new(release, name, written, config);
    let mut topics = vec![
        topic("all", produce.clone().flat_map(all).collect(), None),
        // Versions 0 and 1 of Produce do not tell the time of the append.
        topic("appended", plain(&[V1, V2]), Some(("message.timestamp.type", "LogAppendTime"))),
    ];
    // Later releases take no notice of the setting, or do not know it.
    for (name, stored) in [("0.9.0", V0), ("0.10.0", V1)] {
        if release < Release::V3_0 {
            // What the format has no place for, headers and zstd, the broker refuses with an error of its own.
            let mut written = plain(&[V0, V1, V2]);
            written.retain(|written| written.codec != Compression::Zstd);
            topics.push(Topic { stored, ..topic(name, written, Some(("message.format.version", name))) });
        }
    }
    if *produce.end() >= 7 {
        let zstd = topic("zstd", newest(&[V0, V1, V2]), Some(("compression.type", "zstd")));
        topics.push(Topic { codec: Some(Compression::Zstd), ..zstd });
    }
    topics
}

fn partitions(topics: &[Topic]) -> usize {
    topics.iter().map(|topic| topic.written.len()).sum()
}

/// Makes the topics, and waits until the broker leads them all.
fn create(session: &mut Session, topics: &mut [Topic]) {
    for Topic { named, configs, written, .. } in &*topics {
        let partitions = written.len() as i32;
        let topic = NewTopic { configs: configs.clone(), ..NewTopic::new(&named.name, partitions) };
        session.client.create_topic(topic).unwrap();
    }
    let name = |topic: &Topic| MetadataRequestTopic {
        name: Some(topic.named.name.as_str().into()),
        ..Default::default()
    };
    let request = MetadataRequest { topics: Some(topics.iter().map(name).collect()), ..Default::default() };
    let partitions = partitions(topics);
    let limit = Instant::now() + Duration::from_secs(20);
    loop {
        assert!(Instant::now() < limit, "not all topics are there: {topics:?}");
        std::thread::sleep(Duration::from_millis(50));
        let told = session.client.call(request.clone()).unwrap().response.topics;
        if told.iter().any(|told| told.error_code != ErrorCode::NONE) {
            continue;
        }
        for topic in &mut *topics {
            let told = told.iter().find(|told| told.name.as_deref() == Some(topic.named.name.as_str()));
            topic.named.id = told.unwrap().topic_id;
        }
        let version = *session.both::<FetchRequest>(0).end();
        let partition = |partition| FetchPartition { partition: partition as i32, ..Default::default() };
        let all =
            |topic: &Topic| topic.named.fetch(version, (0..topic.written.len()).map(partition).collect());
        let request = fetch(topics.iter().map(all).collect());
        let answer = session.call(Call::new(request).to(Target::leader(&topics[0].named.name, 0)), version);
        let answers = answer.responses.iter().flat_map(|topic| &topic.partitions);
        let led = answers.filter(|data| data.error_code == ErrorCode::NONE).count();
        if led == partitions {
            break;
        }
    }
}

fn write_all(session: &mut Session, topics: &mut [Topic]) {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let before = now();
    for topic in topics {
        let versions: BTreeSet<_> = topic.written.iter().map(|written| written.version).collect();
        for version in versions {
            (0..SETS).for_each(|set| topic.write(session, version, set));
        }
        let times = if topic.named.name == "appended" { before..=now() } else { -1..=-1 };
        let mut told = topic.appended.iter().flatten();
        assert!(told.all(|time| times.contains(time)), "{times:?}: {topic:?}");
    }
}

/// Whether a partition's records could be read; either way as it must be.
fn compare(topic: &Topic, partition: usize, from: i64, version: i16, read: Read) -> bool {
    let (written, name) = (topic.written[partition], &topic.named.name);
    let what = format!("{written:?} to {name}, read from {from} by Fetch {version}");
    if topic.refused(partition, version) {
        assert_eq!(read, Err(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE), "{what}");
        return false;
    }
    let rows = read.unwrap_or_else(|code| panic!("{what}: {code:?}"));
    let expected = topic.expected(partition, from, version);
    assert_eq!(rows.len(), expected.len(), "{what}");
    for (row, expected) in rows.iter().zip(&expected) {
        assert_eq!(row, expected, "{what}");
    }
    true
}

/// What a release must refuse of what it could be sent.
fn refused_writes(session: &mut Session, topic: &Topic, served: &RangeInclusive<i16>) {
    let write = |version, codec| {
        let set = Written { version, codec, headers: false }.set(0);
        let data = PartitionProduceData { index: 0, records: Some(set), ..Default::default() };
        let request = produce(-1, topic.named.produce(version, vec![data]));
        let to = Target::leader(&topic.named.name, 0);
        let answer = session.client.call(Call::new(request).to(to).version(version))?;
        Ok(answer.response.responses[0].partition_responses[0].error_code)
    };
    // Listed, but not served: brokers of 4.x hang up.
    for version in 0..*served.start() {
        let refused = write(version, Compression::None);
        let hung_up = |error: &Error| {
            matches!(error, Error::Connection { reason: CloseReason::Eof { mid_frame: false, .. }, .. })
        };
        assert!(refused.as_ref().is_err_and(hung_up), "Produce {version}: {refused:?}");
    }
    // A release that knows zstd takes it only in versions of its own.
    if *served.end() >= 7 {
        for version in 3..7 {
            let refused = write(version, Compression::Zstd);
            assert_eq!(refused, Ok(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE), "Produce {version}");
        }
    }
}

fn every_version(release: &str) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    if !available_for(&format!("every version of Kafka {release}")) {
        return;
    }
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let begun = Instant::now();
    let kafka = Kafka::builder().version(release).start().unwrap();
    let started = begun.elapsed();
    let mut session = Session::new(connect(&kafka));
    let release: Release = release.parse().unwrap();
    listed_as_released(&mut session, release);
    let apis = negotiated(&mut session, release);

    let first = if release >= Release::V4_0 { 3 } else { 0 };
    let produce = session.both::<ProduceRequest>(first);
    let mut topics = topics(release, produce.clone());
    create(&mut session, &mut topics);
    write_all(&mut session, &mut topics);
    refused_writes(&mut session, &topics[0], &produce);
    let fetches = session.both::<FetchRequest>(0);
    let (mut compared, mut refused) = (0, 0);
    for version in fetches.clone() {
        // From the start, and from the middle of the second set.
        for from in [0, SET + SET / 2] {
            for ((at, partition), read) in read(&mut session, &topics, from, version) {
                match compare(&topics[at], partition, from, version, read) {
                    true => compared += 1,
                    false => refused += 1,
                }
            }
        }
    }
    let partitions = partitions(&topics);
    println!(
        "Kafka {release}: {apis} APIs; Produce {produce:?} to {partitions} partitions; Fetch {fetches:?} of them: {compared} \
         reads compared, {refused} refused; {} calls in {:.1?} after a start of {started:.1?}",
        session.calls,
        begun.elapsed() - started
    );
}

macro_rules! releases {
    ($($test:ident $release:literal)*) => {
        $(#[test]
        fn $test() {
            every_version($release);
        })*
    };
}

releases! {
    kafka_0_10_2 "0.10.2.2"
    kafka_0_11_0 "0.11.0.3"
    kafka_1_1 "1.1.1"
    kafka_2_0 "2.0.1"
    kafka_2_4 "2.4.1"
    kafka_2_8 "2.8.2"
    kafka_3_9 "3.9.2"
    kafka_4_0 "4.0.1"
    kafka_4_3 "4.3.1"
}
