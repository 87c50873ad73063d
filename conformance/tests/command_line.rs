//! The binary's exit codes, and its benches against a simulated cluster and a null broker.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use milena_conformance::cluster::Cluster;

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_milena-conformance"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    // What these commands print fits into a pipe.
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("{args:?} did not end");
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    for (args, named) in [
        (&[][..], "no command"),
        (&["brokr"], "brokr"),
        (&["--colour"], "--colour"),
        (&["broker", "--colour"], "--colour"),
        (&["null-broker", "--nodes", "3"], "--nodes"),
        (&["kafka", "--colour"], "--colour"),
        (&["bench", "produce"], "--bootstrap-server"),
        (&["oracle"], "no file is given"),
        (&["oracle", "--live", "messages.tsv"], "--live"),
        (&["replay"], "no file is given"),
        (&["replay", "a", "b"], "\"b\""),
        (&["fuzz", "run", "nothing"], "\"nothing\" is none of messages"),
        (&["simulate"], "--seeds A..B or --seed S"),
        (&["simulate", "--seeds", "9..3"], "9..3 holds no seed"),
        (&["simulate", "--seed", "1", "--scenario", "storm"], "\"storm\" is none of calm"),
    ] {
        let output = run(args);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(error.contains(named) && error.contains("--help"), "{args:?}: {error}");
        assert_eq!(output.stdout, b"");
    }
}

#[test]
fn help_is_no_failure() {
    for args in [
        &["--help"][..],
        &["broker", "--help"],
        &["null-broker", "--help"],
        &["kafka", "--help"],
        &["bench", "--help"],
        &["oracle", "--help"],
        &["replay", "--help"],
        &["fuzz", "--help"],
        &["simulate", "--help"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stdout.len() > 100, "{args:?}");
    }
}

