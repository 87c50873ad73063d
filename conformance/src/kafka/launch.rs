//! Starting the processes of a cluster in order, and waiting until they are ready.

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::jars::{self, Archive, Jars, Java};
use super::node::{
    Directory, Listener, Metadata, Node, broker_properties, free_ports, property_file, zookeeper_properties,
};
use super::probe::probe;
use super::process::{Process, Signal};
use super::releases::{Mode, Release};
use super::{KafkaError, KafkaOptions, tail};

/// Kafka's heap, alone and as one of three: what its own scripts take is twice as much.
const BROKER_HEAP_MEGABYTES: u32 = 512;
const CLUSTER_HEAP_MEGABYTES: u32 = 384;
const ZOOKEEPER_HEAP_MEGABYTES: u32 = 128;
/// Any 16 bytes will do, written as Kafka writes UUIDs.
const CLUSTER_ID: &str = "bWlsZW5hLWthZmthLTAwMQ";
/// Another process may take a port between its choice and its use; more often than this it is no accident.
const PORT_ATTEMPTS: u32 = 5;
/// Between two looks at a process that is starting.
const PAUSE: Duration = Duration::from_millis(50);
/// Writing the archive takes a few seconds of the broker's normal end.
const ARCHIVE_LIMIT: Duration = Duration::from_secs(60);

/// In the log of a broker that ended because something of the past was still there: its port or its session.
const PASSING_CAUSES: [&str; 4] =
    ["Address already in use", "NodeExists", "node already exists", "already registered on the path"];

/// Why a start failed, and whether another attempt may succeed.
enum Failure {
    Passing(KafkaError),
    Lasting(KafkaError),
}

impl From<KafkaError> for Failure {
    fn from(error: KafkaError) -> Self {
        Self::Lasting(error)
    }
}

impl Failure {
    fn into_error(self) -> KafkaError {
        match self {
            Self::Passing(error) | Self::Lasting(error) => error,
        }
    }
}

/// The processes of one Kafka. Fields are dropped in this order: brokers, then ZooKeeper, then their files.
pub(super) struct Cluster {
    pub(super) nodes: Vec<Node>,
    zookeeper: Option<Process>,
    directory: Directory,
    pub(super) options: KafkaOptions,
    release: Release,
    java: Java,
    jars: Jars,
    archive: Archive,
}

impl Cluster {
    /// Starts everything, on other ports if the first ones were taken meanwhile.
    pub(super) fn start(options: KafkaOptions, release: Release) -> Result<Self, KafkaError> {
        let java = Java::find()?;
        let jars = Jars::prepare(&release, options.progress)?;
        let archive = archive(&options, &release, &java, &jars);
        (options.progress)(&format!("starting Kafka {release}"));
        Self::start_with(&options, &release, &java, &jars, &archive)
    }

    fn start_with(
        options: &KafkaOptions,
        release: &Release,
        java: &Java,
        jars: &Jars,
        archive: &Archive,
    ) -> Result<Self, KafkaError> {
        let mut attempt = 1;
        loop {
            let started = Self::create(options, release, java, jars, archive).and_then(|mut cluster| {
                cluster.launch()?;
                Ok(cluster)
            });
            match started {
                Err(Failure::Passing(_)) if attempt < PORT_ATTEMPTS => attempt += 1,
                other => return other.map_err(Failure::into_error),
            }
        }
    }

    /// Writes the files of all nodes; starts the ZooKeeper if they need one.
    fn create(
        options: &KafkaOptions,
        release: &Release,
        java: &Java,
        jars: &Jars,
        archive: &Archive,
    ) -> Result<Self, Failure> {
        let directory =
            Directory::create().map_err(|error| KafkaError::io("creating a temporary directory", error))?;
        let count = usize::from(options.nodes);
        let mut ports = free_ports(count * (options.listeners.len() + 2))
            .map_err(|error| KafkaError::io("looking for free ports", error))?;
        let mut cluster = Self {
            nodes: Vec::new(),
            zookeeper: None,
            directory,
            options: options.clone(),
            release: release.clone(),
            java: java.clone(),
            jars: jars.clone(),
            archive: archive.clone(),
        };
        let metadata = match release.mode() {
            Mode::ZooKeeper => Metadata::ZooKeeper(cluster.start_zookeeper(ports[0])?),
            Mode::Kraft => Metadata::Kraft(ports[..count].to_vec()),
        };
        let mut ports = ports.drain(count..);
        for id in 1..=count {
            let plain = ("PLAINTEXT".to_owned(), "PLAINTEXT".to_owned());
            let listeners = std::iter::once(&plain).chain(&options.listeners).zip(&mut ports);
            let node = Node {
                id,
                directory: cluster.directory.path().join(format!("node-{id}")),
                listeners: listeners
                    .map(|((name, protocol), port)| Listener {
                        name: name.clone(),
                        protocol: protocol.clone(),
                        port,
                    })
                    .collect(),
                process: None,
                paused: false,
            };
            let mut properties = broker_properties(release, &node, count, &metadata);
            properties.extend_from_slice(&options.properties);
            write(&node.directory, &node.properties_file(), &properties)?;
            cluster.nodes.push(node);
        }
        Ok(cluster)
    }

