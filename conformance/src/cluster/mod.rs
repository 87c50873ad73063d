//! A simulated Kafka cluster: brokers as one pure state machine, and a TCP face for it.
//!
//! [`ClusterState`] has no sockets, clocks, threads or randomness of its own, so a test or a simulator runs it on virtual
//! time, and the same inputs always give the same outputs. [`Cluster`] lends it loopback sockets and threads, and any
//! Kafka client can talk to it. It speaks through `milena_core`'s `wire`, `protocol` and `record` (and SCRAM's hashes) only and
//! shares no code with the client's machines, so it cannot share their mistakes.
//!
//! It behaves as Apache Kafka of the release it is told to be ([`ClusterOptions::as_version`]), with these simplifications:
//! what coordinators know is never lost, and logs hold message format v2 alone, to and from which others are converted.
//!
//! Rules of [`ClusterState`]: inputs are the `handle_*`, `connect` and `disconnect` methods and the control methods; after
//! each of them [`ClusterState::poll_output`] is to be called until it returns `None`. Time comes in as [`Now`] and must not
//! go back; a control method happens at the time last seen. The requests of one connection are answered in their order,
//! one at a time: a fetch that waits for data holds up those behind it, as in Kafka.

mod admin;
mod api;
mod compaction;
mod control;
mod coordinator;
mod fault;
mod groups;
mod log;
mod partition;
mod producers;
mod release;
mod replication;
mod server;
mod sessions;
mod state;
mod topic;
mod transactions;

use std::time::Duration;

use milena_core::protocol::{ApiKey, BrokerId};
use milena_core::wire::Frame;

pub use admin::Security;
pub use fault::{Answerer, Asked, Fault, Requests};
pub use release::{Release, UnknownRelease};
pub use server::{Cluster, ClusterBuilder, StartError};
pub use state::ClusterState;
pub use topic::TopicError;

