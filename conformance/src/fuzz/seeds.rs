//! Where fuzzers begin: the vectors, cut to what each target reads.

use std::path::Path;

use milena_core::protocol::{APIS, ApiKey, Message as _, ResponseHeader};

use crate::oracle::text_of;

/// Longer ones teach a fuzzer nothing and slow it down.
const MAX_LEN: usize = 16 * 1024;

/// The seeds of the target of that name, from the vectors beside this crate's sources.
///
/// # Panics
///
/// If the vectors are not there.
#[must_use]
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = match target {
        "messages" => lines("messages").filter_map(|line| message(&line)).collect(),
        "records" => lines("records").map(|line| unhex(&line[2])).collect(),
        "framer" => framer(),
        "tagged_fields" => tagged_fields(),
        "consumer_protocol" => lines("messages").filter_map(|line| consumer_protocol(&line)).collect(),
        "sasl" => lines("scram")
            .flat_map(|line| {
                [(0, &line[8]), (1, &line[10])].map(|(step, text)| [&[step], text.as_bytes()].concat())
            })
            .collect(),
        "machine" => super::machine::seeds(),
        "recording" => super::recording::seeds(),
        _ => Vec::new(),
    };
    seeds.retain(|seed| seed.len() <= MAX_LEN);
    seeds
}

fn lines(word: &str) -> impl Iterator<Item = Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(format!("{word}.tsv.gz"));
    let text = text_of(&path).unwrap_or_else(|error| panic!("{error}"));
    let lines: Vec<_> =
        text.split_terminator('\n').map(|line| line.split('\t').map(str::to_owned).collect()).collect();
    lines.into_iter()
}

fn unhex(hex: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(hex.as_bytes()).expect("a vector's hex")
}

/// As the target reads it: which API, which version of which kind, the body.
fn message(line: &[String]) -> Option<Vec<u8>> {
    let kind = match line[0].as_str() {
        "request" => 0,
        "response" => 1,
        _ => return None,
    };
    let key = ApiKey(line[1].parse().ok()?);
    let place = APIS.iter().position(|api| api.key == key)?;
    let version: i16 = line[3].parse().ok()?;
    let choice = (version - APIS[place].versions.start()) << 1 | kind;
    Some([&[place as u8, choice as u8], &unhex(&line[4])[..]].concat())
}

fn framer() -> Vec<Vec<u8>> {
    let header = ResponseHeader { correlation_id: 7, ..ResponseHeader::default() }.encode(0);
    let body = header.expect("a header").concat();
    let frame = [&(body.len() as i32).to_be_bytes(), &body[..]].concat();
    vec![
        [&[0], &frame[..]].concat(),
        [&[2], &frame[..], &[0; 4], &frame[..5]].concat(),
        b"\x04\x15\x03\x03\0\x02\x02\x28".to_vec(),
        b"\x05HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        b"\x06\x7f\xff\xff\xff".to_vec(),
    ]
}

fn tagged_fields() -> Vec<Vec<u8>> {
    let vectors = lines("messages").filter(|line| line[2] == "ApiVersionsResponse" && line[3] == "3");
    // Of those without APIs what follows the body's first seven bytes is the tagged fields.
    let mut seeds: Vec<_> = vectors
        .map(|line| unhex(&line[4]))
        .filter(|body| body.len() > 7 && body[2] == 1)
        .map(|body| body[7..].to_vec())
        .collect();
    seeds.push(b"\x02\x01\x08\0\0\0\0\0\0\0\x05\x63\x02ab".to_vec());
    seeds.push(b"\x03\0\x08\x02\x02f\0\x01\0\x02\0\x02\x01\x01\x03\x01\x01".to_vec());
    seeds
}

fn consumer_protocol(line: &[String]) -> Option<Vec<u8>> {
    let version = line[3].parse::<i16>().ok()?.to_be_bytes();
    let body = unhex(&line[4]);
    let control = |kind: u8| [&[2, 0, 0, 0, kind], &body[..]].concat();
    Some(match line[2].as_str() {
        "ConsumerProtocolSubscription" => [&[0], &version[..], &body].concat(),
        "ConsumerProtocolAssignment" => [&[1], &version[..], &body].concat(),
        "EndTxnMarker" => [&[2, 0, 0, 0, 1], &version[..], &body].concat(),
        "LeaderChangeMessage" => control(2),
        "SnapshotHeaderRecord" => control(3),
        "SnapshotFooterRecord" => control(4),
        "KRaftVersionRecord" => control(5),
        "VotersRecord" => control(6),
        _ => return None,
    })
}
