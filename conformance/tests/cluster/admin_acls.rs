//! Access rules: kept, matched and enforced.

use milena_conformance::cluster::{ClusterOptions, ConnectionId};
use milena_core::protocol::create_acls::AclCreation;
use milena_core::protocol::create_topics::CreatableTopic;
use milena_core::protocol::delete_acls::DeleteAclsFilter;
use milena_core::protocol::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use milena_core::protocol::{
    CreateAclsRequest, CreateTopicsRequest, DeleteAclsRequest, DescribeAclsRequest, ErrorCode,
    FindCoordinatorRequest, InitProducerIdRequest, ListOffsetsRequest, MetadataRequest,
};

use crate::script::{Script, batch, failed, fetch_request, fetched, produce_request};

pub(crate) const TOPIC: i8 = 2;
pub(crate) const GROUP: i8 = 3;
pub(crate) const CLUSTER: i8 = 4;
const ANY: i8 = 1;
const MATCH: i8 = 2;
pub(crate) const LITERAL: i8 = 3;
pub(crate) const PREFIXED: i8 = 4;
pub(crate) const READ: i8 = 3;
pub(crate) const WRITE: i8 = 4;
const CREATE: i8 = 5;
pub(crate) const DESCRIBE: i8 = 8;
pub(crate) const ALTER: i8 = 7;
pub(crate) const DENY: i8 = 2;
pub(crate) const ALLOW: i8 = 3;

/// Everybody is `User:ANONYMOUS` here; until `admin` is false, he may do everything.
fn with_authorizer(admin: bool) -> Script {
    let super_users = if admin { vec!["User:ANONYMOUS".to_owned()] } else { Vec::new() };
    Script::new(ClusterOptions {
        topics: ["app-a", "app-b", "other"].map(|name| (name.to_owned(), 1)).to_vec(),
        authorizer: true,
        super_users,
        ..ClusterOptions::default()
    })
}

pub(crate) fn rule(resource: (i8, &str, i8), operation: i8, permission_type: i8) -> AclCreation {
    AclCreation {
        resource_type: resource.0,
        resource_name: resource.1.into(),
        resource_pattern_type: resource.2,
        principal: "User:ANONYMOUS".into(),
        host: "*".into(),
        operation,
        permission_type,
        ..Default::default()
    }
}

fn add(script: &mut Script, conn: ConnectionId, rules: Vec<AclCreation>) -> Vec<ErrorCode> {
    let request = CreateAclsRequest { creations: rules, ..Default::default() };
    script.call(conn, request, 3).results.iter().map(|result| result.error_code).collect()
}

/// A cluster with these rules, seen by somebody who is no super user any more.
fn ruled(rules: Vec<AclCreation>) -> (Script, ConnectionId) {
    let mut script = with_authorizer(false);
    let conn = script.connect(1);
    script.state.add_acls(rules).unwrap();
    (script, conn)
}

fn visible(script: &mut Script, conn: ConnectionId) -> Vec<String> {
    let all = script.call(conn, MetadataRequest { topics: None, ..Default::default() }, 12).topics;
    all.iter().map(|topic| topic.name.as_deref().unwrap_or_default().to_owned()).collect()
}

