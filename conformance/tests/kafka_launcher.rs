//! The launcher against a real Kafka: start, kill, restart, stop, and nothing left behind.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use milena_conformance::kafka::{Kafka, available_for};

/// A first run fetches the jars; a restart after a kill waits for Kafka's old session. Both fit in by far.
const LIMIT: Duration = Duration::from_secs(400);

/// Runs `test` on a thread of its own and fails if it does not end in time.
fn bounded(test: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let runner = thread::spawn(move || {
        test();
        let _ = done.send(());
    });
    match ended.recv_timeout(LIMIT) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("not done within {LIMIT:?}"),
        _ => {
            if let Err(panic) = runner.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

fn accepts(bootstrap: &str) -> bool {
    let address: SocketAddr = bootstrap.parse().expect("one address");
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

/// The processes whose command line names `text`, such as a broker's directory.
fn processes_naming(text: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").expect("Linux").flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).filter(|l| l.contains(text)).collect()
}

/// The temporary directories of what the process `launcher` started.
fn directories_of(launcher: u32) -> Vec<String> {
    let prefix = format!("milena-kafka-{launcher}-");
    let entries = fs::read_dir(std::env::temp_dir()).expect("a temporary directory").flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|n| n.starts_with(&prefix))
        .collect()
}

#[track_caller]
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_node_is_killed_restarted_and_stopped_with_nothing_left() {
    if !available_for("a_node_is_killed_restarted_and_stopped_with_nothing_left") {
        return;
    }
    bounded(|| {
        let mut kafka = Kafka::builder()
            .version("4.3.1")
            .property("auto.create.topics.enable", "false")
            .listener("OTHER", "PLAINTEXT")
            .start()
            .expect("Kafka 4.3.1 starts");
        let bootstrap = kafka.bootstrap();
        let other = kafka.bootstrap_of("OTHER").expect("asked for");
        assert_ne!(bootstrap, other);
        assert_eq!(kafka.bootstrap_of("TLS"), None);
        assert!(accepts(&bootstrap) && accepts(&other));
        let directories = directories_of(std::process::id());
        assert_eq!(directories.len(), 1, "{directories:?}");
        // The supervisor and its broker, and the supervisor's watcher.
        assert_eq!(processes_naming(&directories[0]).len(), 3, "{:#?}", processes_naming(&directories[0]));

        kafka.kill(1);
        assert!(!accepts(&bootstrap), "a killed broker's port is closed");
        assert_eq!(processes_naming(&directories[0]), Vec::<String>::new());

        kafka.restart(1).expect("it starts again");
        assert_eq!(kafka.bootstrap(), bootstrap);
        assert!(accepts(&bootstrap));

        kafka.stop();
        assert!(!accepts(&bootstrap));
        assert_eq!(processes_naming(&directories[0]), Vec::<String>::new());
        assert_eq!(directories_of(std::process::id()), Vec::<String>::new());
    });
}

#[test]
fn a_broker_that_refuses_its_properties_fails_at_once_with_its_log() {
    if !available_for("a_broker_that_refuses_its_properties_fails_at_once_with_its_log") {
        return;
    }
    bounded(|| {
        let (held, open) = std::io::pipe().expect("a pipe");
        let output = Command::new(env!("CARGO_BIN_EXE_milena-conformance"))
            .args(["kafka", "--property", "num.network.threads=none"])
            .stdin(held)
            .output()
            .expect("the launcher runs");
        drop(open);
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("Invalid value none for configuration num.network.threads"), "{text}");
    });
}

/// The command line tool, ready: its process, what it prints from now on, and its address.
fn launcher() -> (Child, BufReader<ChildStdout>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_milena-conformance"))
        .args(["kafka", "--version", "4.3.1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the launcher runs");
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    let bootstrap = line.trim().strip_prefix("bootstrap=").expect("its form").to_owned();
    (child, output, bootstrap)
}

#[test]
fn nothing_outlives_a_killed_launcher() {
    if !available_for("nothing_outlives_a_killed_launcher") {
        return;
    }
    bounded(|| {
        let (mut child, _output, bootstrap) = launcher();
        assert!(accepts(&bootstrap));
        let directories = directories_of(child.id());
        assert_eq!(directories.len(), 1, "{directories:?}");
        child.kill().expect("it ran");
        child.wait().expect("it has ended");
        until("the broker is gone", || processes_naming(&directories[0]).is_empty());
        until("its files are gone", || directories_of(child.id()).is_empty());
        assert!(!accepts(&bootstrap));
    });
}

#[test]
fn a_launcher_whose_input_closes_stops_its_broker() {
    if !available_for("a_launcher_whose_input_closes_stops_its_broker") {
        return;
    }
    bounded(|| {
        let (mut child, mut output, bootstrap) = launcher();
        let mut input = child.stdin.take().expect("piped");
        writeln!(input, "kill 1").expect("read");
        let mut line = String::new();
        output.read_line(&mut line).expect("an answer");
        assert_eq!(line, "done kill 1\n");
        assert!(!accepts(&bootstrap));
        assert_eq!(child.try_wait().expect("its state"), None, "the launcher goes on without its broker");
        drop(input);
        assert_eq!(child.wait().expect("it ends").code(), Some(0));
        assert_eq!(directories_of(child.id()), Vec::<String>::new());
    });
}
