//! Administrators in a hurry: requests that give the controller no time.

use milena_core::protocol::create_partitions::CreatePartitionsTopic;
use milena_core::protocol::create_topics::CreatableTopic;
use milena_core::protocol::delete_topics::DeleteTopicState;
use milena_core::protocol::*;

use super::peer::Peer;
use super::{Script, log};

pub(super) const SCRIPTS: &[Script] = &[("no time", no_time)];

/// Waits until a topic has so many partitions; with none it is not there.
fn settled(peer: &Peer, name: &str, partitions: usize) {
    peer.until(|peer| {
        let topic = peer.call("wait", log::metadata(name), 9).topics.remove(0);
        topic.partitions.len() == partitions && topic.partitions.iter().all(|it| it.error_code.is_ok())
    });
}

fn no_time(peer: &mut Peer) {
    // With a ZooKeeper it was done all the same.
    let is_done = peer.release < milena_conformance::cluster::Release::V3_0;
    for timeout_ms in [0, -1] {
        let name = format!("truth-hurry{timeout_ms}");
        let create = |replicas, validate_only| {
            let topic = CreatableTopic {
                name: name.as_str().into(),
                num_partitions: 1,
                replication_factor: replicas,
                ..Default::default()
            };
            CreateTopicsRequest { topics: vec![topic], timeout_ms, validate_only, ..Default::default() }
        };
        peer.call(&format!("try to create in {timeout_ms} ms"), create(1, true), 4);
        peer.call(&format!("create in {timeout_ms} ms what cannot be"), create(9, false), 6);
        peer.call(&format!("create in {timeout_ms} ms"), create(1, false), 6);
        settled(peer, &name, if is_done { 1 } else { 0 });
        let name = format!("truth-slow{timeout_ms}");
        log::create(peer, &name, 1, &[]);
        let partitions = |count, validate_only| {
            let name = name.as_str().into();
            let topic = CreatePartitionsTopic { name, count, assignments: None, ..Default::default() };
            CreatePartitionsRequest { topics: vec![topic], timeout_ms, validate_only, ..Default::default() }
        };
        peer.call(&format!("try more partitions in {timeout_ms} ms"), partitions(3, true), 1);
        peer.call(&format!("fewer partitions in {timeout_ms} ms"), partitions(0, false), 1);
        peer.call(&format!("more partitions in {timeout_ms} ms"), partitions(3, false), 1);
        settled(peer, &name, if is_done { 3 } else { 1 });
        for (what, name) in [("nothing", "truth-nothing"), ("a topic", &*name)] {
            let topic = DeleteTopicState { name: Some(name.into()), ..Default::default() };
            let request = DeleteTopicsRequest { topics: vec![topic], timeout_ms, ..Default::default() };
            peer.call(&format!("delete {what} in {timeout_ms} ms"), request, 6);
        }
        settled(peer, &name, if is_done { 0 } else { 1 });
    }
}
