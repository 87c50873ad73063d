//! Java's own clients against the simulated brokers: they find in them what they find in a real Kafka.
//!
//! Console clients and those of Apache's system tests, of Kafka 4.3.1. Runs where Java and Maven are.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use milena_conformance::cluster::{Cluster, ClusterOptions};
use milena_conformance::kafka::{available_for, tool};
use serde_json::Value;

const RELEASE: &str = "4.3.1";
/// A JVM starts in a second; on a loaded machine in many times that.
const LIMIT: Duration = Duration::from_secs(120);

fn cluster() -> Cluster {
    let options = ClusterOptions { nodes: 3, validate_records: true, ..Default::default() };
    Cluster::builder().options(options).topic("events", 4).topic("copies", 4).start().unwrap()
}

fn java(class: &str, args: &[&str]) -> Command {
    let mut command = tool(RELEASE, &format!("org.apache.kafka.tools.{class}")).unwrap();
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs to its end, within the limit; what it writes is read on the way, or it would wait for that.
fn output(mut child: Child, what: &str) -> String {
    let mut stdout = child.stdout.take().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let stdout = std::thread::spawn(move || io::read_to_string(&mut stdout).unwrap());
    let stderr = std::thread::spawn(move || io::read_to_string(&mut stderr).unwrap());
    let start = Instant::now();
    let ended = loop {
        match child.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if start.elapsed() > LIMIT => {
                let _ = child.kill();
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    assert!(ended.is_some_and(|status| status.success()), "{what}: {ended:?}\n{stderr}\n{stdout:.2000}");
    stdout
}

fn run(class: &str, args: &[&str]) -> String {
    output(java(class, args).spawn().unwrap(), class)
}

/// The events of a verifiable client, by their names.
fn events(text: &str) -> BTreeMap<String, Vec<Value>> {
    let mut events: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for event in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let name = event["name"].as_str().unwrap_or("unnamed").to_owned();
        events.entry(name).or_default().push(event);
    }
    events
}

#[test]
fn console_clients_write_and_read() {
    if !available_for("Java's console clients against the simulated cluster") {
        return;
    }
    let cluster = cluster();
    let bootstrap = cluster.bootstrap();
    let listed = run(
        "TopicCommand",
        &["--bootstrap-server", &bootstrap, "--create", "--topic", "lines", "--partitions", "3"],
    );
    assert!(listed.contains("Created topic lines"), "{listed}");
    let described =
        run("TopicCommand", &["--bootstrap-server", &bootstrap, "--describe", "--topic", "lines"]);
    assert!(described.contains("PartitionCount: 3") && described.contains("Isr: "), "{described}");

    let args = ["--bootstrap-server", &bootstrap, "--topic", "lines", "--property", "parse.key=true"];
    let mut producer = java("ConsoleProducer", &args).stdin(Stdio::piped()).spawn().unwrap();
    let lines: String = (0..500).map(|n| format!("k{}\tline {n}\n", n % 10)).collect();
    producer.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    output(producer, "ConsoleProducer");
    assert_eq!((0..3).map(|index| cluster.offsets("lines", index).unwrap().1).sum::<i64>(), 500);

    let read = run(
        "consumer.ConsoleConsumer",
        &[
            "--bootstrap-server",
            &bootstrap,
            "--topic",
            "lines",
            "--from-beginning",
            "--max-messages",
            "500",
            "--group",
            "readers",
        ],
    );
    let expected: BTreeSet<String> = (0..500).map(|n| format!("line {n}")).collect();
    assert_eq!(read.lines().map(str::to_owned).collect::<BTreeSet<_>>(), expected);
    let groups = run(
        "consumer.group.ConsumerGroupCommand",
        &["--bootstrap-server", &bootstrap, "--describe", "--group", "readers"],
    );
    let lag: Vec<&str> = groups.lines().filter(|line| line.contains("lines")).collect();
    assert_eq!(lag.len(), 3, "the offsets of three partitions: {groups}");
}

#[test]
fn verifiable_clients_write_idempotently_and_consume_in_groups() {
    if !available_for("Apache's verifiable clients against the simulated cluster") {
        return;
    }
    let cluster = cluster();
    let bootstrap = cluster.bootstrap();
    // It turns idempotence off, by turning off retries, unless it is told otherwise.
    let config = std::env::temp_dir().join(format!("milena-idempotent-{}.properties", std::process::id()));
    std::fs::write(&config, "enable.idempotence=true\nretries=100\n").unwrap();
    let written = run(
        "VerifiableProducer",
        &[
            "--bootstrap-server",
            &bootstrap,
            "--topic",
            "events",
            "--max-messages",
            "2000",
            "--repeating-keys",
            "50",
            "--command-config",
            config.to_str().unwrap(),
        ],
    );
    std::fs::remove_file(config).unwrap();
    let written = events(&written);
    assert_eq!(written["producer_send_success"].len(), 2000);
    assert!(!written.contains_key("producer_send_error"));
    let batch = cluster.log("events", 0).into_iter().next().expect("a batch");
    assert!(batch.producer_id().0 >= 0, "it is idempotent by default");

    let consumer = |instance: &str| {
        java(
            "VerifiableConsumer",
            &[
                "--bootstrap-server",
                &bootstrap,
                "--topic",
                "events",
                "--group-id",
                "g",
                "--max-messages",
                "1000",
                "--group-instance-id",
                instance,
                "--session-timeout",
                "10000",
            ],
        )
        .spawn()
        .unwrap()
    };
    let members = [consumer("a"), consumer("b")].map(|child| events(&output(child, "VerifiableConsumer")));
    let mut consumed: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for member in &members {
        assert!(member.contains_key("partitions_assigned") && member.contains_key("shutdown_complete"));
        for event in &member["records_consumed"] {
            for partition in event["partitions"].as_array().unwrap() {
                let range =
                    partition["minOffset"].as_i64().unwrap()..=partition["maxOffset"].as_i64().unwrap();
                consumed.entry(partition["partition"].as_i64().unwrap()).or_default().extend(range);
            }
        }
        assert!(member["offsets_committed"].iter().all(|event| event["success"] == Value::Bool(true)));
    }
    assert!(consumed.values().map(BTreeSet::len).sum::<usize>() >= 1000);
}

#[test]
fn a_transactional_copier_copies_each_record_once() {
    if !available_for("Apache's transactional copier against the simulated cluster") {
        return;
    }
    let cluster = cluster();
    let bootstrap = cluster.bootstrap();
    run(
        "VerifiableProducer",
        &["--bootstrap-server", &bootstrap, "--topic", "events", "--max-messages", "1000"],
    );
    for partition in 0..4 {
        let end = cluster.offsets("events", partition).unwrap().1;
        if end == 0 {
            continue;
        }
        let copied = run(
            "TransactionalMessageCopier",
            &[
                "--broker-list",
                &bootstrap,
                "--input-topic",
                "events",
                "--input-partition",
                &partition.to_string(),
                "--output-topic",
                "copies",
                "--consumer-group",
                "copiers",
                "--transactional-id",
                &format!("copier-{partition}"),
                "--transaction-size",
                "50",
                "--max-messages",
                &end.to_string(),
                "--enable-random-aborts",
            ],
        );
        assert!(copied.contains("\"remaining\":\"0\"") || copied.contains("\"remaining\":0"), "{copied}");
    }
    let read = run(
        "consumer.ConsoleConsumer",
        &[
            "--bootstrap-server",
            &bootstrap,
            "--topic",
            "copies",
            "--from-beginning",
            "--timeout-ms",
            "5000",
            "--isolation-level",
            "read_committed",
        ],
    );
    let mut values: Vec<i64> = read.lines().filter_map(|line| line.parse().ok()).collect();
    values.sort_unstable();
    assert_eq!(values, (0..1000).collect::<Vec<_>>(), "aborted copies are not seen");
}
