//! What one node is made of: its directory, its ports and its property file.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process;

use super::process::Process;
use super::releases::{Mode, Release};

/// Below the ports that Linux and others give to outgoing connections (32768 and up). Were a broker's port one of
/// those, a client that keeps connecting to a killed broker could be given it, and the restart would fail.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// A number that no other process is likely to draw.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// `count` different ports of 127.0.0.1 that nobody listens on at this moment.
pub(super) fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let mut ports = BTreeSet::new();
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    // Far more tries than ports in use can explain.
    for _ in 0..1000 {
        if ports.len() == count {
            return Ok(ports.into_iter().collect());
        }
        let drawn = random() % u64::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(drawn).unwrap_or_default();
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => {
                ports.insert(port);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A temporary directory, removed when dropped.
#[derive(Debug)]
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn create() -> io::Result<Self> {
        let path = env::temp_dir().join(format!("milena-kafka-{}-{:016x}", process::id(), random()));
        fs::create_dir_all(&path)?;
        Ok(Self(path.canonicalize()?))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One listener of a node, beside the controller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) name: String,
    pub(super) protocol: String,
    pub(super) port: u16,
}

/// One broker.
#[derive(Debug)]
pub(super) struct Node {
    /// Kafka's id of it, from 1.
    pub(super) id: usize,
    pub(super) directory: PathBuf,
    /// The first is PLAINTEXT.
    pub(super) listeners: Vec<Listener>,
    /// Taken when the node was killed or shut down.
    pub(super) process: Option<Process>,
    /// Whether it was told to stand still, so that its peers soon take it for dead.
    pub(super) paused: bool,
}

impl Node {
    pub(super) fn port(&self) -> u16 {
        self.listeners[0].port
    }

    pub(super) fn properties_file(&self) -> PathBuf {
        self.directory.join("server.properties")
    }
}

/// The ports that the brokers' metadata is reached at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Metadata {
    ZooKeeper(u16),
    /// One controller port a node, in the order of their ids.
    Kraft(Vec<u16>),
}

/// The properties of one broker; of two with the same key the last counts.
pub(super) fn broker_properties(
    release: &Release,
    node: &Node,
    nodes: usize,
    metadata: &Metadata,
) -> Vec<(String, String)> {
    let mut properties: Vec<(String, String)> = Vec::new();
    let mut set = |key: &str, value: &dyn ToString| properties.push((key.to_owned(), value.to_string()));
    let id = node.id;
    let addresses = node.listeners.iter().map(|l| format!("{}://127.0.0.1:{}", l.name, l.port));
    let mut listeners = addresses.collect::<Vec<_>>().join(",");
    let mut protocols: Vec<_> = node.listeners.iter().map(|l| format!("{}:{}", l.name, l.protocol)).collect();
    set("advertised.listeners", &listeners);
    match metadata {
        Metadata::ZooKeeper(port) => {
            set("broker.id", &id);
            set("zookeeper.connect", &format!("127.0.0.1:{port}"));
            // A broker killed and restarted is refused until its old session has ended: 18 s by default from 2.5 on.
            set("zookeeper.session.timeout.ms", &6000);
        }
        Metadata::Kraft(ports) => {
            listeners.push_str(&format!(",CONTROLLER://127.0.0.1:{}", ports[id - 1]));
            protocols.push("CONTROLLER:PLAINTEXT".to_owned());
            let voters =
                ports.iter().enumerate().map(|(index, port)| format!("{}@127.0.0.1:{port}", index + 1));
            set("node.id", &id);
            set("process.roles", &"broker,controller");
            set("controller.quorum.voters", &voters.collect::<Vec<_>>().join(","));
            set("controller.listener.names", &"CONTROLLER");
            // A broker killed and restarted waits for its old registration to end: 9 s by default.
            set("broker.session.timeout.ms", &3000);
            set("broker.heartbeat.interval.ms", &500);
        }
    }
    set("listeners", &listeners);
    // 0.10.1 knows no listener names but the protocols', and does not need the map for those.
    if protocols.len() > 1 {
        set("listener.security.protocol.map", &protocols.join(","));
        set("inter.broker.listener.name", &node.listeners[0].name);
    }
    set("log.dirs", &node.directory.join("data").display());

    let (replicas, in_sync) = if nodes > 1 { (nodes, nodes - 1) } else { (1, 1) };
    set("num.partitions", &1);
    set("default.replication.factor", &replicas);
    set("min.insync.replicas", &in_sync);
    set("offsets.topic.replication.factor", &replicas);
    set("offsets.topic.num.partitions", &3);
    set("transaction.state.log.replication.factor", &replicas);
    set("transaction.state.log.min.isr", &in_sync);
    set("transaction.state.log.num.partitions", &3);
    // By default the first join of each group costs 3 s.
    set("group.initial.rebalance.delay.ms", &0);
    if release.has_share_coordinator() {
        // With fewer brokers than replicas, share groups hang without an error to the client.
        set("share.coordinator.state.topic.replication.factor", &replicas);
        set("share.coordinator.state.topic.min.isr", &in_sync);
        set("share.coordinator.state.topic.num.partitions", &3);
    }
    if nodes > 1 {
        set("broker.rack", &format!("rack{id}"));
        set("replica.lag.time.max.ms", &3000);
        if !release.is_before(&[2, 4]) {
            set("replica.selector.class", &"org.apache.kafka.common.replica.RackAwareReplicaSelector");
        }
        if release.mode() == Mode::Kraft {
            // Elections in about 3 s, by default 10 s.
            set("controller.quorum.election.timeout.ms", &500);
            set("controller.quorum.election.backoff.max.ms", &500);
            set("controller.quorum.fetch.timeout.ms", &1000);
            set("controller.quorum.request.timeout.ms", &1000);
        }
    }
    properties
}

