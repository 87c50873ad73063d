use super::*;
use crate::protocol::metadata::MetadataResponseBroker;

const NEWEST: i16 = 12;

fn at(ms: u64) -> Instant {
    Instant::from_micros(ms * 1_000)
}

struct Script {
    cluster: Cluster,
    rng: Rng,
    topic: Arc<str>,
}

impl Script {
    /// One topic is wanted; two bootstrap servers.
    fn new() -> Script {
        let mut rng = Rng::new([1; 32]);
        let config = Arc::new(Config::new("a,b").unwrap());
        let mut cluster = Cluster::new(config, &mut rng);
        let topic: Arc<str> = "t".into();
        cluster.want(&topic);
        Script { cluster, rng, topic }
    }

    /// Asks, and gives this answer.
    fn answer(&mut self, ms: u64, version: i16, answer: MetadataResponse) {
        self.cluster.poll_request(at(ms)).expect("no request is due");
        self.cluster.on_metadata(at(ms), &mut self.rng, answer, version);
    }

    /// The same with one partition of the topic.
    fn partition(&mut self, ms: u64, version: i16, id: u8, leader: i32, epoch: i32) {
        self.cluster.want_refresh();
        self.answer(ms, version, answer(ErrorCode::NONE, id, &[(0, leader, epoch)]));
    }

    fn known(&self) -> Option<(Option<i32>, i32)> {
        self.cluster.partition("t", 0).map(|info| (info.leader.map(|leader| leader.0), info.epoch.0))
    }

    fn state(&self) -> &'static str {
        match self.cluster.topic(&self.topic) {
            TopicState::Asking => "asking",
            TopicState::Known(_) => "known",
            TopicState::Failed(_) => "failed",
        }
    }
}

/// Brokers 1 and 2, and topic `t` with partitions of index, leader and epoch.
fn answer(code: ErrorCode, id: u8, partitions: &[(i32, i32, i32)]) -> MetadataResponse {
    let brokers = [1, 2].map(|id| MetadataResponseBroker {
        node_id: BrokerId(id),
        host: Str::from("broker"),
        port: 9000 + id,
        ..Default::default()
    });
    let partitions = partitions.iter().map(|(index, leader, epoch)| MetadataResponsePartition {
        partition_index: *index,
        leader_id: BrokerId(*leader),
        leader_epoch: LeaderEpoch(*epoch),
        ..Default::default()
    });
    let topic = MetadataResponseTopic {
        error_code: code,
        name: Some(Str::from("t")),
        topic_id: Uuid([id; 16]),
        partitions: partitions.collect(),
        ..Default::default()
    };
    MetadataResponse {
        brokers: brokers.into(),
        controller_id: BrokerId(2),
        topics: vec![topic],
        ..Default::default()
    }
}

/// Known epoch against that of an answer, under the same and under another topic id.
#[test]
fn a_leader_is_taken_over_unless_its_epoch_is_older() {
    for (known, epoch, id, taken) in [
        (5, 4, 1, false),
        (5, 5, 1, true),
        (5, 6, 1, true),
        (5, -1, 1, true),
        (-1, 0, 1, true),
        (5, 0, 2, true),
        // A broker that tells no id says nothing of another topic.
        (5, 4, 0, false),
    ] {
        let mut script = Script::new();
        script.partition(0, NEWEST, 1, 1, known);
        script.partition(1_000, NEWEST, id, 2, epoch);
        let expected = if taken { (Some(2), epoch) } else { (Some(1), known) };
        assert_eq!(script.known(), Some(expected), "{known} {epoch} {id}");
    }
}

#[test]
fn epochs_of_brokers_before_version_nine_are_not_believed() {
    for (version, epoch) in [(1, -1), (8, -1), (9, 3), (12, 3)] {
        let mut script = Script::new();
        script.partition(0, version, 1, 1, 3);
        assert_eq!(script.known(), Some((Some(1), epoch)), "{version}");
    }
}

#[test]
fn an_older_epoch_is_asked_about_again() {
    let mut script = Script::new();
    script.partition(0, NEWEST, 1, 1, 5);
    assert_eq!(script.cluster.poll_timeout(), Some(at(300_000)));
    script.partition(1_000, NEWEST, 1, 2, 4);
    assert!(script.cluster.poll_timeout() < Some(at(2_000)));
}

