//! SASL: who may connect, and how it is proved.

use std::time::Duration;

use milena_conformance::cluster::{ClusterOptions, ConnectionId, Security};
use milena_core::protocol::alter_user_scram_credentials::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use milena_core::protocol::describe_user_scram_credentials::UserName;
use milena_core::protocol::{
    AlterUserScramCredentialsRequest, ApiVersionsRequest, DescribeUserScramCredentialsRequest, ErrorCode,
    MetadataRequest, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest,
};
use milena_core::sasl::scram::{SaltedPassword, Scram, ScramMechanism};

use crate::script::{Script, metadata_request};

fn secured(security: Security) -> Script {
    Script::new(ClusterOptions {
        topics: vec![("t".to_owned(), 1)],
        security: Some(Security {
            users: vec![("alice".to_owned(), "secret".to_owned()), ("bob".to_owned(), "b".to_owned())],
            ..security
        }),
        ..ClusterOptions::default()
    })
}

fn handshake(script: &mut Script, conn: ConnectionId, mechanism: &str) -> ErrorCode {
    let request = SaslHandshakeRequest { mechanism: mechanism.into(), ..Default::default() };
    let response = script.call(conn, request, 1);
    assert_eq!(
        response.mechanisms.len(),
        if response.error_code == ErrorCode::ILLEGAL_SASL_STATE { 0 } else { 3 }
    );
    response.error_code
}

fn authenticate(script: &mut Script, conn: ConnectionId, token: &[u8]) -> SaslAuthenticateResponse {
    let request = SaslAuthenticateRequest { auth_bytes: token.to_vec().into(), ..Default::default() };
    script.send(conn, request, 2);
    // A failure is answered later.
    script.advance(100);
    script.answer::<SaslAuthenticateRequest>(conn, 2).unwrap().1
}

/// A whole exchange of SCRAM, as the client does it.
fn scram(
    script: &mut Script,
    conn: ConnectionId,
    mechanism: ScramMechanism,
    user: &str,
    password: &str,
) -> ErrorCode {
    assert_eq!(handshake(script, conn, mechanism.name()), ErrorCode::NONE);
    let client = Scram::new(mechanism, user, "abc", &[]).unwrap();
    let first = authenticate(script, conn, client.message());
    if first.error_code != ErrorCode::NONE {
        return first.error_code;
    }
    let challenge = client.handle_server_first(&first.auth_bytes).unwrap();
    let salted = challenge.salt_password(password);
    let answer = challenge.answer(&salted).unwrap();
    let last = authenticate(script, conn, answer.message());
    if last.error_code == ErrorCode::NONE {
        answer.handle_server_final(&last.auth_bytes).expect("the broker knows the user's credential");
    }
    last.error_code
}

#[test]
fn plain_opens_the_connection() {
    let mut script = secured(Security::default());
    let conn = script.connect(1);
    script.call(conn, ApiVersionsRequest::default(), 0);
    assert_eq!(handshake(&mut script, conn, "PLAIN"), ErrorCode::NONE);
    let answer = authenticate(&mut script, conn, b"\0alice\0secret");
    assert_eq!((answer.error_code, answer.session_lifetime_ms), (ErrorCode::NONE, 0));
    assert_eq!(script.metadata(conn, "t", 12).topics[0].error_code, ErrorCode::NONE);
    let again = authenticate(&mut script, conn, b"\0alice\0secret");
    assert_eq!(again.error_code, ErrorCode::ILLEGAL_SASL_STATE);
    assert!(script.closed.is_empty());
}

#[test]
fn a_failure_is_answered_late_and_closes() {
    for token in
        [&b"\0alice\0wrong"[..], b"\0eve\0secret", b"alice\0secret", b"\0\0secret", b"bob\0alice\0secret"]
    {
        let mut script = secured(Security::default());
        let conn = script.connect(1);
        handshake(&mut script, conn, "PLAIN");
        let request = SaslAuthenticateRequest { auth_bytes: token.to_vec().into(), ..Default::default() };
        script.send(conn, request, 2);
        script.advance(99);
        assert_eq!(script.answer::<SaslAuthenticateRequest>(conn, 2), None, "not before 100 ms have passed");
        script.advance(1);
        let answer = script.answer::<SaslAuthenticateRequest>(conn, 2).unwrap().1;
        assert_eq!(answer.error_code, ErrorCode::SASL_AUTHENTICATION_FAILED);
        assert_eq!(script.closed, [conn]);
    }
}

