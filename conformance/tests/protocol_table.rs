//! `docs/protocol.md` says what is so: its table is made of the releases' ranges and of the messages themselves.
//!
//! `MILENA_BLESS=1` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use milena_core::protocol::{APIS, ApiKey};

const RELEASES: &str = include_str!("../vectors/releases.tsv");

/// `0-13` as it is read in a sentence.
fn range(versions: &str) -> String {
    versions.replace('-', "–").replace('u', " (newest not final)")
}

/// The ranges of one API, release by release, told where they change.
fn history(ranges: &[&str], releases: &[&str]) -> String {
    let mut told: Vec<String> = Vec::new();
    let mut before = "-";
    for (range_now, release) in ranges.iter().zip(releases) {
        if *range_now != before {
            told.push(match *range_now {
                "-" => format!("until {release}"),
                versions => format!("**{release}** {}", range(versions)),
            });
            before = range_now;
        }
    }
    told.join(", ")
}

fn document() -> String {
    let mut rows = RELEASES.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let header = rows.next().unwrap();
    let releases = &header[2..];
    let mut text = format!(
        "# The protocol\n\n\
         What Milena speaks, and which Kafka releases speak it. Milena's column is every version it reads and writes; a\n\
         client negotiates the newest that both sides know, and never one that is not final. A release's range holds until\n\
         the next one named; the table covers {} to {}. APIs without a range in Milena's column are between brokers\n\
         and controllers: their keys have names, nothing else.\n\n\
         A test makes this page from `conformance/vectors/releases.tsv` and from the messages themselves, and fails where\n\
         it differs (`MILENA_BLESS=1 cargo test -p milena-conformance --test protocol_table` writes it anew).\n\n\
         | key | API | Milena | flexible from | Kafka |\n| ---: | --- | --- | --- | --- |\n",
        releases[0],
        releases[releases.len() - 1]
    );
    for row in rows {
        let key = ApiKey(row[0].parse().unwrap());
        assert_eq!(row[1], key.name());
        let (ours, flexible) = match APIS.iter().find(|api| api.key == key) {
            None => (String::new(), String::new()),
            Some(api) => {
                let (first, last) = api.versions.clone().into_inner();
                let versions = if first == last { first.to_string() } else { format!("{first}–{last}") };
                let open = if api.stable < last { " (newest not final)" } else { "" };
                let flexible = match api.flexible {
                    i16::MAX => "never".to_owned(),
                    version => version.to_string(),
                };
                (versions + open, flexible)
            }
        };
        writeln!(text, "| {} | {} | {ours} | {flexible} | {} |", key.0, row[1], history(&row[2..], releases))
            .unwrap();
    }
    text
}

#[test]
fn the_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/protocol.md");
    let document = document();
    if std::env::var_os("MILENA_BLESS").is_some() {
        std::fs::write(&path, &document).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == document, "docs/protocol.md is out of date: MILENA_BLESS=1 writes it anew");
}

#[test]
fn every_final_version_of_every_release_is_spoken() {
    for line in RELEASES.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let Some(api) = APIS.iter().find(|api| api.key.0.to_string() == columns[0]) else { continue };
        for cell in columns[2..].iter().filter(|cell| **cell != "-") {
            let (first, last) = cell.split_once('-').unwrap_or((cell, cell));
            // Early access of share groups was dropped by the releases after it, and its layout with it.
            let Ok(last) = last.parse::<i16>() else { continue };
            let first: i16 = first.parse().unwrap();
            assert!(api.versions.contains(&first) && api.stable >= last, "{line}");
        }
    }
    assert_eq!(APIS.len(), 72);
    assert!(APIS.is_sorted_by_key(|api| api.key), "by key");
}