#[test]
fn what_no_rule_allows_is_denied_and_hidden() {
    let (mut script, conn) = ruled(vec![
        rule((TOPIC, "app-", PREFIXED), READ, ALLOW),
        rule((TOPIC, "app-b", LITERAL), DESCRIBE, DENY),
    ]);
    assert_eq!(visible(&mut script, conn), ["app-a"], "reading implies describing, and who denies wins");
    for (name, code) in [
        ("app-a", ErrorCode::NONE),
        ("app-b", ErrorCode::TOPIC_AUTHORIZATION_FAILED),
        ("other", ErrorCode::TOPIC_AUTHORIZATION_FAILED),
        ("nowhere", ErrorCode::TOPIC_AUTHORIZATION_FAILED),
        ("app-nowhere", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    ] {
        let topic = script.metadata(conn, name, 12).topics.remove(0);
        assert_eq!(topic.error_code, code, "{name}");
        assert!(code == ErrorCode::NONE || topic.topic_id.is_zero());
    }
    let find = FindCoordinatorRequest { key: "g".into(), ..Default::default() };
    assert_eq!(script.call(conn, find, 3).error_code, ErrorCode::GROUP_AUTHORIZATION_FAILED);
}

#[test]
fn rules_match_by_principal_host_and_wildcard() {
    for (change, seen) in [
        (rule((TOPIC, "*", LITERAL), READ, ALLOW), 3),
        (AclCreation { principal: "User:*".into(), ..rule((TOPIC, "other", LITERAL), READ, ALLOW) }, 1),
        (AclCreation { principal: "User:bob".into(), ..rule((TOPIC, "other", LITERAL), READ, ALLOW) }, 0),
        (AclCreation { host: "127.0.0.1".into(), ..rule((TOPIC, "other", LITERAL), READ, ALLOW) }, 1),
        (AclCreation { host: "10.0.0.1".into(), ..rule((TOPIC, "other", LITERAL), READ, ALLOW) }, 0),
        (rule((TOPIC, "app", LITERAL), READ, ALLOW), 0),
        (rule((TOPIC, "app", PREFIXED), 2, ALLOW), 2),
        (rule((GROUP, "*", LITERAL), READ, ALLOW), 0),
    ] {
        let (mut script, conn) = ruled(vec![change.clone()]);
        assert_eq!(visible(&mut script, conn).len(), seen, "{change:?}");
    }
}

#[test]
fn topics_are_created_by_those_who_may() {
    let create = |name: &str| {
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: 1,
            replication_factor: 1,
            ..Default::default()
        };
        CreateTopicsRequest { topics: vec![topic], ..Default::default() }
    };
    let (mut script, conn) = ruled(vec![rule((TOPIC, "my-", PREFIXED), CREATE, ALLOW)]);
    let refused = script.call(conn, create("new"), 7).topics.remove(0);
    assert_eq!(refused.error_code, ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    let created = script.call(conn, create("my-new"), 7).topics.remove(0);
    assert_eq!((created.error_code, created.num_partitions), (ErrorCode::NONE, -1));
    assert_eq!(
        created.topic_config_error_code,
        ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        "DESCRIBE_CONFIGS is not allowed"
    );
    let (mut script, conn) = ruled(vec![rule((CLUSTER, "kafka-cluster", LITERAL), CREATE, ALLOW)]);
    assert_eq!(script.call(conn, create("new"), 7).topics[0].error_code, ErrorCode::NONE);
}

#[test]
fn rules_are_added_found_and_removed() {
    let mut script = with_authorizer(true);
    let conn = script.connect(1);
    let rules = vec![
        rule((TOPIC, "app-", PREFIXED), READ, ALLOW),
        rule((TOPIC, "app-a", LITERAL), READ, ALLOW),
        rule((TOPIC, "*", LITERAL), DESCRIBE, ALLOW),
        rule((CLUSTER, "kafka-cluster", LITERAL), ALTER, DENY),
    ];
    assert_eq!(add(&mut script, conn, rules), [ErrorCode::NONE; 4]);
    let bad = vec![
        rule((CLUSTER, "my-cluster", LITERAL), ALTER, ALLOW),
        rule((TOPIC, "", LITERAL), READ, ALLOW),
        rule((TOPIC, "t", MATCH), READ, ALLOW),
        rule((TOPIC, "t", LITERAL), ANY, ALLOW),
        rule((TOPIC, "t", LITERAL), READ, ANY),
        rule((ANY, "t", LITERAL), READ, ALLOW),
    ];
    assert_eq!(add(&mut script, conn, bad), [ErrorCode::INVALID_REQUEST; 6]);

    let describe = |pattern: i8, name: Option<&str>| DescribeAclsRequest {
        resource_type_filter: TOPIC,
        resource_name_filter: name.map(Into::into),
        pattern_type_filter: pattern,
        principal_filter: None,
        host_filter: None,
        operation: ANY,
        permission_type: ANY,
        ..Default::default()
    };
    let mut names = |pattern, name| {
        let resources = script.call(conn, describe(pattern, name), 3).resources;
        resources.iter().map(|one| (one.resource_name.to_string(), one.acls.len())).collect::<Vec<_>>()
    };
    let named = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), 1)).collect::<Vec<_>>();
    assert_eq!(names(MATCH, Some("app-a")), named(&["*", "app-", "app-a"]));
    assert_eq!(names(LITERAL, Some("app-a")), named(&["app-a"]));
    assert_eq!(names(PREFIXED, None), named(&["app-"]));
    let filter = DeleteAclsFilter {
        resource_type_filter: TOPIC,
        resource_name_filter: None,
        pattern_type_filter: LITERAL,
        principal_filter: None,
        host_filter: None,
        operation: READ,
        permission_type: ANY,
        ..Default::default()
    };
    let request = DeleteAclsRequest { filters: vec![filter], ..Default::default() };
    let deleted = script.call(conn, request, 3).filter_results.remove(0).matching_acls;
    assert_eq!(deleted.iter().map(|acl| &*acl.resource_name).collect::<Vec<_>>(), ["app-a"]);
    let left = script.call(conn, describe(ANY, None), 3).resources;
    assert_eq!(left.len(), 2);
}

