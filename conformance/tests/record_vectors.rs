//! Record batches and message sets that Apache Kafka's Java client made: read to the last field, and written again to the last byte.
//!
//! `vectors/README.md` tells what the columns hold.

use std::io::Read;

use flate2::read::GzDecoder;
use milena_conformance::oracle::records;

#[test]
fn every_field_is_read_and_every_byte_written() {
    let mut text = String::new();
    GzDecoder::new(&include_bytes!("../vectors/records.tsv.gz")[..]).read_to_string(&mut text).unwrap();
    let lines: Vec<&str> = text.split_terminator('\n').collect();
    assert_eq!(lines.len(), 474);
    let checked = lines.iter().map(|line| records::check(&line.split('\t').collect::<Vec<_>>()));
    let wrong: Vec<String> = checked.filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{} of {} lines:\n{}", wrong.len(), lines.len(), wrong.join("\n"));
}
