//! The simulated cluster against the truth: the same calls to it and to a real Kafka get the same answers.
//!
//! A script is a function that calls a [`Peer`]; what it is told is written down, with what must differ left out (see
//! `peer.rs`), and both transcripts are compared. Where the two are agreed to differ the script says so, with the reason:
//! see [`Peer::agreed`].

mod acls;
mod admin;
mod groups;
mod log;
mod peer;
mod transactions;

use milena_conformance::cluster::{Cluster, ClusterOptions};
use milena_conformance::kafka::{Kafka, available_for};
use milena_conformance::oracle::difference;

use peer::{Peer, Step};

/// Its name, and what is called.
type Script = (&'static str, fn(&mut Peer));

const SCRIPTS: &[&[Script]] =
    &[log::SCRIPTS, groups::SCRIPTS, transactions::SCRIPTS, admin::SCRIPTS, acls::SCRIPTS];

#[test]
fn as_kafka_4_3_answers() {
    compare("4.3.1");
}

#[test]
fn as_kafka_2_8_answers() {
    compare("2.8.2");
}

fn compare(release: &str) {
    if !available_for(&format!("the simulated cluster against Kafka {release}")) {
        return;
    }
    // Where there is no rule everybody may do everything, so only the scripts that make some can tell.
    let authorizer = match release {
        "2.8.2" => "kafka.security.authorizer.AclAuthorizer",
        _ => "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    };
    let kafka = Kafka::builder()
        .version(release)
        .property("authorizer.class.name", authorizer)
        .property("allow.everyone.if.no.acl.found", "true")
        .property("group.initial.rebalance.delay.ms", "0")
        .property("auto.create.topics.enable", "false")
        .start()
        .unwrap();
    let mut compared = 0;
    let mut wrong = Vec::new();
    for (name, script) in SCRIPTS.iter().copied().flatten() {
        let options = ClusterOptions {
            validate_records: true,
            cut_last_batch: true,
            authorizer: true,
            allow_everyone: true,
            // As the launcher has it.
            coordinator_partitions: 3,
            ..Default::default()
        };
        let cluster = Cluster::builder().options(options).as_version(release).start().unwrap();
        let simulated = told(&cluster.bootstrap(), release, *script);
        let real = told(&kafka.bootstrap(), release, *script);
        compared += real.len();
        wrong.extend(differences(&simulated, &real).into_iter().map(|what| format!("{name}: {what}")));
    }
    println!("Kafka {release}: {compared} answers compared");
    assert!(wrong.is_empty(), "the simulated cluster is not as Kafka {release}:\n{}", wrong.join("\n"));
}

fn told(bootstrap: &str, release: &str, script: fn(&mut Peer)) -> Vec<Step> {
    let mut peer = Peer::connect(bootstrap, release);
    script(&mut peer);
    peer.steps
}

fn differences(simulated: &[Step], real: &[Step]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (ours, theirs) in simulated.iter().zip(real) {
        assert_eq!(ours.what, theirs.what, "the scripts go the same way");
        if let Some(difference) = difference(&ours.answer, &theirs.answer)
            && ours.agreed.is_none()
        {
            // The words are those of the oracle, to which Java is the truth, as it is here.
            wrong.push(format!("{}: {difference}", ours.what));
        }
    }
    if simulated.len() != real.len() {
        wrong.push(format!("{} answers instead of {}", simulated.len(), real.len()));
    }
    wrong
}
