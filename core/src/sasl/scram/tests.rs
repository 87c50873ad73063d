//! Each step of an exchange, and each reason to end it.

use super::*;
use crate::Fault;

const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
/// The exchange of RFC 7677, section 3.
const SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                            p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn begin() -> Scram {
    Scram::new(ScramMechanism::Sha256, "user", NONCE, &[]).unwrap()
}

fn first(message: impl AsRef<[u8]>) -> Result<Challenge, ScramError> {
    begin().handle_server_first(message.as_ref())
}

fn refused_first(message: impl AsRef<[u8]>) -> ScramError {
    first(message).unwrap_err()
}

fn answer() -> Answer {
    let challenge = first(SERVER_FIRST).unwrap();
    let salted = challenge.salt_password("pencil");
    challenge.answer(&salted).unwrap()
}

fn refused_final(message: impl AsRef<[u8]>) -> ScramError {
    answer().handle_server_final(message.as_ref()).unwrap_err()
}

fn argument(user: &str, nonce: &str, extensions: &[(&str, &str)]) -> Argument {
    let error = Scram::new(ScramMechanism::Sha512, user, nonce, extensions).unwrap_err();
    assert_eq!(error.fault(), Fault::Caller);
    match error {
        ScramError::Argument { argument, .. } => argument,
        other => panic!("{other}"),
    }
}

