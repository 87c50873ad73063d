//! Configurations: told, set, and acted on.

use std::collections::BTreeMap;

use milena_conformance::cluster::{Cluster, ClusterOptions, ConnectionId};
use milena_core::protocol::create_topics::{CreatableTopic, CreatableTopicConfig};
use milena_core::protocol::describe_configs::{DescribeConfigsResource, DescribeConfigsResourceResult};
use milena_core::protocol::{
    AlterConfigsRequest, CreateTopicsRequest, DescribeConfigsRequest, ErrorCode,
    IncrementalAlterConfigsRequest, ListConfigResourcesRequest, alter_configs, incremental_alter_configs,
};

use crate::script::{Script, WALL_MS, batch, numbered};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const GROUP: i8 = 32;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

type Described = BTreeMap<String, DescribeConfigsResourceResult>;

fn describe(
    script: &mut Script,
    conn: ConnectionId,
    resource: (i8, &str),
    version: i16,
) -> Result<Described, ErrorCode> {
    let resource = DescribeConfigsResource {
        resource_type: resource.0,
        resource_name: resource.1.into(),
        configuration_keys: None,
        ..Default::default()
    };
    let request = DescribeConfigsRequest {
        resources: vec![resource],
        include_synonyms: version >= 1,
        ..Default::default()
    };
    let result = script.call(conn, request, version).results.remove(0);
    match result.error_code {
        ErrorCode::NONE => Ok(result.configs.into_iter().map(|one| (one.name.to_string(), one)).collect()),
        code => Err(code),
    }
}

/// Value and source.
fn value(described: &Described, name: &str) -> (String, i8) {
    let config = &described[name];
    (config.value.as_deref().unwrap_or("null").to_owned(), config.config_source)
}