/// ZooKeeper's own file.
pub(super) fn zookeeper_properties(directory: &Path, port: u16) -> Vec<(String, String)> {
    [
        ("dataDir", directory.join("data").display().to_string()),
        ("clientPort", port.to_string()),
        ("clientPortAddress", "127.0.0.1".to_owned()),
        ("tickTime", "2000".to_owned()),
        ("maxClientCnxns", "0".to_owned()),
        // From 3.5 on an admin server would take port 8080.
        ("admin.enableServer", "false".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// The text of a Java property file, in which the later of two lines with one key has won.
pub(super) fn property_file(properties: &[(String, String)]) -> String {
    let mut text = String::new();
    for (index, (key, value)) in properties.iter().enumerate() {
        if properties[index + 1..].iter().any(|(later, _)| later == key) {
            continue;
        }
        text.push_str(key);
        text.push('=');
        for (position, character) in value.chars().enumerate() {
            match character {
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                // Java drops white space before a value.
                ' ' if position == 0 => text.push_str("\\ "),
                other => text.push(other),
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: usize, listeners: &[(&str, &str, u16)]) -> Node {
        let listener = |(name, protocol, port): &(&str, &str, u16)| Listener {
            name: (*name).to_owned(),
            protocol: (*protocol).to_owned(),
            port: *port,
        };
        Node {
            id,
            directory: PathBuf::from("/tmp/x"),
            listeners: listeners.iter().map(listener).collect(),
            process: None,
            paused: false,
        }
    }

    fn file(version: &str, node: &Node, nodes: usize, metadata: &Metadata) -> Vec<String> {
        let release = Release::parse(version).expect("a release");
        let text = property_file(&broker_properties(&release, node, nodes, metadata));
        text.lines().map(str::to_owned).collect()
    }

    #[track_caller]
    fn assert_has(lines: &[String], wanted: &[&str]) {
        for line in wanted {
            assert!(lines.iter().any(|given| given == line), "no {line} in {lines:#?}");
        }
    }

    #[track_caller]
    fn assert_no_key(lines: &[String], key: &str) {
        assert!(!lines.iter().any(|line| line.starts_with(key)), "{key} in {lines:#?}");
    }

    #[test]
    fn a_single_kraft_node_is_its_own_controller() {
        let metadata = Metadata::Kraft(vec![9001]);
        let lines = file("4.3.1", &node(1, &[("PLAINTEXT", "PLAINTEXT", 9000)]), 1, &metadata);
        assert_has(
            &lines,
            &[
                "node.id=1",
                "process.roles=broker,controller",
                "controller.quorum.voters=1@127.0.0.1:9001",
                "listeners=PLAINTEXT://127.0.0.1:9000,CONTROLLER://127.0.0.1:9001",
                "advertised.listeners=PLAINTEXT://127.0.0.1:9000",
                "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
                "log.dirs=/tmp/x/data",
                "offsets.topic.replication.factor=1",
                "share.coordinator.state.topic.replication.factor=1",
            ],
        );
        assert_no_key(&lines, "broker.rack");
        assert_no_key(&lines, "controller.quorum.election");
        assert_no_key(&file("3.9.2", &node(1, &[("PLAINTEXT", "PLAINTEXT", 9000)]), 1, &metadata), "share.");
    }

    #[test]
    fn three_kraft_nodes_replicate_and_elect_quickly() {
        let metadata = Metadata::Kraft(vec![91, 92, 93]);
        let lines = file("4.3.1", &node(2, &[("PLAINTEXT", "PLAINTEXT", 82)]), 3, &metadata);
        assert_has(
            &lines,
            &[
                "node.id=2",
                "broker.rack=rack2",
                "controller.quorum.voters=1@127.0.0.1:91,2@127.0.0.1:92,3@127.0.0.1:93",
                "listeners=PLAINTEXT://127.0.0.1:82,CONTROLLER://127.0.0.1:92",
                "default.replication.factor=3",
                "min.insync.replicas=2",
                "transaction.state.log.min.isr=2",
                "controller.quorum.fetch.timeout.ms=1000",
            ],
        );
    }

    #[test]
    fn a_zookeeper_broker_has_no_listener_names_it_could_not_know() {
        let metadata = Metadata::ZooKeeper(2181);
        let lines = file("0.10.1.1", &node(1, &[("PLAINTEXT", "PLAINTEXT", 9000)]), 1, &metadata);
        assert_has(
            &lines,
            &["broker.id=1", "zookeeper.connect=127.0.0.1:2181", "listeners=PLAINTEXT://127.0.0.1:9000"],
        );
        assert_no_key(&lines, "listener.security");
        assert_no_key(&lines, "node.id");
    }

    #[test]
    fn further_listeners_are_advertised_and_mapped() {
        let node = node(1, &[("PLAINTEXT", "PLAINTEXT", 9000), ("TLS", "SSL", 9002)]);
        let lines = file("2.8.2", &node, 1, &Metadata::ZooKeeper(2181));
        assert_has(
            &lines,
            &[
                "listeners=PLAINTEXT://127.0.0.1:9000,TLS://127.0.0.1:9002",
                "advertised.listeners=PLAINTEXT://127.0.0.1:9000,TLS://127.0.0.1:9002",
                "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,TLS:SSL",
                "inter.broker.listener.name=PLAINTEXT",
            ],
        );
    }

    #[test]
    fn later_properties_win_and_values_are_escaped() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let text = property_file(&[pair("a", "1"), pair("b", " x\\y\nz"), pair("a", "2")]);
        assert_eq!(text, "b=\\ x\\\\y\\nz\na=2\n");
    }

    #[test]
    fn ports_are_free_distinct_and_not_ephemeral() {
        let ports = free_ports(20).expect("ports");
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 20);
        for port in ports {
            assert!(PORTS.contains(&port), "{port}");
            drop(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("free"));
        }
    }

    #[test]
    fn a_directory_is_gone_after_its_owner() {
        let directory = Directory::create().expect("created");
        let path = directory.path().to_owned();
        fs::write(path.join("file"), "x").expect("written");
        drop(directory);
        assert!(!path.exists());
    }
}