#[test]
fn a_topic_is_missing_only_after_its_grace_and_known_again_when_it_comes() {
    let mut script = Script::new();
    let missing = || answer(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, 0, &[]);
    script.answer(0, NEWEST, missing());
    assert_eq!(script.state(), "asking");
    script.answer(2_999, NEWEST, missing());
    assert_eq!(script.state(), "asking");
    script.answer(3_999, NEWEST, missing());
    assert_eq!(script.state(), "failed");
    // Whoever asks again waits again.
    script.cluster.ask_again("t");
    assert_eq!(script.state(), "asking");
    script.answer(6_000, NEWEST, missing());
    assert_eq!(script.state(), "asking");
    script.answer(8_000, NEWEST, answer(ErrorCode::NONE, 1, &[(0, 1, 0)]));
    assert_eq!(script.state(), "known");
}

#[test]
fn what_is_known_stays_while_an_answer_lacks_it() {
    let mut script = Script::new();
    script.partition(0, NEWEST, 1, 1, 0);
    for code in [ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ErrorCode::LEADER_NOT_AVAILABLE] {
        script.cluster.want_refresh();
        let ms = script.cluster.poll_timeout().unwrap().as_micros() / 1_000 + 1;
        script.answer(ms, NEWEST, answer(code, 0, &[]));
        assert_eq!((script.state(), script.known()), ("known", Some((Some(1), 0))));
    }
    script.cluster.want_refresh();
    script.answer(2_000, NEWEST, answer(ErrorCode::TOPIC_AUTHORIZATION_FAILED, 0, &[]));
    assert_eq!(script.state(), "failed", "that does not pass");
}

#[test]
fn one_request_at_a_time() {
    let mut script = Script::new();
    assert!(script.cluster.poll_request(at(0)).is_some());
    script.cluster.want_refresh();
    assert_eq!(script.cluster.poll_timeout(), None);
    assert!(script.cluster.poll_request(at(100_000)).is_none());
    script.cluster.on_metadata(at(0), &mut script.rng, answer(ErrorCode::NONE, 1, &[(0, 1, 0)]), NEWEST);
    // What was wanted meanwhile is asked for, but not at once.
    assert!(script.cluster.poll_request(at(0)).is_none());
    assert!(script.cluster.poll_request(at(121)).is_some());
}

/// The first write after a connect waited for a tenth of a second, as if its topic had been asked for before.
#[test]
fn a_topic_that_was_never_asked_for_is_asked_for_at_once() {
    let mut script = Script::new();
    script.answer(1_000, NEWEST, answer(ErrorCode::NONE, 1, &[(0, 1, 0)]));
    let other: Arc<str> = "u".into();
    script.cluster.want(&other);
    let (_, request) = script.cluster.poll_request(at(1_000)).expect("nothing is waited for");
    assert_eq!(request.topics.map(|topics| topics.len()), Some(2));
    // One that is wanted meanwhile is asked for as soon as the answer is there, but only once.
    script.cluster.keep(at(1_000), &"v".into());
    let mut known = answer(ErrorCode::NONE, 1, &[(0, 1, 0)]);
    known.topics.push(MetadataResponseTopic { name: Some(Str::from("u")), ..known.topics[0].clone() });
    script.cluster.on_metadata(at(1_001), &mut script.rng, known.clone(), NEWEST);
    assert!(script.cluster.poll_request(at(1_001)).is_some());
    script.cluster.on_metadata(at(1_002), &mut script.rng, known, NEWEST);
    assert!(script.cluster.poll_request(at(1_050)).is_none());
    // What failed is repeated, whatever else is wanted.
    for _ in 0..4 {
        assert!(script.cluster.poll_request(at(1_400)).is_some());
        script.cluster.on_failure(at(1_400), &mut script.rng, Error::Closed);
    }
    script.cluster.want(&"w".into());
    assert!(script.cluster.poll_request(at(1_400)).is_none());
}

#[test]
fn unsettled_answers_are_asked_for_again_with_growing_pauses() {
    let mut script = Script::new();
    let mut now = 0;
    for expected in [100, 200, 400, 800, 1_000, 1_000] {
        script.answer(now, NEWEST, answer(ErrorCode::NONE, 1, &[(0, -1, 0)]));
        let next = script.cluster.poll_timeout().unwrap().as_micros().div_ceil(1_000);
        let wait = next - now;
        assert!((expected * 4 / 5..=expected * 6 / 5 + 1).contains(&wait), "{expected}: {wait}");
        now = next;
    }
    script.answer(now, NEWEST, answer(ErrorCode::NONE, 1, &[(0, 1, 1)]));
    assert_eq!(script.cluster.poll_timeout(), Some(at(now + 300_000)));
}