fn incremental(
    script: &mut Script,
    conn: ConnectionId,
    resource: (i8, &str),
    changes: &[(&str, i8, Option<&str>)],
) -> (ErrorCode, String) {
    let configs = changes.iter().map(|(name, operation, value)| incremental_alter_configs::AlterableConfig {
        name: (*name).into(),
        config_operation: *operation,
        value: value.map(Into::into),
        ..Default::default()
    });
    let resource = incremental_alter_configs::AlterConfigsResource {
        resource_type: resource.0,
        resource_name: resource.1.into(),
        configs: configs.collect(),
        ..Default::default()
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
    let result = script.call(conn, request, 1).responses.remove(0);
    (result.error_code, result.error_message.unwrap_or_default().to_string())
}

fn done() -> (ErrorCode, String) {
    (ErrorCode::NONE, String::new())
}

#[test]
fn a_value_comes_from_the_topic_the_brokers_or_the_default() {
    let configs = [("log.retention.hours", "2"), ("min.insync.replicas", "2")];
    let mut script = Script::new(ClusterOptions {
        topics: vec![("t".to_owned(), 1)],
        configs: configs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        ..ClusterOptions::default()
    });
    let conn = script.connect(1);
    let described = describe(&mut script, conn, (TOPIC, "t"), 4).unwrap();
    assert_eq!(described.len(), 33);
    assert_eq!(
        value(&described, "retention.ms"),
        ("7200000".to_owned(), 5),
        "hours, and no synonym by Kafka's rule"
    );
    assert_eq!(value(&described, "min.insync.replicas"), ("2".to_owned(), 4));
    assert_eq!(value(&described, "retention.bytes"), ("1073741824".to_owned(), 4), "not Kafka's default");
    assert_eq!(value(&described, "cleanup.policy"), ("delete".to_owned(), 5));
    assert_eq!(described["cleanup.policy"].config_type, 7);
    assert!(!described["cleanup.policy"].read_only);

    // What is set for all brokers outweighs what they were started with, and the topic's own outweighs all.
    assert_eq!(
        incremental(&mut script, conn, (BROKER, ""), &[("min.insync.replicas", SET, Some("3"))]),
        done()
    );
    let described = describe(&mut script, conn, (TOPIC, "t"), 4).unwrap();
    assert_eq!(value(&described, "min.insync.replicas"), ("3".to_owned(), 3));
    let own = [("min.insync.replicas", SET, Some("1")), ("retention.ms", SET, Some("5"))];
    assert_eq!(incremental(&mut script, conn, (TOPIC, "t"), &own), done());
    let described = describe(&mut script, conn, (TOPIC, "t"), 4).unwrap();
    assert_eq!(value(&described, "min.insync.replicas"), ("1".to_owned(), 1));
    let synonyms = described["min.insync.replicas"].synonyms.iter();
    let synonyms: Vec<_> =
        synonyms.map(|one| (one.source, one.value.as_deref().unwrap_or_default().to_owned())).collect();
    let expected = [(1, "1"), (3, "3"), (4, "2"), (5, "1")];
    assert_eq!(synonyms, expected.map(|(source, value)| (source, value.to_owned())));
    assert_eq!(incremental(&mut script, conn, (TOPIC, "t"), &[("retention.ms", DELETE, None)]), done());
    let described = describe(&mut script, conn, (TOPIC, "t"), 4).unwrap();
    assert_eq!(value(&described, "retention.ms").0, "7200000");
}

#[test]
fn older_versions_and_releases_tell_what_they_can() {
    let mut script = Script::as_release("2.8.2");
    let conn = script.connect(1);
    let described = describe(&mut script, conn, (TOPIC, "t"), 0).unwrap();
    assert!(described["cleanup.policy"].is_default);
    assert!(!described["retention.bytes"].is_default);
    assert_eq!(value(&described, "message.format.version").0, "3.0-IV1");
    assert!(!described.contains_key("compression.zstd.level"));
    let mut script = Script::as_release("3.9.2");
    let conn = script.connect(1);
    let described = describe(&mut script, conn, (TOPIC, "t"), 4).unwrap();
    assert_eq!(value(&described, "message.timestamp.after.max.ms").0, i64::MAX.to_string());
}

#[test]
fn brokers_tell_of_themselves_and_of_no_other() {
    let mut script = Script::with_topic(2);
    let conn = script.connect(2);
    let described = describe(&mut script, conn, (BROKER, "2"), 4).unwrap();
    assert_eq!(value(&described, "node.id"), ("2".to_owned(), 4));
    assert_eq!(value(&described, "auto.create.topics.enable"), ("false".to_owned(), 4));
    assert_eq!(value(&described, "num.partitions"), ("1".to_owned(), 5));
    assert!(described["num.partitions"].read_only && !described["log.retention.ms"].read_only);
    assert_eq!(value(&described, "ssl.keystore.password").0, "null");
    assert!(described["ssl.keystore.password"].is_sensitive);
    for name in ["1", "x"] {
        assert_eq!(describe(&mut script, conn, (BROKER, name), 4), Err(ErrorCode::INVALID_REQUEST), "{name}");
    }
    assert!(describe(&mut script, conn, (BROKER, ""), 4).unwrap().is_empty());
    let unknown = describe(&mut script, conn, (TOPIC, "nowhere"), 4);
    assert_eq!(unknown, Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    let bad = describe(&mut script, conn, (TOPIC, "a b"), 4);
    assert_eq!(bad, Err(ErrorCode::INVALID_TOPIC_EXCEPTION));
    assert_eq!(describe(&mut script, conn, (9, "x"), 4), Err(ErrorCode::INVALID_REQUEST));
}

#[test]
fn only_the_keys_asked_for_are_told() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let resource = DescribeConfigsResource {
        resource_type: TOPIC,
        resource_name: "t".into(),
        configuration_keys: Some(vec!["retention.ms".into(), "nothing".into()]),
        ..Default::default()
    };
    let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
    let configs = script.call(conn, request, 4).results.remove(0).configs;
    assert_eq!(configs.iter().map(|config| &*config.name).collect::<Vec<_>>(), ["retention.ms"]);
    assert!(configs[0].synonyms.is_empty(), "they were not asked for");
}

#[test]
fn changes_are_checked_and_made_whole_or_not_at_all() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let topic = (TOPIC, "t");
    for (changes, code, message) in [
        (
            &[("retentoin.ms", SET, Some("1"))][..],
            ErrorCode::INVALID_CONFIG,
            "Unknown topic config name: retentoin.ms",
        ),
        (
            &[("retention.bytes", SET, Some("7")), ("retention.ms", SET, Some("soon"))],
            ErrorCode::INVALID_CONFIG,
            "Invalid value soon for configuration retention.ms: Not a number of type LONG",
        ),
        (
            &[("retention.ms", APPEND, Some("1"))],
            ErrorCode::INVALID_CONFIG,
            "Can't APPEND to key retention.ms because its type is not LIST.",
        ),
        (
            &[("retention.ms", SET, None)],
            ErrorCode::INVALID_REQUEST,
            "Null value not supported for : retention.ms",
        ),
        (
            &[("retention.ms", SET, Some("1")), ("retention.ms", SET, Some("2"))],
            ErrorCode::INVALID_REQUEST,
            "Error due to duplicate config keys",
        ),
        (&[("retention.ms", 7, Some("1"))], ErrorCode::INVALID_REQUEST, "Unknown operations type 7"),
    ] {
        assert_eq!(incremental(&mut script, conn, topic, changes), (code, message.to_owned()));
    }
    let described = describe(&mut script, conn, topic, 4).unwrap();
    assert_eq!(value(&described, "retention.bytes").0, "1073741824", "the good half was not made either");
    let nowhere = incremental(&mut script, conn, (TOPIC, "x"), &[("retention.ms", SET, Some("1"))]);
    assert_eq!(nowhere.0, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let fixed = incremental(&mut script, conn, (BROKER, ""), &[("num.partitions", SET, Some("3"))]);
    assert_eq!(
        fixed,
        (
            ErrorCode::INVALID_REQUEST,
            "Cannot update these configs dynamically: Set(num.partitions)".to_owned()
        )
    );
}

#[test]
fn lists_grow_and_shrink() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let topic = (TOPIC, "t");
    for (operation, words, result) in [
        (APPEND, "compact", "delete,compact"),
        (APPEND, "delete", "delete,compact"),
        (SUBTRACT, "delete", "compact"),
    ] {
        assert_eq!(
            incremental(&mut script, conn, topic, &[("cleanup.policy", operation, Some(words))]),
            done()
        );
        let described = describe(&mut script, conn, topic, 4).unwrap();
        assert_eq!(value(&described, "cleanup.policy"), (result.to_owned(), 1));
    }
}

