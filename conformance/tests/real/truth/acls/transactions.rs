//! Transactions: begun, written and ended; offsets in them.

use milena_core::protocol::*;

use super::super::peer::{Peer, produce};
use super::super::{groups, log, transactions};
use super::{ALL, ALLOW, DENY, DESCRIBE, GROUP, TRANSACTIONAL_ID, enforce, find, rule, ruled_topics};

pub(super) fn transactions(peer: &mut Peer) {
    let (topics, mut made) =
        ruled_topics(peer, ["acl-t-open", "acl-t-seen", "acl-t-shut", "acl-t-missing", "acl-t-unknown"]);
    let all = ["acl-tx", "acl-tx-seen", "acl-tx-shut"];
    let [_, seen, shut] = all;
    let add = |id, me| {
        let mut request = transactions::add(id, me, topics[0].0, 0);
        let more =
            topics[1..3].iter().flat_map(|topic| transactions::add(id, me, topic.0, 0).v3_and_below_topics);
        request.v3_and_below_topics.extend(more);
        request
    };
    let producers: Vec<_> = all.map(|id| transactions::started(peer, id, 3)).to_vec();
    for (id, me) in all.into_iter().zip(&producers) {
        peer.call("add before there are rules", add(id, *me), 1);
    }
    groups::ready(peer, "acl-t-group");
    groups::ready(peer, "acl-t-group-shut");
    made.push(rule(GROUP, "acl-t-group-shut", ALL, DENY));
    made.push(rule(TRANSACTIONAL_ID, seen, DESCRIBE, ALLOW));
    made.push(rule(TRANSACTIONAL_ID, shut, ALL, DENY));
    enforce(peer, made, "acl-t-sentinel");
    for (id, me) in all.into_iter().zip(producers.clone()) {
        peer.each(&format!("find {id}"), 1, |version| find(id, 1, version));
        let last = peer.newest(ApiKey::ADD_PARTITIONS_TO_TXN).unwrap_or(0).min(3);
        for version in 0..=last {
            let mut request = add(id, me);
            peer.call(&format!("add for {id}"), request.clone(), version);
            request.v3_and_below_topics.truncate(1);
            peer.call(&format!("add one for {id}"), request, version);
            let missing = transactions::add(id, me, topics[3].0, 0);
            peer.call(&format!("add a missing one for {id}"), missing, version);
        }
        for group in ["acl-t-group", "acl-t-group-shut"] {
            peer.each(&format!("add {group} for {id}"), 0, |_| AddOffsetsToTxnRequest {
                transactional_id: id.into(),
                producer_id: me.0,
                producer_epoch: me.1,
                group_id: group.into(),
                ..Default::default()
            });
            peer.each(&format!("offsets of {group} for {id}"), 0, |_| {
                let mut request = transactions::commit(id, me, group, topics[0].0, 5);
                let more = topics[1..]
                    .iter()
                    .flat_map(|topic| transactions::commit(id, me, group, topic.0, 5).topics);
                request.topics.extend(more);
                request
            });
        }
        for topic in topics {
            let records = transactions::batch(me, 0, "a");
            peer.call(&format!("write to {} for {id}", topic.0), transactions::write(id, topic, records), 9);
        }
        let mut writes = transactions::write(id, topics[0], transactions::batch(me, 1, "b"));
        writes.topic_data.extend(produce(topics[1], 0, -1, log::batch(&["b"])).topic_data);
        peer.call(&format!("write to two for {id}"), writes, 9);
        peer.each(&format!("describe {id}"), 0, |_| DescribeTransactionsRequest {
            transactional_ids: vec![id.into()],
            ..Default::default()
        });
        peer.call(
            &format!("init {id} as another"),
            InitProducerIdRequest {
                producer_id: ProducerId(-1),
                producer_epoch: 4,
                ..transactions::init(id)
            },
            3,
        );
    }
    let nameless = produce(topics[0], 0, -1, transactions::batch((ProducerId(1), 0), 0, "a"));
    peer.call("write without a name", nameless, 9);
    let ours: Vec<_> = producers.iter().map(|(id, _)| *id).collect();
    peer.each("list", 0, |_| ListTransactionsRequest {
        producer_id_filters: ours.clone().into(),
        transactional_id_pattern: None,
        ..Default::default()
    });
    for (id, me) in all.into_iter().map(|id| (id, (ProducerId(1), 0))) {
        peer.call(&format!("end {id}"), transactions::end(id, me, true), 1);
    }
    for id in all {
        peer.call(&format!("init {id}"), transactions::init(id), 3);
    }
}