#[test]
fn failures_go_round_the_brokers_then_the_bootstrap_servers_then_pause() {
    let mut script = Script::new();
    script.partition(0, NEWEST, 1, 1, 0);
    script.cluster.want_refresh();
    let mut asked = Vec::new();
    for _ in 0..4 {
        let (node, _) = script.cluster.poll_request(at(1_000)).expect("a pause before all were asked");
        asked.push(node);
        script.cluster.on_failure(at(1_000), &mut script.rng, Error::Closed);
    }
    let brokers = [1, 2].map(|id| Node::Broker(BrokerId(id)));
    assert_eq!(asked, [brokers[0], brokers[1], Node::Seed(0), Node::Seed(1)]);
    assert!(script.cluster.poll_request(at(1_079)).is_none());
    assert_eq!(script.cluster.poll_request(at(1_121)).map(|(node, _)| node), Some(brokers[0]));
}

/// Those that rest were counted as if they had been asked: the only one left was asked at once as often as there are nodes.
#[test]
fn a_node_that_failed_is_not_asked_again_at_once_while_others_rest() {
    let mut script = Script::new();
    script.partition(0, NEWEST, 1, 1, 0);
    for node in [Node::Broker(BrokerId(2)), Node::Seed(0), Node::Seed(1)] {
        script.cluster.on_node_failed(at(950), &mut script.rng, node, CloseReason::Unasked);
    }
    script.cluster.want_refresh();
    let (node, _) = script.cluster.poll_request(at(1_000)).expect("a request is due");
    assert_eq!(node, Node::Broker(BrokerId(1)));
    script.cluster.on_failure(at(1_000), &mut script.rng, Error::Closed);
    assert!(script.cluster.poll_request(at(1_079)).is_none());
    // Now that they have rested, another is asked.
    assert_ne!(script.cluster.poll_request(at(1_121)).map(|(node, _)| node), Some(node));
}

#[test]
fn a_node_that_rests_is_passed_over() {
    let mut script = Script::new();
    script.partition(0, NEWEST, 1, 1, 0);
    let reason = CloseReason::Unasked;
    script.cluster.on_node_failed(at(0), &mut script.rng, Node::Broker(BrokerId(1)), reason);
    assert_eq!(script.cluster.node_to_ask(at(1)), Node::Broker(BrokerId(2)));
    assert_eq!(script.cluster.node_to_ask(at(200)), Node::Broker(BrokerId(1)));
}

#[test]
fn an_answer_without_brokers_is_none() {
    let mut script = Script::new();
    script.partition(0, NEWEST, 1, 1, 0);
    script.cluster.want_refresh();
    script.answer(1_000, NEWEST, MetadataResponse::default());
    assert_eq!((script.known(), script.cluster.is_known()), (Some((Some(1), 0)), true));
    assert_eq!(script.cluster.poll_request(at(1_000)).map(|(node, _)| node), Some(Node::Broker(BrokerId(2))));
}

#[test]
fn partitions_with_holes_are_not_believed() {
    for wrong in [&[(1, 1, 0)][..], &[(0, 1, 0), (2, 1, 0)], &[(-1, 1, 0)], &[(0, 1, 0), (0, 1, 0)]] {
        let mut script = Script::new();
        script.answer(0, NEWEST, answer(ErrorCode::NONE, 1, wrong));
        assert!(script.cluster.partition("t", 1).is_none() && script.cluster.partition("t", 2).is_none());
        assert!(script.cluster.poll_timeout() < Some(at(1_000)), "{wrong:?} counts as settled");
    }
}

/// Known epoch 5: a hint's epoch, whether its address comes with it, whether it is taken over.
#[test]
fn a_hint_is_followed_only_with_a_newer_epoch_and_an_address() {
    for (epoch, leader, address, taken) in [
        (4, 2, false, false),
        (5, 2, false, false),
        (6, 2, false, true),
        (6, 7, false, false),
        (6, 7, true, true),
        (-1, 2, true, false),
    ] {
        let mut script = Script::new();
        script.partition(0, NEWEST, 1, 1, 5);
        let _ = script.cluster.take_notices();
        let address = address.then(|| "new:1".parse().unwrap());
        let (leader_id, epoch_of) = (BrokerId(leader), LeaderEpoch(epoch));
        script.cluster.on_leader_hint(LeaderHint {
            topic: "t".into(),
            partition: 0,
            leader: leader_id,
            epoch: epoch_of,
            address,
        });
        assert_eq!((script.cluster.take_moved(), script.cluster.take_moved()), (taken, false));
        assert_eq!(script.cluster.take_notices().count(), usize::from(taken));
        let expected = if taken { (Some(leader), epoch) } else { (Some(1), 5) };
        assert_eq!(script.known(), Some(expected), "{epoch} {leader}");
    }
    let mut script = Script::new();
    script.partition(0, NEWEST, 1, 1, 5);
    for (topic, partition) in [("t", 1), ("t", -1), ("other", 0)] {
        let (topic, leader, epoch) = (topic.into(), BrokerId(2), LeaderEpoch(9));
        script.cluster.on_leader_hint(LeaderHint { topic, partition, leader, epoch, address: None });
        assert!(!script.cluster.take_moved());
    }
}