#[test]
fn what_is_out_of_turn_ends_the_connection() {
    let mut script = secured(Security::default());
    let conn = script.connect(1);
    script.send(conn, metadata_request("t"), 12);
    assert_eq!((script.closed.pop(), script.answers.get(&conn)), (Some(conn), None));
    let conn = script.connect(1);
    script.call(conn, ApiVersionsRequest::default(), 0);
    script.send(conn, ApiVersionsRequest::default(), 0);
    assert_eq!(script.closed.pop(), Some(conn), "once is enough");
    let conn = script.connect(1);
    handshake(&mut script, conn, "PLAIN");
    script.send(conn, metadata_request("t"), 12);
    script.advance(100);
    let answer = script.answer::<MetadataRequest>(conn, 12).unwrap().1;
    assert_eq!(answer.topics[0].error_code, ErrorCode::ILLEGAL_SASL_STATE);
    assert_eq!(script.closed.pop(), Some(conn));
    let conn = script.connect(1);
    let request = SaslHandshakeRequest { mechanism: "GSSAPI".into(), ..Default::default() };
    script.send(conn, request, 1);
    script.advance(100);
    let answer = script.answer::<SaslHandshakeRequest>(conn, 1).unwrap().1;
    assert_eq!(answer.error_code, ErrorCode::UNSUPPORTED_SASL_MECHANISM);
    let offered: Vec<_> = answer.mechanisms.iter().map(|name| &**name).collect();
    assert_eq!(offered, ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]);
    assert_eq!(script.closed.pop(), Some(conn));
    // Where there is no SASL, nobody can begin it.
    let mut script = Script::with_topic(1);
    let conn = script.connect(1);
    assert_eq!(handshake(&mut script, conn, "PLAIN"), ErrorCode::ILLEGAL_SASL_STATE);
    assert!(script.closed.is_empty());
}

#[test]
fn version_0_takes_tokens_without_headers() {
    let mut script = secured(Security::default());
    let conn = script.connect(1);
    let request = SaslHandshakeRequest { mechanism: "PLAIN".into(), ..Default::default() };
    assert_eq!(script.call(conn, request.clone(), 0).error_code, ErrorCode::NONE);
    script.raw(conn, b"\0alice\0secret");
    assert_eq!(script.answers.get_mut(&conn).unwrap().pop().unwrap(), "", "PLAIN has nothing to say");
    assert_eq!(script.metadata(conn, "t", 12).topics[0].error_code, ErrorCode::NONE);
    let conn = script.connect(1);
    script.call(conn, request, 0);
    script.raw(conn, b"\0alice\0wrong");
    assert_eq!(script.closed, [conn]);
}

#[test]
fn scram_proves_both_sides() {
    let mut script = secured(Security::default());
    for mechanism in [ScramMechanism::Sha256, ScramMechanism::Sha512] {
        let conn = script.connect(1);
        assert_eq!(scram(&mut script, conn, mechanism, "alice", "secret"), ErrorCode::NONE);
        assert_eq!(script.metadata(conn, "t", 12).topics[0].error_code, ErrorCode::NONE);
        for (user, password) in [("alice", "wrong"), ("eve", "secret")] {
            let conn = script.connect(1);
            let code = scram(&mut script, conn, mechanism, user, password);
            assert_eq!(code, ErrorCode::SASL_AUTHENTICATION_FAILED, "{user}");
            assert_eq!(script.closed.pop(), Some(conn));
        }
    }
}

