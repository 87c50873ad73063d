//! SCRAM as Java speaks it: 41 exchanges, each from the client's side.

use std::io::Read;

use milena_conformance::oracle::scram::check;

fn vectors() -> String {
    let file = std::fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/scram.tsv.gz")).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

fn columns(line: &str) -> Vec<&str> {
    line.split('\t').collect()
}

#[test]
fn every_exchange_is_javas() {
    let text = vectors();
    for (number, line) in (1..).zip(text.lines()) {
        check(&columns(line)).unwrap_or_else(|error| panic!("line {number}: {error}\n{line}"));
    }
    assert_eq!(text.lines().count(), 41);
}

#[test]
fn a_defect_in_any_column_is_told() {
    let text = vectors();
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
    assert_eq!(columns(line).len(), defects.len());
    for (at, defect) in defects.into_iter().enumerate() {
        let mut columns = columns(line);
        let changed = format!("{}z", columns[at]);
        columns[at] = &changed;
        let error = check(&columns).unwrap_err();
        assert!(error.starts_with(defect), "column {at}: {error}");
        columns[at] = "";
        // The column of extensions is empty already.
        assert_eq!(check(&columns).is_err(), at != 6, "column {at} emptied");
    }
    assert_eq!(check(&columns(line)[1..]), Err("13 columns, not 14".to_owned()));
    assert_eq!(check(&[]), Err("0 columns, not 14".to_owned()));
    assert!(check(&["é"; 14]).is_err());
}
