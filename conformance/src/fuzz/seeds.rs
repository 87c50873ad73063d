//! Where fuzzers begin: the vectors, cut to what each target reads.

use std::path::Path;

use milena_core::protocol::{APIS, ApiKey, Message as _, ResponseHeader};

use super::machine::step::{
    ANSWER, APPEND, CALL, CALM, CHANGE, CONNECT, CONSUME, FLUSH, HANG_UP, NEXT_TIMEOUT, PASS, PULL, REFUSE,
    STORM, WORK,
};
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
        "machine" => machine(),
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

/// Settings, then steps: what gets a client to where something can go wrong.
fn machine() -> Vec<Vec<u8>> {
    // The oldest request of the first connection is answered rightly, whole.
    const RIGHT: [u8; 4] = [ANSWER, 0, 0, 0];
    // Connects, negotiates, learns of the cluster, and asks each broker it needs.
    let by_hand = [&[CONNECT, 0, PULL, 3, 0][..], &RIGHT, &[PULL, 3, 0], &RIGHT].concat();
    let records = [APPEND, 2, 20, 0, 0, APPEND, 5, 30, 0, 1, WORK, 0, 9];
    // Pauses pass, and everything is answered rightly, until nothing is asked for any more.
    let go = [CALM, NEXT_TIMEOUT, CALM, NEXT_TIMEOUT, CALM, NEXT_TIMEOUT, CALM];
    let written = [&[CALM][..], &records, &go].concat();
    // Settings: three brokers with four partitions each, and a new Kafka; the default writer and reader.
    let with = |settings: [u8; 4], steps: &[&[u8]]| [&settings[..], &steps.concat()].concat();
    let usual = [0x0e, 0, 0, 0];
    vec![
        with(usual, &[&by_hand, &records, &by_hand, &by_hand, &[CONSUME, 0, 0, NEXT_TIMEOUT]]),
        with(usual, &[&written, &[CONSUME, 0, 0, CONSUME, 0, 0], &records, &[FLUSH, 0], &go]),
        with([0x8d, 0, 0, 4], &[&written, &[CONSUME, 0, 0, PASS, 18, 9, CALM]]),
        // Brokers of old, records with headers among others, small batches.
        with(
            [0x01, 6, 0x83, 0],
            &[&[CALM, APPEND, 10, 9, 0, 0, APPEND, 3, 200, 0, 0, CALM, CONSUME, 0, 0], &written],
        ),
        with([0x05, 7, 0x02, 8], &[&written]),
        // Compressed; batches are too large, and cut in two.
        with([0x02, 0, 0x88, 0], &[&[CALM, APPEND, 3, 90, 0, 0, WORK, 0, 9, STORM, 9, 0, 1], &written]),
        // Nobody listens, then it works, then a broker leaves and leaders move.
        with(usual, &[&[REFUSE, 2, 0, NEXT_TIMEOUT, REFUSE, 0, 0, NEXT_TIMEOUT], &written]),
        with(
            usual,
            &[
                &written,
                &[HANG_UP, 0, 0, CHANGE, 0, 0, 0, HANG_UP, 2, 0],
                &records,
                &[CALM, NEXT_TIMEOUT, CALM],
            ],
        ),
        // No broker is the leader any more; the producer's numbers are refused, then the id.
        with(
            usual,
            &[
                &written,
                &records,
                &[STORM, 7, 8, 1, NEXT_TIMEOUT, CALM],
                &records,
                &[STORM, 25, 0, 1, NEXT_TIMEOUT, CALM],
            ],
        ),
        with(usual, &[&written, &records, &[STORM, 28, 0, 1, PASS, 16, 9, CALM]]),
        // Calls to any broker, to the controller, to a leader and to a coordinator; one without an answer, one that is cut short.
        with(
            usual,
            &[
                &[CALM, CALL, 0, 0, CALL, 25, 0, CALL, 0x23, 0x80, CALL, 42, 1, CALL, 0x25, 0x40, CALL, 4, 0],
                &[CALM],
            ],
        ),
        with(usual, &[&[CALL, 0x32, 4, 9, 3, CALL, 0x2a, 2, NEXT_TIMEOUT], &written, &[PASS, 19, 255]]),
        // One of the leaders refuses the reader for good, while others have something for it.
        with(
            usual,
            &[
                &written,
                &records,
                &[NEXT_TIMEOUT, WORK, 0, 9],
                &[PULL, 3, 3, PULL, 3, 4, PULL, 3, 5, PULL, 3, 6],
                &[ANSWER, 4, 0, 4, 17, 0, ANSWER, 4, 0, 5, 17, 0],
                &go,
            ],
        ),
        // Answers by chance, nearly right ones, garbage, one that comes twice, one that never comes.
        with(
            usual,
            &[
                &by_hand,
                &[PULL, 3, 0, ANSWER, 7, 0, 0, 1, 2, PULL, 3, 1, ANSWER, 9, 0, 0, 2, 0, 20, 3, 0, 9, 9],
                &written,
            ],
        ),
        with(
            usual,
            &[
                &by_hand,
                &[PULL, 3, 0, ANSWER, 11, 0, 0, 2, 3, 1, 2, 3, ANSWER, 12, 0, 0, NEXT_TIMEOUT],
                &written,
            ],
        ),
        with(usual, &[&by_hand, &[PULL, 3, 0, ANSWER, 15, 0, 0, PASS, 19, 90, NEXT_TIMEOUT], &written]),
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
