//! The machine driven by hand writes and reads what it says, on a simulated cluster; `tests/real` has it on a real broker.

#[path = "../examples/by_hand.rs"]
#[allow(dead_code)]
mod by_hand;

use milena_conformance::cluster::Cluster;

#[test]
fn it_writes_ten_records_and_reads_them_back() {
    let cluster = Cluster::start().unwrap();
    let read = by_hand::by_hand(&cluster.bootstrap(), "t").unwrap();
    assert_eq!(read, (0..10).map(|number| format!("record {number}")).collect::<Vec<_>>());
}

#[test]
fn it_says_that_nobody_listens() {
    // A port that was free a moment ago may be another test's by now; this one is nobody's.
    let error = by_hand::by_hand("127.0.0.1:1", "t").unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1") && error.contains("can't connect"), "{error}");
}