#[test]
fn the_exchange_of_rfc_7677() {
    assert_eq!(begin().message(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    let challenge = first(SERVER_FIRST).unwrap();
    assert_eq!(challenge.iterations(), 4096);
    assert_eq!(Base64::encode_string(challenge.salt()), "W22ZaJ0SNY7soEsUEjb6gQ==");
    assert_eq!(std::str::from_utf8(answer().message()).unwrap(), CLIENT_FINAL);
    assert_eq!(answer().handle_server_final(SERVER_FINAL.as_bytes()), Ok(()));
}

#[test]
fn names_are_escaped_and_extensions_follow_the_nonce() {
    let extensions = [("tokenauth", "true"), ("other", "a=b")];
    let scram = Scram::new(ScramMechanism::Sha512, "=2C,é", "x", &extensions).unwrap();
    assert_eq!(std::str::from_utf8(scram.message()).unwrap(), "n,,n==3D2C=2Cé,r=x,tokenauth=true,other=a=b");
}

#[test]
fn what_can_not_be_written_down_is_the_callers_fault() {
    assert_eq!(argument("", NONCE, &[]), Argument::User);
    assert_eq!(argument("a\0b", NONCE, &[]), Argument::User);
    for nonce in ["", "a,b", "a b", "é", "a\x7f", &"x".repeat(MAX_NONCE_BYTES + 1)] {
        assert_eq!(argument("user", nonce, &[]), Argument::Nonce, "{nonce:?}");
    }
    assert!(Scram::new(ScramMechanism::Sha512, "user", &"x".repeat(MAX_NONCE_BYTES), &[]).is_ok());
    for extension in
        [("", "x"), ("a b", "x"), ("é", "x"), ("x=", "x"), ("x", ""), ("x", "a,b"), ("x", "\0"), ("m", "x")]
    {
        assert_eq!(argument("user", NONCE, &[extension]), Argument::Extension, "{extension:?}");
    }
    for reserved in server::RESERVED {
        assert_eq!(argument("user", NONCE, &[(reserved, "x")]), Argument::Extension, "{reserved}");
    }
    assert_eq!(argument("user", NONCE, &[("x", "1"), ("y", "1"), ("x", "2")]), Argument::Extension);
}

#[test]
fn a_message_that_is_no_list_of_attributes_is_refused() {
    let long = format!("{SERVER_FIRST},x={}", "y".repeat(MAX_SERVER_MESSAGE_BYTES - SERVER_FIRST.len() - 3));
    assert_eq!(long.len(), MAX_SERVER_MESSAGE_BYTES);
    assert!(first(&long).is_ok());
    assert_eq!(refused_first(long + "y"), ScramError::TooLong { size: MAX_SERVER_MESSAGE_BYTES + 1 });
    assert_eq!(refused_first(b"r=\xff"), ScramError::NotUtf8);
    assert_eq!(refused_final([b'v', b'=', 0xc3]), ScramError::NotUtf8);
    for (message, position) in [
        ("", 0),
        (",", 0),
        ("r", 0),
        ("=x", 0),
        ("r=x,,i=4096", 1),
        ("r=x,s=,i=4096", 1),
        ("r=x,s=AAAA,i=4096,", 3),
        ("r=x,s=AAAA,i=4096,x", 3),
        ("r=x,s=AAAA,i=4096,x=", 3),
        ("r=x,s=AAAA,i=4096,é=x", 3),
        ("r=x,s=AAAA,i=4096,x=\0", 3),
        ("r=x,s=AAAA,i=4096, x=y", 3),
    ] {
        assert_eq!(refused_first(message), ScramError::NotAnAttribute { position }, "{message:?}");
    }
}

#[test]
fn attributes_come_in_their_order_and_once() {
    let (r, s, i) = ("r=rOprNGfwEbeRWgbNEkqO1", "s=AAAA", "i=4096");
    let refused = |parts: &[&str]| refused_first(parts.join(","));
    assert_eq!(refused(&[s, i]), ScramError::Missing { attribute: "r" });
    assert_eq!(refused(&[r, i]), ScramError::Missing { attribute: "s" });
    assert_eq!(refused(&[r, s]), ScramError::Missing { attribute: "i" });
    assert_eq!(refused(&[r, s, "x=y"]), ScramError::Missing { attribute: "i" });
    assert_eq!(refused(&[r]), ScramError::Missing { attribute: "s" });
    assert_eq!(refused(&[SERVER_FINAL]), ScramError::Missing { attribute: "r" });

    assert_eq!(refused(&[s, r, i]), ScramError::Misplaced { attribute: "r" });
    assert_eq!(refused(&[r, i, s]), ScramError::Misplaced { attribute: "s" });
    assert_eq!(refused(&["x=y", r, s, i]), ScramError::Misplaced { attribute: "r" });
    assert_eq!(refused(&[r, s, "x=y", i]), ScramError::Misplaced { attribute: "i" });
    assert_eq!(refused(&[r, s, i, "v=AAAA"]), ScramError::Misplaced { attribute: "v" });
    assert_eq!(refused(&[r, s, i, "e=other-error"]), ScramError::Misplaced { attribute: "e" });

    assert_eq!(refused(&[r, r, s, i]), ScramError::Doubled { attribute: "r" });
    assert_eq!(refused(&[r, s, s, i]), ScramError::Doubled { attribute: "s" });
    assert_eq!(refused(&[r, s, i, i]), ScramError::Doubled { attribute: "i" });
    assert_eq!(refused(&[r, s, i, "x=y", s]), ScramError::Doubled { attribute: "s" });

    assert_eq!(refused_final("x=y"), ScramError::Missing { attribute: "v" });
    assert_eq!(refused_final(SERVER_FIRST), ScramError::Missing { attribute: "v" });
    assert_eq!(refused_final(format!("x=y,{SERVER_FINAL}")), ScramError::Misplaced { attribute: "v" });
    assert_eq!(
        refused_final(format!("{SERVER_FINAL},{SERVER_FINAL}")),
        ScramError::Doubled { attribute: "v" }
    );
    assert_eq!(
        refused_final(format!("{SERVER_FINAL},e=other-error")),
        ScramError::Misplaced { attribute: "e" }
    );
    assert_eq!(
        refused_final(format!("e=other-error,{SERVER_FINAL}")),
        ScramError::Misplaced { attribute: "v" }
    );
}

#[test]
fn extensions_are_ignored_but_for_those_that_must_not_be() {
    let extended = first(format!("{SERVER_FIRST},x=y,tokenauth=a=b")).unwrap();
    // They are not looked at, but signed.
    assert!(extended.auth_message.contains("i=4096,x=y,tokenauth=a=b,c=biws"), "{}", extended.auth_message);
    assert_eq!(answer().handle_server_final(format!("{SERVER_FINAL},x=y").as_bytes()), Ok(()));
    for message in [format!("m=x,{SERVER_FIRST}"), format!("{SERVER_FIRST},m=x"), "m=".to_owned()] {
        assert_eq!(refused_first(&message), ScramError::MandatoryExtension, "{message}");
    }
    assert_eq!(refused_final(format!("m=x,{SERVER_FINAL}")), ScramError::MandatoryExtension);
}

#[test]
fn the_nonce_is_ours_and_the_servers() {
    let with = |nonce: &str| refused_first(format!("r={nonce},s=AAAA,i=4096"));
    assert_eq!(with("x"), ScramError::ForeignNonce);
    assert_eq!(with(&NONCE[1..]), ScramError::ForeignNonce);
    assert_eq!(with(&NONCE[..NONCE.len() - 1]), ScramError::ForeignNonce);
    assert_eq!(with(&format!("x{NONCE}x")), ScramError::ForeignNonce);
    assert_eq!(with(NONCE), ScramError::NonceNotExtended);
    assert_eq!(with(&format!("{NONCE}a b")), ScramError::NonceNotPrintable);
    assert_eq!(with(&format!("{NONCE}é")), ScramError::NonceNotPrintable);
}

#[test]
fn base64_has_one_right_form() {
    for bad in ["A", "AA", "AA=", "AB==", "A===", "AAAA=", "AA==AAAA", "A AA", "A-_A", "AAAé", "===="] {
        let error = refused_first(format!("r={NONCE}1,s={bad},i=4096"));
        assert_eq!(error, ScramError::Base64 { attribute: "s" }, "{bad}");
        assert_eq!(refused_final(format!("v={bad}")), ScramError::Base64 { attribute: "v" }, "{bad}");
    }
}

#[test]
fn iterations_have_a_floor_and_a_ceiling() {
    let with = |iterations: &str| {
        first(format!("r={NONCE}1,s=AAAA,i={iterations}")).map(|challenge| challenge.iterations())
    };
    for bad in ["x", "+4096", "-1", "4096.0", "0x1000", "4096 ", "04096", "0", "٤٠٩٦"] {
        assert_eq!(with(bad), Err(ScramError::IterationsNotANumber), "{bad}");
    }
    assert_eq!(with("1"), Err(ScramError::TooFewIterations { iterations: 1 }));
    assert_eq!(with("4095"), Err(ScramError::TooFewIterations { iterations: 4095 }));
    assert_eq!(with("4096"), Ok(4096));
    assert_eq!(with("1000000"), Ok(MAX_ITERATIONS));
    assert_eq!(with("1000001"), Err(ScramError::TooManyIterations { iterations: 1_000_001 }));
    // A number that would be 4096 in 32 bits, and one that has no room in 64.
    assert_eq!(with("4294971392"), Err(ScramError::TooManyIterations { iterations: 4_294_971_392 }));
    assert_eq!(with(&"9".repeat(40)), Err(ScramError::TooManyIterations { iterations: u64::MAX }));
}

#[test]
fn the_server_must_prove_itself() {
    let wrong = ["v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "v=6rri", "v=AAAA"];
    for message in wrong {
        assert_eq!(refused_final(message), ScramError::ServerSignature, "{message}");
    }
    assert_eq!(ScramError::ServerSignature.fault(), Fault::Peer);

    let challenge = first(SERVER_FIRST).unwrap();
    let salted = challenge.salt_password("pencils");
    let other_password = challenge.answer(&salted).unwrap();
    assert_ne!(other_password.message(), CLIENT_FINAL.as_bytes());
    assert_eq!(other_password.handle_server_final(SERVER_FINAL.as_bytes()), Err(ScramError::ServerSignature));
}

#[test]
fn the_servers_error_is_told() {
    let error = refused_final("e=invalid-proof,x=y");
    assert_eq!(error, ScramError::Refused { error: "invalid-proof".to_owned() });
    assert_eq!(error.fault(), Fault::Cluster);
    assert_eq!(refused_first("e=unknown-user"), ScramError::Refused { error: "unknown-user".to_owned() });
    // What a stranger says does not reach a terminal as it is.
    assert_eq!(refused_final("e=\x1b[2J").to_string(), "SCRAM: the server refused: \"\\u{1b}[2J\"");
}

#[test]
fn a_salted_password_is_kept_for_the_same_salt_alone() {
    let salted = first(SERVER_FIRST).unwrap().salt_password("pencil");
    let again = |mechanism, nonce: &str, rest: &str| {
        let scram = Scram::new(mechanism, "user", nonce, &[]).unwrap();
        scram.handle_server_first(format!("r={nonce}1,{rest}").as_bytes()).unwrap()
    };
    let same = again(ScramMechanism::Sha256, "another", "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    assert!(same.accepts(&salted));
    let fresh = same.salt_password("pencil");
    assert_eq!(
        same.clone().answer(&salted).unwrap().message(),
        same.clone().answer(&fresh).unwrap().message()
    );

    for (mechanism, rest) in [
        (ScramMechanism::Sha512, "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
        (ScramMechanism::Sha256, "s=W22ZaJ0SNY7soEsUEjb6gA==,i=4096"),
        (ScramMechanism::Sha256, "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4097"),
    ] {
        let other = again(mechanism, NONCE, rest);
        assert!(!other.accepts(&salted), "{rest}");
        let error = other.answer(&salted).unwrap_err();
        assert_eq!((error.fault(), error), (Fault::Caller, ScramError::OtherSalt));
    }
}

#[test]
fn debug_shows_no_secret() {
    let challenge = first(SERVER_FIRST).unwrap();
    let salted = challenge.salt_password("pencil");
    assert_eq!(format!("{salted:?}"), "SaltedPassword { mechanism: Sha256, iterations: 4096, .. }");
    assert_eq!(format!("{:?}", challenge.answer(&salted).unwrap()), "Answer { mechanism: Sha256, .. }");
}

#[test]
fn mechanisms_have_names() {
    for (mechanism, name) in
        [(ScramMechanism::Sha256, "SCRAM-SHA-256"), (ScramMechanism::Sha512, "SCRAM-SHA-512")]
    {
        assert_eq!(mechanism.to_string(), name);
        assert_eq!(ScramMechanism::from_name(name), Some(mechanism));
    }
    assert_eq!(ScramMechanism::from_name("SCRAM-SHA-1"), None);
    assert_eq!(ScramMechanism::from_name("scram-sha-256"), None);
}
