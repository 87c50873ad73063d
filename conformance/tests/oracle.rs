//! Every vector there is, through the oracle; and what the oracle says of vectors that are wrong.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use milena_conformance::oracle::scram::check as check_exchange;
use milena_conformance::oracle::{Summary, check_file, text_of};
use milena_core::protocol::{APIS, AnyMessage, ApiKey};
use milena_core::wire::WireFault;

fn vectors(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name)
}

fn check(path: &Path) -> (Summary, Vec<String>) {
    let (mut summary, mut failures) = (Summary::default(), Vec::new());
    check_file(path, &mut summary, &mut |failure| failures.push(failure.to_owned())).unwrap();
    (summary, failures)
}

#[track_caller]
fn all_agree(name: &str, vectors_there: u64, skipped: u64) {
    let (summary, failures) = check(&vectors(name));
    assert_eq!(failures, [""; 0]);
    assert_eq!(summary, Summary { vectors: vectors_there, skipped, failures: 0 });
}

#[test]
fn messages_agree_with_java() {
    all_agree("messages.tsv.gz", 2950, 563);
}

#[test]
fn partitioners_agree_with_java() {
    all_agree("partitioners.tsv.gz", 2000, 0);
}

#[test]
fn records_agree_with_java() {
    all_agree("records.tsv.gz", 474, 0);
}

#[test]
fn scram_agrees_with_java() {
    all_agree("scram.tsv.gz", 41, 0);
}

/// Kind, key, version, body.
fn messages() -> Vec<(AnyMessage, i16, Bytes)> {
    let text = text_of(&vectors("messages.tsv.gz")).unwrap();
    let lines = text.split_terminator('\n').filter_map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let key = ApiKey(columns[1].parse().unwrap());
        let message = match columns[0] {
            "request" => AnyMessage::request(key)?,
            "response" => AnyMessage::response(key)?,
            _ => return None,
        };
        let body = HEXLOWER.decode(columns[4].as_bytes()).unwrap();
        Some((message, columns[3].parse().unwrap(), body.into()))
    });
    lines.collect()
}

#[test]
fn every_version_of_every_message_has_a_vector() {
    assert_eq!(APIS.len(), 72);
    let messages = messages();
    let names: Vec<_> =
        messages.iter().map(|(message, version, _)| (message.shape().name, *version)).collect();
    for api in APIS {
        for version in api.versions.clone() {
            for kind in ["Request", "Response"] {
                let name = format!("{}{kind}", api.key.name());
                assert!(names.contains(&(name.as_str(), version)), "{name} {version}");
            }
        }
    }
}

#[test]
fn a_message_that_is_cut_or_longer_is_an_error() {
    for (mut message, version, body) in messages() {
        let name = message.shape().name;
        // Long ones are long by their text: their structure is in the first and last bytes, and in the short ones.
        for end in (0..body.len()).filter(|&end| end < 200 || body.len() - end < 200) {
            let error =
                message.decode(body.slice(..end), version).expect_err(&format!("{name} to byte {end}"));
            assert!(error.offset <= end, "{error}");
        }
        let longer = [&body[..], &[0]].concat();
        let error = message.decode(longer.into(), version).expect_err("a byte too many");
        assert_eq!(error.fault, WireFault::TrailingBytes { count: 1 }, "{error}");
        assert_eq!((error.message, error.version, error.offset), (name, version, body.len()));
    }
}

#[test]
fn a_message_with_a_wrong_byte_is_an_error_or_another_value() {
    for (mut message, version, body) in messages() {
        for at in (0..body.len()).take(150) {
            for wrong in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                let mut bytes = body.to_vec();
                bytes[at] = wrong;
                // Where the bytes still are a message, it must go there and back, but for the length of its varints.
                if message.decode(bytes.into(), version).is_ok() {
                    let again: Bytes = message.encode(version).unwrap().concat().into();
                    message.decode(again.clone(), version).unwrap();
                    assert_eq!(message.encode(version).unwrap().concat(), again, "{message:?}");
                }
            }
        }
    }
}

/// A file of that name and content, gone when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, content: &[u8]) -> Self {
        let folder = std::env::temp_dir().join(format!("milena-oracle-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.parent().unwrap());
    }
}