#[test]
fn an_oracle_that_checked_nothing_or_found_a_difference_fails() {
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/scram.tsv.gz");
    let good = run(&["oracle", vectors]);
    assert_eq!(
        (good.status.code(), &good.stdout[..]),
        (Some(0), &b"41 vectors, 0 skipped, 0 failures\n"[..])
    );
    let folder = std::env::temp_dir().join(format!("milena-command-line-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let heartbeat = "request\t12\tHeartbeatRequest\t0\t0001670000000800016d\t{\"generationId\":7}\n";
    for (line, last) in [
        ("request\t52\tVoteRequest\t0\t\t\n", "0 vectors, 1 skipped, 0 failures\n"),
        (heartbeat, "1 vectors, 0 skipped, 1 failures\n"),
    ] {
        let file = folder.join("messages.tsv");
        std::fs::write(&file, line).unwrap();
        let output = run(&["oracle", file.to_str().unwrap()]);
        let told = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.ends_with(last), "{told}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_simulation_ends_with_its_count_and_a_replay_is_the_same_twice() {
    let output = run(&["simulate", "--seeds", "0..3", "--scenario", "requests", "--jobs", "1"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.ends_with("\nseeds 3, violations 0, divergent 0\n"), "{told}");
    assert!(told.contains("virtual seconds and"), "{told}");
    let replay = || run(&["simulate", "--seed", "2", "--scenario", "calm", "--trace"]);
    let (first, second) = (replay(), replay());
    assert_eq!(first.stdout, second.stdout);
    let told = String::from_utf8(first.stdout).unwrap();
    assert!(told.contains(": connected\n"), "{told}");
    assert!(told.ends_with("\nseeds 1, violations 0, divergent 0\n"), "{told}");
}

/// The value of a key in a bench's line.
fn number(line: &str, key: &str) -> f64 {
    let pair = line.split_whitespace().find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    pair.unwrap_or_else(|| panic!("no {key} in {line:?}")).parse().unwrap()
}

#[test]
fn benches_measure_what_they_say() {
    let cluster = Cluster::builder().nodes(3).start().unwrap();
    for (runtime, codec) in [("tokio", "none"), ("smol", "none"), ("async-std", "lz4"), ("blocking", "zstd")]
    {
        let bench = |kind: &[&str], records: &str| {
            let bootstrap = cluster.bootstrap();
            let common = ["--bootstrap-server", &bootstrap, "--topic", runtime, "--runtime", runtime];
            let more = ["--records", records, "--codec", codec, "--partitions", "3"];
            let output = run(&[&["bench"], kind, &common, &more].concat());
            let error = String::from_utf8(output.stderr).unwrap();
            let line = String::from_utf8(output.stdout).unwrap();
            (output.status.code(), line, error)
        };
        let (code, line, error) = bench(&["produce"], "20000");
        assert_eq!(code, Some(0), "{error}");
        let asked = format!(
            "bench=produce runtime={runtime} records=20000 size=100 codec={codec} partitions=3 acks=all linger_ms=0 "
        );
        assert!(line.starts_with(&asked) && line.ends_with('\n') && line.lines().count() == 1, "{line}");
        assert!(number(&line, "records_per_s") > 0.0 && number(&line, "cpu_s_per_m") > 0.0, "{line}");
        assert!(number(&line, "mb_per_s") / number(&line, "records_per_s") < 1.1e-4, "{line}");
        // A batch costs some allocations, a record none.
        let allocations = number(&line, "allocs_per_record");
        assert!(allocations > 0.0 && allocations < 0.5, "{line}");
        let written: i64 = (0..3).map(|partition| cluster.offsets(runtime, partition).unwrap().1).sum();
        assert_eq!(written, 20_001, "one more to warm up");

        for kind in [&["consume"][..], &["consume", "--messages"]] {
            let (code, line, error) = bench(kind, "20000");
            assert_eq!(code, Some(0), "{error}");
            assert!(number(&line, "records") >= 20_000.0 && number(&line, "records") <= 20_001.0, "{line}");
            assert!(number(&line, "allocs_per_record") < 0.5, "{line}");
        }
        let (code, line, error) = bench(&["consume"], "20002");
        assert_eq!((code, line.as_str()), (Some(1), ""));
        assert!(error.contains("only 20001 records"), "{error}");

        let (code, line, error) = bench(&["latency"], "50");
        assert_eq!(code, Some(0), "{error}");
        assert!(number(&line, "p50_us") > 0.0, "{line}");
        assert!(number(&line, "p50_us") <= number(&line, "p99_us"), "{line}");
        assert!(number(&line, "p99_us") <= number(&line, "max_us"), "{line}");
    }
}

#[test]
fn the_floor_is_told_as_the_benches_are() {
    for (kind, records) in [("produce", 2_000..=2_000), ("consume", 2_000..=12_000)] {
        let output = run(&["bench", "floor", kind, "--records", "2000", "--size", "100"]);
        let line = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}");
        assert!(line.starts_with(&format!("bench={kind} runtime=floor records=")), "{line}");
        assert!(records.contains(&(number(&line, "records") as i32)), "{line}");
        assert!(number(&line, "cpu_s_per_m") > 0.0, "{line}");
    }
}

#[test]
fn all_runtimes_are_compared_in_one_table() {
    let output = run(&["bench", "all", "--records", "2000", "--rounds", "1"]);
    let (told, error) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{error}");
    let (lines, table) = told.split_once("\n\n").unwrap();
    // Four measurements on five runtimes, and two floors.
    assert_eq!(lines.lines().count(), 22, "{lines}");
    assert_eq!(table.lines().count(), 2 + 22, "{table}");
    for line in lines.lines().filter(|line| !line.contains("runtime=floor")) {
        assert!(number(line, "requests") >= 1.0 && number(line, "switches_per_request") >= 0.0, "{line}");
        assert!(number(line, "broker_cpu_s_per_m") > 0.0, "{line}");
    }
    for row in ["| produce 100 B | tokio |", "| consume 100 B | floor |", "| latency 100 B | blocking |"] {
        assert!(table.contains(row), "{table}");
    }
}

#[test]
fn a_null_broker_lives_as_long_as_its_input_and_tells_what_it_did() {
    let mut broker = Command::new(env!("CARGO_BIN_EXE_milena-conformance"))
        .args(["null-broker", "--topic", "t:2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(broker.stdout.take().unwrap());
    let mut ready = String::new();
    told.read_line(&mut ready).unwrap();
    let bootstrap = ready.trim().strip_prefix("bootstrap=").unwrap();
    for (kind, lines) in [("latency", 1), ("fairness", 2)] {
        let arguments = ["bench", kind, "--bootstrap-server", bootstrap, "--topic", "t", "--runtime", "smol"];
        let output = run(&[&arguments[..], &["--records", "50", "--seconds", "1"]].concat());
        let line = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(line.lines().count(), lines, "{line}");
        if kind == "fairness" {
            assert!(number(line.lines().last().unwrap(), "read_per_s") > 0.0, "{line}");
        }
    }
    drop(broker.stdin.take());
    let mut did = String::new();
    told.read_to_string(&mut did).unwrap();
    assert!(broker.wait().unwrap().success());
    assert!(number(&did, "produces") >= 51.0 && number(&did, "fetches") >= 1.0, "{did}");
}

#[test]
fn idleness_is_measured_with_each_that_a_client_can_hold() {
    let cluster = Cluster::builder().nodes(3).topic("t", 100).start().unwrap();
    let bootstrap = cluster.bootstrap();
    let output = run(&["bench", "idle", "--bootstrap-server", &bootstrap, "--topic", "t", "--seconds", "1"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    for (line, holding) in told.lines().zip(["metadata", "writer", "reader"]) {
        assert!(
            line.starts_with(&format!("bench=idle runtime=tokio holding={holding} seconds=1 ")),
            "{line}"
        );
        assert!(number(line, "switches_per_min") >= 0.0 && number(line, "cpu_ms_per_min") >= 0.0, "{line}");
    }
    assert_eq!(told.lines().count(), 3, "{told}");
}