#[test]
fn the_older_api_replaces_all_that_was_set() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let alter = |configs: &[(&str, &str)], validate_only, times| {
        let configs = configs.iter().map(|(name, value)| alter_configs::AlterableConfig {
            name: (*name).into(),
            value: Some((*value).into()),
            ..Default::default()
        });
        let resource = alter_configs::AlterConfigsResource {
            resource_type: TOPIC,
            resource_name: "t".into(),
            configs: configs.collect(),
            ..Default::default()
        };
        AlterConfigsRequest { resources: vec![resource; times], validate_only, ..Default::default() }
    };
    let code = |script: &mut Script, request: AlterConfigsRequest| {
        script.call(conn, request, 2).responses.remove(0).error_code
    };
    assert_eq!(
        code(&mut script, alter(&[("retention.ms", "5"), ("preallocate", "true")], false, 1)),
        ErrorCode::NONE
    );
    assert_eq!(code(&mut script, alter(&[("retention.ms", "6")], true, 1)), ErrorCode::NONE);
    assert_eq!(code(&mut script, alter(&[("retention.ms", "6")], false, 2)), ErrorCode::INVALID_REQUEST);
    let described = describe(&mut script, conn, (TOPIC, "t"), 4).unwrap();
    assert_eq!(value(&described, "retention.ms").0, "5", "a check and a doubled resource change nothing");
    assert_eq!(code(&mut script, alter(&[("retention.ms", "6")], false, 1)), ErrorCode::NONE);
    let described = describe(&mut script, conn, (TOPIC, "t"), 4).unwrap();
    assert_eq!(
        (value(&described, "retention.ms").0, value(&described, "preallocate").1),
        ("6".to_owned(), 5)
    );
}