#[test]
fn a_topic_is_asked_for_until_the_last_user_releases_it() {
    let mut script = Script::new();
    let topic = script.topic.clone();
    script.cluster.want(&topic);
    script.cluster.release("t");
    script.partition(0, NEWEST, 1, 1, 0);
    assert_eq!(script.known(), Some((Some(1), 0)));
    script.cluster.release("t");
    let (_, request) = script.cluster.poll_request(at(300_000)).unwrap();
    assert_eq!(request.topics, Some(Vec::new()), "none, which is not the same as all");
    assert!(!request.allow_auto_topic_creation);
}

/// Seed 43627 of the simulator: a second reader of one client went by a broker that had not heard of an election yet.
#[test]
fn the_epochs_of_a_topic_outlive_its_last_user() {
    let mut script = Script::new();
    script.partition(0, NEWEST, 1, 1, 5);
    let topic = script.topic.clone();
    script.cluster.release("t");
    script.answer(300_000, NEWEST, answer(ErrorCode::NONE, 1, &[]));
    script.cluster.want(&topic);
    assert_eq!(script.state(), "asking", "what is known is old");
    assert!(script.cluster.leader("t", 0).unwrap().is_none());
    script.partition(300_100, NEWEST, 1, 2, 4);
    assert_eq!((script.state(), script.known()), ("known", Some((Some(1), 5))));
    assert!(script.cluster.is_asking(), "until an answer is as new");
    script.partition(300_500, NEWEST, 1, 2, 6);
    assert_eq!(script.known(), Some((Some(2), 6)));
    // Another topic of the same name.
    script.cluster.release("t");
    script.cluster.want(&topic);
    script.partition(301_000, NEWEST, 2, 1, 0);
    assert_eq!(script.known(), Some((Some(1), 0)));
}

#[test]
fn what_is_known_of_topics_that_nobody_uses_is_bounded() {
    let mut script = Script::new();
    for n in 0..2 * MAX_UNUSED {
        let name: Arc<str> = n.to_string().into();
        script.cluster.want(&name);
        script.cluster.release(&name);
    }
    assert_eq!((script.cluster.topics.len(), script.cluster.topics()), (MAX_UNUSED + 1, 1));
    script.cluster.poll_request(at(0)).unwrap();
    assert_eq!(script.cluster.topics.len(), 1, "nothing was known");
}

#[test]
fn knowledge_is_asked_for_anew_when_it_is_old() {
    let mut script = Script::new();
    script.partition(0, NEWEST, 1, 1, 0);
    assert!(script.cluster.poll_request(at(299_999)).is_none());
    assert!(script.cluster.poll_request(at(300_000)).is_some());
    assert_eq!(script.cluster.controller(), Some(BrokerId(2)));
}

#[test]
fn topics_of_calls_are_bounded_and_the_oldest_goes_first() {
    let mut script = Script::new();
    for n in 0..=MAX_UNUSED as u64 {
        script.cluster.keep(at(n), &format!("{n:04}").into());
        script.cluster.keep(at(n), &script.topic);
    }
    script.cluster.keep(at(2000), &"0001".into());
    script.cluster.keep(at(2000), &"new".into());
    let (_, request) = script.cluster.poll_request(at(2000)).unwrap();
    let names: Vec<_> = request.topics.unwrap().into_iter().filter_map(|topic| topic.name).collect();
    let has = |name: &str| names.iter().any(|found| **found == *name);
    assert_eq!(names.len(), MAX_UNUSED + 1, "and the one that has a user");
    let expected = [false, true, false, true, true, true];
    assert_eq!(["0000", "0001", "0002", "0003", "new", "t"].map(has), expected);
}
