//! What a seed decides: cluster, network, clients, work and trouble, each option by itself.
//!
//! Options that all have their usual values hide each other's faults; so every seed turns some to an extreme.

use std::time::Duration;

use milena_core::protocol::ApiKey;
use milena_core::{Acks, Compression, ReaderConfig, WriterConfig};

use super::plan::{FaultPlan, Kind, ProcessId};
use super::trouble::{self, Stage};
use super::{Options, Random};
use crate::cluster::{ClusterOptions, Release};

pub(super) const TOPIC: &str = "events";

/// What a seed decided.
#[derive(Clone, Debug)]
pub(super) struct Swarm {
    pub(super) options: Options,
    pub(super) partitions: i32,
    /// Nothing is to go wrong.
    pub(super) calm: bool,
    /// The topic is made when all else begins, so that brokers and clients have to hear of it.
    pub(super) new_topic: bool,
    /// Processes that write, each with so many tasks and records.
    pub(super) writers: u32,
    pub(super) tasks: usize,
    pub(super) records: usize,
    /// Processes that read.
    pub(super) readers: u32,
    pub(super) size_bits: u64,
    pub(super) keys: u64,
    /// When the trouble is over.
    pub(super) end: Duration,
    pub(super) client: ClientPlan,
    pub(super) writer: WriterConfig,
    pub(super) reader: ReaderConfig,
    /// Each client is recorded, and replayed when it has ended.
    pub(super) recorded: bool,
    /// What is drawn on the way comes from here.
    pub(super) random: Random,
}

#[derive(Clone, Debug)]
pub(super) struct ClientPlan {
    pub(super) request_timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) max_in_flight: usize,
    pub(super) metadata_max_age: Duration,
}

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

const fn s(count: u64) -> Duration {
    Duration::from_secs(count)
}

impl Swarm {
    /// Draws all of it; trouble is of some of these kinds.
    pub(super) fn draw(seed: u64, kinds: &[Kind]) -> Swarm {
        let mut random = Random::new(seed);
        let r = &mut random;
        let calm = kinds.is_empty();
        // Where there are many kinds, each seed has some of them only.
        let chance = if kinds.len() > 10 { 30 } else { 70 };
        let mut on: Vec<Kind> = kinds.iter().copied().filter(|_| r.percent(chance)).collect();
        let partitions = r.within(1..=6) as i32;
        let mut options = draw_world(r, calm, partitions);
        let size_bits = r.within(3..=10);
        let (mut writer, reader) =
            (draw_writer(r, calm, size_bits, options.cluster.as_version), draw_reader(r));
        if writer.acks == Acks::None {
            // What a broker has not begun to serve is lost with its connection, and nobody waits for it here.
            options.cluster.disk_latency = (Duration::ZERO, Duration::ZERO);
        }
        if on.contains(&Kind::LostPageCache) {
            keep_acknowledged(&mut options.cluster, &mut writer, &mut on);
        }
        let new_topic = r.percent(20);
        if new_topic {
            options.cluster.topics.clear();
        }
        let client = ClientPlan {
            request_timeout: r.pick(&[1, 3, 10].map(s)),
            connect_timeout: r.pick(&[1, 10].map(s)),
            max_in_flight: r.within(1..=5) as usize,
            metadata_max_age: r.pick(&[100, 1_000, 300_000, 300_000].map(ms)),
        };
        let end = ms(10 + r.of_any_size(13) as u64);
        let (writers, readers) = (r.within(1..=2) as u32, r.within(1..=2) as u32);
        let nodes = options.cluster.nodes;
        let stage = Stage { nodes, processes: writers + readers, topic: TOPIC, partitions, end };
        options.faults = trouble::draw(&mut r.fork(), &stage, &on);
        let mut swarm = Swarm {
            options,
            partitions,
            calm,
            new_topic,
            writers,
            tasks: r.within(1..=3) as usize,
            records: r.of_any_size(7) + 3,
            readers,
            size_bits,
            keys: r.pick(&[1, 10, 1_000]),
            end,
            client,
            writer,
            reader,
            recorded: false,
            random: random.fork(),
        };
        swarm.end = swarm.options.faults.end().max(end);
        swarm
    }

    /// The same with other faults.
    pub(super) fn with_faults(&self, faults: FaultPlan) -> Swarm {
        let mut swarm = self.clone();
        swarm.options.faults = faults;
        swarm
    }

    /// The same with half of the work, if it can be halved.
    pub(super) fn halved(&self) -> Option<Swarm> {
        let mut swarm = self.clone();
        match () {
            () if swarm.records > 1 => swarm.records /= 2,
            () if swarm.tasks > 1 => swarm.tasks /= 2,
            () if swarm.readers > 1 => swarm.readers = 1,
            () => return None,
        }
        Some(swarm)
    }

    /// How much longer something may take that is to take so long by a process's own clock: its pauses and drift.
    pub(super) fn stretched(&self, process: ProcessId, limit: Duration) -> Duration {
        let mut stretched = limit;
        for planned in &self.options.faults.planned {
            match &planned.fault {
                super::Fault::Pause { process: paused } if *paused == process => {
                    stretched += planned.until.unwrap_or(planned.from) - planned.from;
                }
                super::Fault::Drift { process: drifting, ppm } if *drifting == process => {
                    stretched += limit * ppm.unsigned_abs() as u32 / 500_000;
                }
                _ => {}
            }
        }
        stretched
    }

