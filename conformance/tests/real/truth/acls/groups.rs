//! Groups: found, joined, described and deleted; offsets committed, fetched and deleted.

use milena_core::protocol::*;
use milena_core::wire::Str;

use super::super::groups;
use super::super::peer::Peer;
use super::{ALL, ALLOW, DENY, DESCRIBE, GROUP, enforce, find, rule, ruled_topics};

pub(super) fn groups(peer: &mut Peer) {
    let (topics, mut made) =
        ruled_topics(peer, ["acl-g-open", "acl-g-seen", "acl-g-shut", "acl-g-missing", "acl-g-unknown"]);
    let nobody = Str::default();
    let commit = |group: &str| {
        let mut request = groups::commit(group, topics[0], &nobody, -1);
        let more = topics[1..].iter().flat_map(|topic| groups::commit(group, *topic, &nobody, -1).topics);
        request.topics.extend(more);
        request
    };
    let all = ["acl-group", "acl-group-seen", "acl-group-shut"];
    let [open, seen, shut] = all;
    for group in all {
        groups::ready(peer, group);
        peer.call("commit before there are rules", commit(group), 7);
    }
    made.push(rule(GROUP, seen, DESCRIBE, ALLOW));
    made.push(rule(GROUP, shut, ALL, DENY));
    enforce(peer, made, "acl-g-sentinel");
    for group in all {
        peer.each(&format!("find {group}"), 1, |version| find(group, 0, version));
        peer.each(&format!("commit for {group}"), 1, |_| commit(group));
        peer.each(&format!("fetch of {group}"), 1, |version| groups::fetch(group, Some(&topics), version));
        peer.each(&format!("fetch all of {group}"), 2, |version| groups::fetch(group, None, version));
        peer.each(&format!("sync with {group}"), 0, |_| groups::sync(group, &"m".into(), 1, &[]));
        peer.each(&format!("heartbeat to {group}"), 0, |_| groups::beat(group, &"m".into(), 1));
        peer.each(&format!("leave {group}"), 0, |version| groups::leave(group, &"m".into(), version));
        peer.each(&format!("describe {group}"), 0, |version| groups::describe(group, version));
        peer.each(&format!("describe {group}, with operations"), 3, |version| DescribeGroupsRequest {
            include_authorized_operations: true,
            ..groups::describe(group, version)
        });
        peer.each(&format!("offsets of {group}"), 0, |_| {
            let mut request = groups::delete_offset(group, topics[0].0);
            let more = topics[1..].iter().flat_map(|topic| groups::delete_offset(group, topic.0).topics);
            request.topics.extend(more);
            request
        });
    }
    let stranger = Str::from("stranger");
    peer.each("join without a name", 0, |_| groups::join("", &stranger, "t"));
    for group in [seen, shut] {
        peer.each(&format!("join {group}"), 0, |_| groups::join(group, &nobody, topics[0].0));
    }
    peer.each("describe all", 0, |version| {
        let mut request = groups::describe(open, version);
        request.groups.extend([seen.into(), shut.into()]);
        request
    });
    for group in [seen, shut] {
        peer.each(&format!("delete {group} and {open}"), 0, |_| {
            let mut request = groups::delete(group);
            request.groups_names.push(open.into());
            request
        });
    }
}