/// What a simulated cluster is made of and how it behaves.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// Brokers, with the ids 1 to `nodes`. Default 1; 0 is taken as 1.
    pub nodes: u16,
    /// Topics there from the start, with their number of partitions. Default none.
    pub topics: Vec<(String, i32)>,
    /// The release whose API versions and behaviour the brokers have. Default [`Release::LATEST`].
    pub as_version: Release,
    /// Whether Metadata creates the unknown topics it is asked for (`auto.create.topics.enable`). Default false.
    pub auto_create_topics: bool,
    /// Partitions of topics created without a number (`num.partitions`). Default 1.
    pub default_partitions: i32,
    /// Replicas of topics created without a number (`default.replication.factor`), or all brokers if those are fewer.
    /// Default 3.
    pub default_replication_factor: i16,
    /// Largest batch accepted, in bytes, compressed (`max.message.bytes`). Default 1,048,588.
    pub max_message_bytes: usize,
    /// Bytes kept in each partition (`retention.bytes`), at least its newest batch; older batches go and the log start
    /// offset moves. Default 1 GiB, as all data is in memory.
    pub retention_bytes: u64,
    /// Whether Produce parses each record, as real brokers do. Default false: header and CRC only, for throughput.
    pub validate_records: bool,
    /// Whether Fetch cuts the last batch at the size limit, as real brokers do. Default false: whole batches.
    pub cut_last_batch: bool,
    /// How many of the last requests [`ClusterState::requests`] keeps, at least. Default 4,096.
    pub request_log: usize,
    /// In-sync replicas without which `acks=all` is refused (`min.insync.replicas`). Default 1.
    pub min_in_sync_replicas: usize,
    /// Whether a replica that lacks records may lead when no other is there (`unclean.leader.election.enable`). Default
    /// false.
    pub unclean_leader_election: bool,
    /// How long followers take to copy what a leader has, from shortest to longest. Default none.
    pub replication_lag: (Duration, Duration),
    /// How long brokers take to hear of a new leader or a new topic, from shortest to longest. Default none.
    pub metadata_lag: (Duration, Duration),
    /// After how long the controller takes a broker for gone (`broker.session.timeout.ms`, 9 s in Kafka). Default at once.
    pub broker_session: Duration,
    /// After how long a follower that does not copy is out of sync (`replica.lag.time.max.ms`). Default 30 s.
    pub replica_lag_max: Duration,
    /// How long a broker's disk takes for what a request writes, from shortest to longest. Default none.
    pub disk_latency: (Duration, Duration),
    /// The brokers' racks (`broker.rack`), in the order of their ids. Default none.
    pub racks: Vec<String>,
    /// Fetch sessions that a broker keeps (`max.incremental.fetch.session.cache.slots`). Default 1,000.
    pub fetch_sessions: usize,
    /// Partitions of `__consumer_offsets` and `__transaction_state`, which spread groups and transactional ids over the
    /// brokers. Default 50.
    pub coordinator_partitions: i32,
    /// How long a coordinator loads what the one before it knew. Default none.
    pub coordinator_load: Duration,
    /// How long a group's first rebalance waits for more members, and again when one comes
    /// (`group.initial.rebalance.delay.ms`). Default none; Kafka's is 3 s.
    pub group_initial_rebalance_delay: Duration,
    /// Shortest session a group's member may ask for (`group.min.session.timeout.ms`). Default 6 s.
    pub group_min_session_timeout: Duration,
    /// Longest session a group's member may ask for (`group.max.session.timeout.ms`). Default 30 min.
    pub group_max_session_timeout: Duration,
    /// Most members of a group (`group.max.size`), for brokers from 2.2 on. Default no limit.
    pub group_max_size: usize,
    /// How long offsets are kept when nobody uses them (`offsets.retention.minutes`). Default 7 days.
    pub offsets_retention: Duration,
    /// How long a transaction's coordinator takes for each marker, during which the transaction is neither open nor
    /// complete. Default none: all markers are written in the moment that the transaction ends.
    pub marker_delay: Duration,
    /// The cluster's feature `transaction.version`, 0 to 2. Default what the release finalizes: 2 since 4.0, which is also
    /// the first with a choice.
    pub transaction_version: Option<i8>,
    /// Brokers' configurations by their names, such as `min.insync.replicas`, with their values. Where one has a field
    /// here it sets it. What a release does not have is left out; [`Self::check_configs`] reports such errors. Default none.
    pub configs: Vec<(String, String)>,
    /// Who may connect, by SASL. Default `None`: everybody, as `User:ANONYMOUS`.
    pub security: Option<Security>,
    /// Whether access rules are enforced (`authorizer.class.name`). Default false: everybody may do everything.
    pub authorizer: bool,
    /// Whether everybody may do everything to what no access rule is about (`allow.everyone.if.no.acl.found`). Default false.
    pub allow_everyone: bool,
    /// Principals that may do everything (`super.users`), such as `User:admin`. Default none.
    pub super_users: Vec<String>,
    /// Decides topic ids, the cluster id and the ids of groups' members. Default 0.
    pub seed: u64,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        ClusterOptions {
            nodes: 1,
            topics: Vec::new(),
            as_version: Release::LATEST,
            auto_create_topics: false,
            default_partitions: 1,
            default_replication_factor: 3,
            max_message_bytes: 1_048_588,
            retention_bytes: 1 << 30,
            validate_records: false,
            cut_last_batch: false,
            request_log: 4096,
            min_in_sync_replicas: 1,
            unclean_leader_election: false,
            replication_lag: (Duration::ZERO, Duration::ZERO),
            metadata_lag: (Duration::ZERO, Duration::ZERO),
            broker_session: Duration::ZERO,
            replica_lag_max: Duration::from_secs(30),
            disk_latency: (Duration::ZERO, Duration::ZERO),
            racks: Vec::new(),
            fetch_sessions: 1000,
            coordinator_partitions: 50,
            coordinator_load: Duration::ZERO,
            group_initial_rebalance_delay: Duration::ZERO,
            group_min_session_timeout: Duration::from_secs(6),
            group_max_session_timeout: Duration::from_secs(30 * 60),
            group_max_size: usize::MAX,
            offsets_retention: Duration::from_secs(7 * 24 * 60 * 60),
            marker_delay: Duration::ZERO,
            transaction_version: None,
            configs: Vec::new(),
            security: None,
            authorizer: false,
            allow_everyone: false,
            super_users: Vec::new(),
            seed: 0,
        }
    }
}

/// The time at which something happens to the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Monotonic, since any start.
    pub elapsed: Duration,
    /// The brokers' wall clock, in milliseconds since 1970: timestamps are judged and given by it.
    pub wall_ms: i64,
}

/// One connection to one broker; never used again after it was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// What the cluster wants done.
#[derive(Debug)]
pub enum ClusterOutput {
    /// Send one response; those of a connection are in the order of its requests.
    Send {
        /// To whom.
        conn: ConnectionId,
        /// The response, with its length prefix.
        frame: Frame,
    },
    /// Close a connection, after what was sent to it before. It is forgotten already.
    Close {
        /// Which one.
        conn: ConnectionId,
    },
}

/// A request that a broker has begun to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLogEntry {
    /// When it was its turn.
    pub at: Duration,
    /// Who was asked.
    pub broker: BrokerId,
    /// On which connection.
    pub conn: ConnectionId,
    /// Which API.
    pub key: ApiKey,
    /// Which version of it.
    pub version: i16,
    /// The client's number for it.
    pub correlation_id: i32,
    /// The request's size without its length prefix, in bytes.
    pub bytes: usize,
}