#[test]
fn a_session_ends_unless_it_is_proved_again() {
    let lifetime = Some(Duration::from_secs(10));
    let mut script = secured(Security { session_lifetime: lifetime, ..Security::default() });
    let login = |script: &mut Script, conn, user: &str| {
        assert_eq!(handshake(script, conn, "PLAIN"), ErrorCode::NONE);
        let (user, password) = if user == "bob" { ("bob", "b") } else { (user, "secret") };
        authenticate(script, conn, format!("\0{user}\0{password}").as_bytes())
    };
    let conn = script.connect(1);
    assert_eq!(login(&mut script, conn, "alice").session_lifetime_ms, 10_000);
    script.advance(9_000);
    script.metadata(conn, "t", 12);
    assert_eq!(login(&mut script, conn, "alice").error_code, ErrorCode::NONE, "KIP-368");
    script.advance(9_000);
    script.metadata(conn, "t", 12);
    // Somebody else on the same connection is refused.
    assert_eq!(login(&mut script, conn, "bob").error_code, ErrorCode::SASL_AUTHENTICATION_FAILED);
    assert_eq!(script.closed.pop(), Some(conn));
    let conn = script.connect(1);
    login(&mut script, conn, "alice");
    script.advance(10_001);
    script.send(conn, metadata_request("t"), 12);
    assert_eq!(script.closed.pop(), Some(conn), "time is up");
    // So is another mechanism.
    let conn = script.connect(1);
    login(&mut script, conn, "alice");
    assert_eq!(handshake(&mut script, conn, "SCRAM-SHA-256"), ErrorCode::NONE);
    let client = Scram::new(ScramMechanism::Sha256, "alice", "abc", &[]).unwrap();
    let request =
        SaslAuthenticateRequest { auth_bytes: client.message().to_vec().into(), ..Default::default() };
    script.send(conn, request, 2);
    assert_eq!(script.closed.pop(), Some(conn));
}

#[test]
fn the_principal_is_the_users() {
    let mut script = Script::new(ClusterOptions {
        topics: vec![("t".to_owned(), 1)],
        security: Some(Security {
            users: vec![("alice".to_owned(), "secret".to_owned())],
            ..Security::default()
        }),
        authorizer: true,
        super_users: vec!["User:alice".to_owned()],
        ..ClusterOptions::default()
    });
    let conn = script.connect(1);
    scram(&mut script, conn, ScramMechanism::Sha256, "alice", "secret");
    assert_eq!(script.metadata(conn, "t", 12).topics[0].error_code, ErrorCode::NONE);
}

#[test]
fn users_of_scram_are_changed_and_told() {
    let mut script = secured(Security::default());
    let conn = script.connect(1);
    scram(&mut script, conn, ScramMechanism::Sha256, "alice", "secret");
    let upsert = |name: &str, iterations: i32| {
        let salted = SaltedPassword::derive(ScramMechanism::Sha256, "new", b"salt", 4096);
        ScramCredentialUpsertion {
            name: name.into(),
            mechanism: 1,
            iterations,
            salt: b"salt".to_vec().into(),
            salted_password: salted.as_bytes().to_vec().into(),
            ..Default::default()
        }
    };
    let delete = |name: &str, mechanism| ScramCredentialDeletion {
        name: name.into(),
        mechanism,
        ..Default::default()
    };
    let request = AlterUserScramCredentialsRequest {
        deletions: vec![delete("bob", 1), delete("nobody", 1), delete("bob", 2)],
        upsertions: vec![
            upsert("carol", 4096),
            upsert("few", 4095),
            upsert("many", 16_385),
            upsert("", 4096),
        ],
        ..Default::default()
    };
    let results = script.call(conn, request, 0).results;
    let results: Vec<_> = results.iter().map(|result| (&*result.user, result.error_code)).collect();
    assert_eq!(
        results,
        [
            ("", ErrorCode::UNACCEPTABLE_CREDENTIAL),
            ("bob", ErrorCode::NONE),
            ("carol", ErrorCode::NONE),
            ("few", ErrorCode::UNACCEPTABLE_CREDENTIAL),
            ("many", ErrorCode::UNACCEPTABLE_CREDENTIAL),
            ("nobody", ErrorCode::RESOURCE_NOT_FOUND),
        ]
    );
    let users =
        ["alice", "bob", "carol"].map(|name| UserName { name: name.into(), ..Default::default() }).to_vec();
    let request = DescribeUserScramCredentialsRequest { users: Some(users), ..Default::default() };
    let results = script.call(conn, request, 0).results;
    let told: Vec<_> = results
        .iter()
        .map(|result| (&*result.user, result.error_code, result.credential_infos.len()))
        .collect();
    assert_eq!(
        told,
        [
            ("alice", ErrorCode::NONE, 2),
            ("bob", ErrorCode::RESOURCE_NOT_FOUND, 0),
            ("carol", ErrorCode::NONE, 1)
        ]
    );
    let conn = script.connect(1);
    assert_eq!(scram(&mut script, conn, ScramMechanism::Sha256, "carol", "new"), ErrorCode::NONE);
    let conn = script.connect(1);
    let gone = scram(&mut script, conn, ScramMechanism::Sha256, "bob", "b");
    assert_eq!(gone, ErrorCode::SASL_AUTHENTICATION_FAILED);
}