#[test]
fn a_wrong_line_is_a_failure_that_names_api_version_and_field() {
    let good = r#"{"groupId":"g","generationId":7,"memberId":"m"}"#;
    let cases = [
        (format!("request\t12\tHeartbeatRequest\t0\t00016700000007 00016d\t{good}"), "bad hex"),
        (format!("request\t12\tHeartbeatRequest\t0\t0001670000000700016d\t{good}"), ""),
        (
            format!("request\t12\tHeartbeatRequest\t0\t0001670000000800016d\t{good}"),
            "request HeartbeatRequest version 0 (key 12): decoding: field generationId: Milena has 8, Java has 7",
        ),
        (
            format!("request\t12\tHeartbeatRequest\t0\t0001670000000700016dff\t{good}"),
            "HeartbeatRequest version 0, byte 10: 1 bytes left over",
        ),
        (format!("request\t12\tHeartbeatRequest\t9\t\t{good}"), "no such version, known are 0 to 4"),
        ("request\t12\tHeartbeatRequest\t0\t0001670000000700016d\t{\"groupId\":".to_owned(), "bad JSON"),
        (format!("request\t12\tFetchRequest\t0\t00\t{good}"), "is HeartbeatRequest, not FetchRequest"),
        (format!("request\t999\tNewRequest\t0\t00\t{good}"), "there is no request NewRequest with key 999"),
        (format!("request\t70000\tNewRequest\t0\t00\t{good}"), "\"70000\" is no number"),
        (format!("question\t12\tHeartbeatRequest\t0\t00\t{good}"), "\"question\" is none of"),
        ("request\t12".to_owned(), "2 columns, 6 expected"),
        (String::new(), "1 columns, 6 expected"),
        // Brokers only: counted, not checked.
        ("request\t52\tVoteRequest\t0\tzz\tzz".to_owned(), ""),
    ];
    let content: String = cases.iter().map(|(line, _)| format!("{line}\n")).collect();
    let file = Scratch::new("messages-of-mine.tsv", content.as_bytes());
    let (summary, failures) = check(&file.0);
    let expected: Vec<_> = cases.iter().enumerate().filter(|(_, (_, reason))| !reason.is_empty()).collect();
    assert_eq!(summary, Summary { vectors: 12, skipped: 1, failures: expected.len() as u64 });
    for ((index, (_, reason)), failure) in expected.into_iter().zip(&failures) {
        assert!(failure.contains(&format!("line {}: ", index + 1)) && failure.contains(reason), "{failure}");
    }
}

#[test]
fn a_file_that_is_none_is_an_error() {
    let told = |path: &Path| check_file(path, &mut Summary::default(), &mut |_| ()).unwrap_err();
    assert!(told(Path::new("/nowhere/messages.tsv")).contains("No such file"));
    assert!(told(&Scratch::new("masseges.tsv", b"").0).contains("name begins with messages"));
    assert!(told(&Scratch::new("messages.tsv.gz", b"\x1f\x8bno gzip").0).contains("messages.tsv.gz: "));
    assert!(told(&Scratch::new("messages.bin", b"\xff").0).contains("utf-8"));
    assert!(!check(&Scratch::new("messages.empty", b"").0).0.is_good(), "nothing was checked");
}

fn split(line: &str) -> Vec<&str> {
    line.split('\t').collect()
}

#[test]
fn a_defect_in_any_column_of_an_exchange_is_told() {
    let text = text_of(&vectors("scram.tsv.gz")).unwrap();
    let line = text.lines().next().unwrap();
    let defects = [
        "no mechanism",
        "client first: ",
        "salted password: ",
        "salt: ",
        "iterations: ",
        "client first: ",
        "\"z\" is no extension",
        "client first: ",
        "server first: ",
        "client final: ",
        "server final: ",
        "salted password: ",
        "stored key: ",
        "server key: ",
    ];
    assert_eq!(split(line).len(), defects.len());
    for (at, defect) in defects.into_iter().enumerate() {
        let mut columns = split(line);
        let changed = format!("{}z", columns[at]);
        columns[at] = &changed;
        let error = check_exchange(&columns).unwrap_err();
        assert!(error.starts_with(defect), "column {at}: {error}");
        columns[at] = "";
        // The column of extensions is empty already.
        assert_eq!(check_exchange(&columns).is_err(), at != 6, "column {at} emptied");
    }
    assert_eq!(check_exchange(&split(line)[1..]), Err("13 columns, not 14".to_owned()));
    assert_eq!(check_exchange(&[]), Err("0 columns, not 14".to_owned()));
    assert!(check_exchange(&["é"; 14]).is_err());
}