#[test]
fn without_an_authorizer_there_are_no_rules() {
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    assert_eq!(
        add(&mut script, conn, vec![rule((TOPIC, "t", LITERAL), READ, ALLOW)]),
        [ErrorCode::SECURITY_DISABLED]
    );
    let all = DescribeAclsRequest {
        resource_type_filter: ANY,
        pattern_type_filter: ANY,
        operation: ANY,
        permission_type: ANY,
        ..Default::default()
    };
    assert_eq!(script.call(conn, all, 3).error_code, ErrorCode::SECURITY_DISABLED);
}

#[test]
fn allowed_operations_are_told_on_request() {
    let (mut script, conn) = ruled(vec![rule((TOPIC, "app-a", LITERAL), READ, ALLOW)]);
    let request = |topics| MetadataRequest {
        topics,
        include_cluster_authorized_operations: true,
        include_topic_authorized_operations: true,
        ..Default::default()
    };
    let response = script.call(conn, request(None), 10);
    assert_eq!(response.topics[0].topic_authorized_operations, 1 << READ | 1 << DESCRIBE);
    assert_eq!(response.cluster_authorized_operations, 0);
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    let response = script.call(conn, request(None), 10);
    let all = [3, 4, 5, 6, 7, 8, 10, 11].iter().fold(0, |bits, operation| bits | 1 << operation);
    assert_eq!(response.topics[0].topic_authorized_operations, all);
    let all = [5, 7, 8, 9, 10, 11, 12].iter().fold(0, |bits, operation| bits | 1 << operation);
    assert_eq!(response.cluster_authorized_operations, all);
}

#[test]
fn records_are_written_and_read_by_those_who_may() {
    let (mut script, conn) = ruled(vec![rule((TOPIC, "app-a", LITERAL), WRITE, ALLOW)]);
    let produce = |name: &str| produce_request(name, 0, -1, batch(&["a"]));
    for (name, code) in [("app-a", ErrorCode::NONE), ("app-b", ErrorCode::TOPIC_AUTHORIZATION_FAILED)] {
        let response = script.call(conn, produce(name), 12);
        assert_eq!(response.responses[0].partition_responses[0].error_code, code, "{name}");
    }
    let response = script.call(conn, fetch_request("app-a", 0, 0), 12);
    assert_eq!(fetched(&response), failed(ErrorCode::TOPIC_AUTHORIZATION_FAILED), "writing is not reading");
    for (name, code) in [("app-a", ErrorCode::NONE), ("app-b", ErrorCode::TOPIC_AUTHORIZATION_FAILED)] {
        let partition = ListOffsetsPartition { timestamp: -1, ..Default::default() };
        let topic = ListOffsetsTopic { name: name.into(), partitions: vec![partition], ..Default::default() };
        let request = ListOffsetsRequest { topics: vec![topic], ..Default::default() };
        assert_eq!(script.call(conn, request, 5).topics[0].partitions[0].error_code, code, "{name}");
    }
    let init =
        InitProducerIdRequest { transactional_id: None, transaction_timeout_ms: 1000, ..Default::default() };
    let transactional = InitProducerIdRequest { transactional_id: Some("tx".into()), ..init.clone() };
    let refused = script.call(conn, transactional, 4).error_code;
    assert_eq!(refused, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    assert_eq!(
        script.call(conn, init.clone(), 4).error_code,
        ErrorCode::NONE,
        "it is enough to write to some topic"
    );
    let (mut script, conn) = ruled(vec![
        rule((TOPIC, "app-a", LITERAL), WRITE, ALLOW),
        rule((TOPIC, "app-", PREFIXED), WRITE, DENY),
    ]);
    assert_eq!(script.call(conn, init, 4).error_code, ErrorCode::CLUSTER_AUTHORIZATION_FAILED);
}