    /// Formats the nodes if they keep their own metadata, starts them all, and waits until each lists all.
    fn launch(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + self.options.start_limit;
        if self.release.mode() == Mode::Kraft {
            self.format(deadline)?;
        }
        for index in 0..self.nodes.len() {
            self.spawn(index)?;
        }
        (0..self.nodes.len()).try_for_each(|index| self.wait_until_ready(index, deadline))
    }

    /// Starts the node again; while only the past stands in its way, as often as the time allows.
    pub(super) fn restart(&mut self, id: usize) -> Result<(), KafkaError> {
        let deadline = Instant::now() + self.options.start_limit;
        let index = id - 1;
        loop {
            let ready = self.spawn(index).and_then(|()| self.wait_until_ready(index, deadline));
            match ready {
                Ok(()) => return Ok(()),
                Err(Failure::Passing(_)) if Instant::now() < deadline => thread::sleep(PAUSE),
                Err(failure) => {
                    self.nodes[index].process = None;
                    return Err(failure.into_error());
                }
            }
        }
    }

    /// The node of that id.
    pub(super) fn node(&mut self, id: usize) -> &mut Node {
        let count = self.nodes.len();
        match self.nodes.get_mut(id.wrapping_sub(1)) {
            Some(node) => node,
            None => panic!("there is no node {id}: the ids are 1 to {count}"),
        }
    }

    /// Ends the brokers in order, and the ZooKeeper, without which they could not end, after them.
    pub(super) fn shut_down(&mut self, deadline: Instant) {
        let mut brokers: Vec<_> = self.nodes.iter_mut().filter_map(|node| node.process.take()).collect();
        for process in &mut brokers {
            process.signal(Signal::Terminate);
            // One that is paused would not hear it.
            process.signal(Signal::Continue);
        }
        for process in &mut brokers {
            process.wait(deadline.saturating_duration_since(Instant::now()));
        }
        drop(brokers);
        if let Some(mut process) = self.zookeeper.take() {
            process.signal(Signal::Terminate);
            process.wait(deadline.saturating_duration_since(Instant::now()));
        }
    }

    fn java(
        &self,
        heap_megabytes: u32,
        archive: &Archive,
        arguments: &[OsString],
        directory: &Path,
        log: &str,
    ) -> Result<Process, KafkaError> {
        let mut all = self.jars.jvm_flags(heap_megabytes, archive, None);
        all.extend_from_slice(arguments);
        Process::spawn(&self.java.program, &all, directory, &directory.join(log))
            .map_err(|error| KafkaError::io("starting Java", error))
    }

    fn start_zookeeper(&mut self, port: u16) -> Result<u16, Failure> {
        let deadline = Instant::now() + self.options.start_limit;
        let directory = self.directory.path().join("zookeeper");
        let file = directory.join("zoo.cfg");
        write(&directory, &file, &zookeeper_properties(&directory, port))?;
        let arguments = ["org.apache.zookeeper.server.quorum.QuorumPeerMain".into(), file.into_os_string()];
        let process =
            self.java(ZOOKEEPER_HEAP_MEGABYTES, &Archive::None, &arguments, &directory, "zookeeper.log")?;
        let process = self.zookeeper.insert(process);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        while TcpStream::connect_timeout(&address, PAUSE).is_err() {
            check(process, &self.release, "ZooKeeper", deadline, "its port is closed")?;
            thread::sleep(PAUSE);
        }
        Ok(port)
    }