#[test]
fn what_is_set_is_acted_on() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let set = |script: &mut Script, name, value| {
        assert_eq!(incremental(script, conn, (TOPIC, "t"), &[(name, SET, Some(value))]), done());
    };
    set(&mut script, "max.message.bytes", "70");
    assert_eq!(script.produced(conn, numbered(-1, -1, -1, 9)).0, ErrorCode::MESSAGE_TOO_LARGE);
    set(&mut script, "max.message.bytes", "1000");
    assert_eq!(script.produced(conn, batch(&["a"])), (ErrorCode::NONE, 0));
    script.now.wall_ms = WALL_MS + 1000;
    set(&mut script, "message.timestamp.before.max.ms", "999");
    assert_eq!(script.produced(conn, batch(&["b"])).0, ErrorCode::INVALID_TIMESTAMP);
    set(&mut script, "message.timestamp.type", "LogAppendTime");
    let answer = script.produce(conn, 0, batch(&["b"]));
    assert_eq!((answer.error_code, answer.log_append_time_ms), (ErrorCode::NONE, WALL_MS + 1000));
}

#[test]
fn a_new_topic_is_told_with_its_configurations() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let create = |name: &str, config: &str, value: &str| {
        let config =
            CreatableTopicConfig { name: config.into(), value: Some(value.into()), ..Default::default() };
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: 2,
            replication_factor: 1,
            configs: vec![config],
            ..Default::default()
        };
        CreateTopicsRequest { topics: vec![topic], ..Default::default() }
    };
    let created = script.call(conn, create("new", "retention.ms", "77"), 7).topics.remove(0);
    assert_eq!(
        (created.error_code, created.num_partitions, created.replication_factor),
        (ErrorCode::NONE, 2, 1)
    );
    let configs = created.configs.unwrap();
    assert_eq!(configs.len(), 33);
    let told = configs.iter().find(|config| config.name == *"retention.ms").unwrap();
    assert_eq!((told.value.as_deref(), told.config_source), (Some("77"), 1));
    let refused = script.call(conn, create("other", "colour", "red"), 7).topics.remove(0);
    assert_eq!(refused.error_code, ErrorCode::INVALID_CONFIG);
    assert_eq!(refused.error_message.as_deref(), Some("Unknown topic config name: colour"));
    // A topic of the same name later does not inherit them.
    script.state.delete_topic("new");
    script.state.create_topic("new", 1).unwrap();
    let described = describe(&mut script, conn, (TOPIC, "new"), 4).unwrap();
    assert_eq!(value(&described, "retention.ms").0, "604800000");
}

#[test]
fn groups_have_configurations_and_resources_are_listed() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let set = [("consumer.session.timeout.ms", SET, Some("50000"))];
    assert_eq!(incremental(&mut script, conn, (GROUP, "g"), &set), done());
    let described = describe(&mut script, conn, (GROUP, "g"), 4).unwrap();
    assert_eq!(value(&described, "consumer.session.timeout.ms"), ("50000".to_owned(), 8));
    assert_eq!(value(&described, "consumer.heartbeat.interval.ms"), ("5000".to_owned(), 5));
    let list = ListConfigResourcesRequest { resource_types: vec![GROUP, TOPIC].into(), ..Default::default() };
    let listed = script.call(conn, list, 1).config_resources;
    let listed: Vec<_> = listed.iter().map(|one| (one.resource_type, &*one.resource_name)).collect();
    assert_eq!(listed, [(GROUP, "g"), (TOPIC, "t")]);
}

#[test]
fn options_are_set_by_name_and_unknown_ones_are_errors() {
    let cluster =
        Cluster::builder().config("num.partitions", "3").config("auto.create.topics.enable", "true");
    let started = cluster.clone().start().unwrap();
    drop(started);
    let refused = cluster.config("num.partition", "3").start().unwrap_err();
    assert_eq!(refused.to_string(), "brokers of Kafka 4.3 have no configuration \"num.partition\"");
    let mut script = Script::new(ClusterOptions {
        configs: vec![
            ("num.partitions".to_owned(), "3".to_owned()),
            ("auto.create.topics.enable".to_owned(), "true".to_owned()),
            ("log.retention.bytes".to_owned(), "-1".to_owned()),
        ],
        ..ClusterOptions::default()
    });
    let conn = script.connect(1);
    script.metadata(conn, "asked", 12);
    assert_eq!(script.metadata(conn, "asked", 12).topics[0].partitions.len(), 3);
    let described = describe(&mut script, conn, (TOPIC, "asked"), 4).unwrap();
    assert_eq!(value(&described, "retention.bytes"), ("-1".to_owned(), 5));
}