    /// Whether this may come up.
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.options.faults.faults().any(|fault| fault.kind() == kind)
    }

    /// Whether a record that was acknowledged is in the log for good.
    pub(super) fn is_durable(&self) -> bool {
        // An old leader that has not heard of the new one acknowledges what nobody copies, too.
        let cluster = &self.options.cluster;
        let copied_at_once = cluster.replication_lag.1.is_zero()
            && cluster.metadata_lag.1.is_zero()
            && !self.options.faults.faults().any(|fault| {
                matches!(fault.kind(), Kind::Isolate | Kind::StallFollower | Kind::LostPageCache)
            });
        self.writer.acks == Acks::All || copied_at_once
    }
}

/// No record is lost that all in-sync replicas had if they were three, and one of them loses some.
fn keep_acknowledged(cluster: &mut ClusterOptions, writer: &mut WriterConfig, on: &mut Vec<Kind>) {
    cluster.nodes = cluster.nodes.max(3);
    cluster.default_replication_factor = 3;
    cluster.min_in_sync_replicas = 2;
    *writer = writer.clone().acks(Acks::All);
    on.retain(|kind| !matches!(kind, Kind::Stop | Kind::Isolate | Kind::StallFollower));
}

fn draw_world(r: &mut Random, calm: bool, partitions: i32) -> Options {
    // Record batches came with 0.11.
    let has_batches = |release: &Release| release.versions(ApiKey::PRODUCE).is_some_and(|v| *v.end() >= 3);
    let releases: Vec<_> = Release::all().filter(has_batches).collect();
    let as_version = if r.percent(50) { Release::LATEST } else { r.pick(&releases) };
    let nodes = r.within(1..=4) as u16;
    let lag = |r: &mut Random, longest: &[u64]| {
        let longest = ms(r.pick(longest));
        (longest / 10, longest)
    };
    let replicas = r.within(1..=u64::from(nodes.min(3))) as i16;
    let cluster = ClusterOptions {
        nodes,
        topics: vec![(TOPIC.to_owned(), partitions)],
        as_version,
        default_replication_factor: replicas,
        min_in_sync_replicas: r.within(1..=(replicas as u64 - 1).max(1)) as usize,
        replication_lag: lag(r, &[0, 0, 5, 100]),
        metadata_lag: lag(r, &[0, 0, 20, 500, 2_000]),
        broker_session: ms(r.pick(&[0, 0, 1_000, 9_000])),
        replica_lag_max: s(r.pick(&[1, 30])),
        disk_latency: lag(r, &[0, 0, 0, 10]),
        validate_records: true,
        cut_last_batch: r.percent(50),
        request_log: 16,
        seed: r.word(),
        ..Default::default()
    };
    let latency = r.pick(&[50, 1_000, 20_000, 100_000]);
    let longest_stall = r.duration(ms(1), s(20));
    Options {
        cluster,
        latency: (Duration::from_micros(latency / 10), Duration::from_micros(latency)),
        stalls: if calm { 0 } else { r.pick(&[0, 0, 20, 200]) },
        longest_stall,
        ..Default::default()
    }
}

fn draw_writer(r: &mut Random, calm: bool, size_bits: u64, as_version: Release) -> WriterConfig {
    let mut codecs =
        vec![Compression::None, Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4];
    if as_version.versions(ApiKey::PRODUCE).is_some_and(|v| *v.end() >= 7) {
        codecs.push(Compression::Zstd);
    }
    let acks = match r.within(0..=9) {
        0 => Acks::Leader,
        1 if calm => Acks::None,
        _ => Acks::All,
    };
    let mut writer = WriterConfig::new(TOPIC).acks(acks);
    writer.compression = r.pick(&codecs);
    writer.linger = r.pick(&[0, 0, 0, 1, 20, 300].map(ms));
    // Room for the largest record at least.
    writer.batch_bytes = (1 << size_bits) + r.pick(&[128, 200, 1_000, 16_384, 1 << 20]);
    writer.request_bytes = writer.batch_bytes * r.within(1..=4) as usize;
    writer.buffer_bytes = writer.batch_bytes * r.pick(&[1, 2, 10, 64]);
    writer.delivery_timeout = if calm { s(120) } else { r.pick(&[1, 5, 30, 120].map(s)) };
    writer.max_block = if calm { s(60) } else { r.pick(&[1, 10, 60].map(s)) };
    writer
}

fn draw_reader(r: &mut Random) -> ReaderConfig {
    let mut reader = ReaderConfig::new(TOPIC);
    reader.partition_bytes = r.pick(&[1, 300, 5_000, 1 << 20]);
    reader.max_bytes = r.pick(&[1, 2_000, 50 << 20]);
    reader.max_wait = r.pick(&[10, 100, 500, 500].map(ms));
    reader.buffer_bytes = r.pick(&[1 << 16, 64 << 20]);
    reader
}