    /// Prepares the nodes' data directories for KRaft, side by side.
    fn format(&self, deadline: Instant) -> Result<(), Failure> {
        // The archive is of a broker's classes; those of this tool are among them, but its end must not write one.
        let archive = match &self.archive {
            Archive::Make(_) => &Archive::None,
            other => other,
        };
        let mut tools = Vec::new();
        for node in &self.nodes {
            let mut arguments: Vec<OsString> =
                ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"].map(OsString::from).into();
            arguments.push(node.properties_file().into_os_string());
            arguments.extend(self.options.format_arguments.iter().map(OsString::from));
            let heap = ZOOKEEPER_HEAP_MEGABYTES;
            tools.push((node.id, self.java(heap, archive, &arguments, &node.directory, "format.log")?));
        }
        for (id, mut tool) in tools {
            let ended = tool.wait(deadline.saturating_duration_since(Instant::now()));
            let status = tool.exited().map_err(|error| KafkaError::io("waiting for Java", error))?;
            let what = match status {
                Some(status) if status.success() => continue,
                Some(status) => format!("formatting node {id} ended with {status}"),
                None => format!("formatting node {id} is not done in time (ended: {ended})"),
            };
            return Err(self.failed(what, &tool.log()).into());
        }
        Ok(())
    }

    fn spawn(&mut self, index: usize) -> Result<(), Failure> {
        let node = &self.nodes[index];
        let heap = if self.nodes.len() > 1 { CLUSTER_HEAP_MEGABYTES } else { BROKER_HEAP_MEGABYTES };
        let arguments = ["kafka.Kafka".into(), node.properties_file().into_os_string()];
        let process = self.java(heap, &self.archive, &arguments, &node.directory, "broker.log")?;
        self.nodes[index].process = Some(process);
        self.nodes[index].paused = false;
        Ok(())
    }

    /// Waits until the node answers, knows a controller, and lists itself and every node that runs.
    fn wait_until_ready(&mut self, index: usize, deadline: Instant) -> Result<(), Failure> {
        let answering = self.nodes.iter().filter(|node| node.process.is_some() && !node.paused);
        let ports: Vec<_> = answering.map(Node::port).collect();
        let node = &mut self.nodes[index];
        let (what, port) = (format!("node {}", node.id), node.port());
        let Some(process) = &mut node.process else {
            return Err(KafkaError::Options(format!("{what} does not run")).into());
        };
        loop {
            let answer = match probe(port) {
                Ok(brokers) if brokers.is_complete(&ports) => return Ok(()),
                Ok(brokers) => format!("it lists {brokers:?}, not all of {ports:?}"),
                Err(error) => error,
            };
            check(process, &self.release, &what, deadline, &answer)?;
            thread::sleep(PAUSE);
        }
    }

    fn failed(&self, what: String, log: &str) -> KafkaError {
        KafkaError::Start { version: self.release.to_string(), what, log: tail(log) }
    }
}

/// Fails if the process has ended or the time is over; `answer` is what it last answered.
fn check(
    process: &mut Process,
    release: &Release,
    name: &str,
    deadline: Instant,
    answer: &str,
) -> Result<(), Failure> {
    let ended = process.exited().map_err(|error| KafkaError::io("waiting for Java", error))?;
    let what = match ended {
        Some(status) => format!("{name} ended with {status}"),
        None if Instant::now() < deadline => return Ok(()),
        None => format!("{name} is not ready in time ({answer})"),
    };
    let log = process.log();
    let error = KafkaError::Start { version: release.to_string(), what, log: tail(&log) };
    let passing = ended.is_some() && PASSING_CAUSES.iter().any(|cause| log.contains(cause));
    Err(if passing { Failure::Passing(error) } else { Failure::Lasting(error) })
}

fn write(directory: &Path, file: &Path, properties: &[(String, String)]) -> Result<(), KafkaError> {
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(file, property_file(properties)))
        .map_err(|error| KafkaError::io(format!("writing {}", file.display()), error))
}

/// The archive of loaded classes to start from: made, the first time, by one run of a plain broker.
///
/// It saves time only, so whatever goes wrong here is no error. An empty file says that this JVM could not make one.
fn archive(options: &KafkaOptions, release: &Release, java: &Java, jars: &Jars) -> Archive {
    let file = jars.archive_file(java);
    let usable = || file.metadata().ok().map(|metadata| metadata.len() > 0);
    if usable().is_none() {
        let Ok(_lock) = jars::lock(&file.with_extension("lock")) else { return Archive::None };
        if usable().is_none() {
            (options.progress)(&format!("running Kafka {release} once to archive its loaded classes"));
            let fresh = file.with_extension("making");
            let plain = super::Kafka::builder().version(&options.version).start_limit(options.start_limit);
            let made = Cluster::start_with(&plain, release, java, jars, &Archive::Make(fresh.clone()))
                .map(|mut cluster| cluster.shut_down(Instant::now() + ARCHIVE_LIMIT));
            let _ = match made {
                Ok(()) if fresh.is_file() => fs::rename(&fresh, &file),
                _ => fs::write(&file, ""),
            };
        }
    }
    if usable() == Some(true) { Archive::Use(file) } else { Archive::None }
}
