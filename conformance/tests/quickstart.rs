//! The quickstart example does what it says, on every runtime, and says when it can't.

#[path = "../examples/quickstart.rs"]
#[allow(dead_code)]
mod quickstart;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use lexopt::Parser;
use milena_conformance::cluster::Cluster;

fn run(args: &[&str]) -> Result<String, String> {
    let parser = Parser::from_args(args);
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(quickstart::quickstart(parser).map_err(|error| error.to_string())));
    receiver.recv_timeout(Duration::from_secs(60)).expect("it ends in time")
}

#[test]
fn writes_reads_and_checks_on_every_runtime() {
    for runtime in ["tokio", "smol", "async-std", "blocking"] {
        let report = run(&["--records", "5000", "--runtime", runtime]).unwrap();
        let lines: Vec<&str> = report.lines().collect();
        assert_eq!(lines.len(), 3, "{report}");
        assert!(lines[0].starts_with("wrote 5000 records in "), "{report}");
        assert!(lines[1].starts_with("read  5000 records in "), "{report}");
        assert!(lines[2].ends_with("each of 1000 keys came in order"), "{report}");
    }
}

#[test]
fn uses_the_cluster_it_is_told() {
    let cluster = Cluster::start().unwrap();
    let report = run(&["--bootstrap-server", &cluster.bootstrap(), "--records", "700"]).unwrap();
    assert!(report.ends_with("each of 700 keys came in order"), "{report}");
    assert!(cluster.requests().len() > 3);
}

#[test]
fn says_that_nothing_listens() {
    // A port that was free a moment ago may be another test's by now; this one is nobody's.
    let address = "127.0.0.1:1".to_owned();
    for runtime in ["tokio", "smol", "async-std", "blocking"] {
        let error = run(&["--bootstrap-server", &address, "--runtime", runtime]).unwrap_err();
        assert!(error.contains(&address) && error.contains("can't connect"), "{error}");
    }
}

#[test]
fn names_a_wrong_option() {
    assert!(run(&["--runtime", "green"]).unwrap_err().contains("green"));
    assert!(run(&["--colour"]).unwrap_err().contains("--colour"));
}
