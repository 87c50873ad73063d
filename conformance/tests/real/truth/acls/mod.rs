//! Access rules: what those are told who may not.
//!
//! Rule: everybody is `User:ANONYMOUS`, the brokers among themselves, too, and may do everything to what no rule is about.
//! The script about the cluster comes last: it takes from itself the right to undo what it did.

mod cluster;
mod groups;
mod topics;
mod transactions;

use milena_core::protocol::create_acls::AclCreation;
use milena_core::protocol::*;
use milena_core::wire::{Str, Uuid};

use super::peer::Peer;
use super::{Script, log};

pub(super) const SCRIPTS: &[Script] = &[
    ("rules about topics", topics::topics),
    ("rules about groups", groups::groups),
    ("rules about transactional ids", transactions::transactions),
    ("rules about the cluster", cluster::cluster),
];

const TOPIC: i8 = 2;
const GROUP: i8 = 3;
const CLUSTER: i8 = 4;
const TRANSACTIONAL_ID: i8 = 5;
const ALL: i8 = 2;
const DESCRIBE: i8 = 8;
const CLUSTER_ACTION: i8 = 9;
const DENY: i8 = 2;
const ALLOW: i8 = 3;

type Topic<'a> = (&'a str, Uuid);

fn rule(resource_type: i8, name: &str, operation: i8, permission_type: i8) -> AclCreation {
    AclCreation {
        resource_type,
        resource_name: name.into(),
        resource_pattern_type: 3,
        principal: "User:ANONYMOUS".into(),
        host: "*".into(),
        operation,
        permission_type,
        ..Default::default()
    }
}

fn rules(creations: Vec<AclCreation>) -> CreateAclsRequest {
    CreateAclsRequest { creations, ..Default::default() }
}

/// Makes rules, the last of which is one about a topic that may not be described; with it all are in force.
fn enforce(peer: &mut Peer, mut made: Vec<AclCreation>, sentinel: &str) {
    made.push(rule(TOPIC, sentinel, ALL, DENY));
    peer.call("make rules", rules(made), 2);
    peer.until(|peer| {
        let told = peer.call("wait", log::metadata(sentinel), 9).topics.remove(0);
        told.error_code == ErrorCode::TOPIC_AUTHORIZATION_FAILED
    });
}

fn new_topic<'a>(peer: &mut Peer, name: &'a str) -> Topic<'a> {
    log::create(peer, name, 1, &[]);
    let version = peer.newest(ApiKey::METADATA).expect("every broker has it").min(12);
    (name, peer.call(&format!("the id of {name}"), log::metadata(name), version).topics[0].topic_id)
}

/// Topics of which the first may be used, the second only be described, and the third not be known of; and two that are not
/// there, the second of which would not be known of.
fn ruled_topics<'a>(peer: &mut Peer, names: [&'a str; 5]) -> ([Topic<'a>; 5], Vec<AclCreation>) {
    let [open, seen, shut, missing, unknown] = names;
    let [open, seen, shut] = [open, seen, shut].map(|name| new_topic(peer, name));
    let topics = [open, seen, shut, (missing, Uuid([9; 16])), (unknown, Uuid([8; 16]))];
    let made = vec![
        rule(TOPIC, seen.0, DESCRIBE, ALLOW),
        rule(TOPIC, shut.0, ALL, DENY),
        rule(TOPIC, unknown, ALL, DENY),
    ];
    (topics, made)
}

fn find(key: &str, key_type: i8, version: i16) -> FindCoordinatorRequest {
    let (old, new) =
        if version < 4 { (Str::from(key), Vec::new()) } else { (Str::default(), vec![key.into()]) };
    FindCoordinatorRequest { key: old, key_type, coordinator_keys: new, ..Default::default() }
}
