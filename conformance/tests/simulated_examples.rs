//! The examples do what they say: each planted bug is found, and its fix passes every seed.

#[path = "../examples/simulated_double_order.rs"]
#[allow(dead_code)]
mod double_order;
#[path = "../examples/simulated_lost_order.rs"]
#[allow(dead_code)]
mod lost_order;
#[path = "../examples/simulated_lost_progress.rs"]
#[allow(dead_code)]
mod lost_progress;

use milena_conformance::sim::{Failure, Stuck};

/// The bug was found, for what it is, and its trace tells the story.
fn assert_found(failure: Option<Failure>, why: (&str, &str), story: &[&str]) {
    let failure = failure.expect("the bug is found");
    let Stuck::Failed(text) = &failure.why else { panic!("{failure}") };
    assert!(text.starts_with(why.0) && text.contains(why.1), "{failure}");
    let trace = failure.trace.to_string();
    assert!(story.iter().all(|line| trace.contains(line)), "{failure}");
}

#[test]
fn a_lost_order_is_found_and_the_fix_holds() {
    assert_found(lost_order::find_the_bug(), ("order ", " was confirmed and is lost"), &[" is confirmed"]);
    lost_order::check_the_fix();
}

#[test]
fn a_double_order_is_found_and_the_fix_holds() {
    assert_found(double_order::find_the_bug(), ("order ", " was written 2 times"), &[" is confirmed"]);
    double_order::check_the_fix();
}

#[test]
fn a_lost_progress_is_found_and_the_fix_holds() {
    let story = ["Kill { process: ", " is sent"];
    assert_found(lost_progress::find_the_bug(), ("the parcel of order ", " is never sent"), &story);
    lost_progress::check_the_fix();
}
