//! The live oracle: messages and batches by chance, Milena and Java reading each other.
//!
//! - A random message is encoded by Milena; Java must decode every field, and encode the same bytes, from what it has
//!   decoded and from the JSON that Milena has of it; Milena must decode those.
//! - A random batch is written by each of the two, in every format and codec, and read by both.
//!
//! One seed, one sequence: a failure names the seed and its place.

use bytes::Bytes;
use milena_core::protocol::consumer_protocol::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use milena_core::protocol::control_record::{
    ControlRecordTypeSchema, EndTxnMarker, KRaftVersionRecord, LeaderChangeMessage, SnapshotFooterRecord,
    SnapshotHeaderRecord, VotersRecord,
};
use milena_core::protocol::{APIS, AnyMessage, Message, RequestHeader, ResponseHeader};
use serde_json::Value;

use super::java::{Java, JavaError, MessageId};
use super::random::{Chance, batch};
use super::{Checked, Secrets, Summary, difference, messages, records, to_json};
use crate::sim::Random;

/// So many messages for each batch.
const MESSAGES_PER_BATCH: u64 = 10;

/// A message's type, and how Java finds it.
struct Kind {
    kind: &'static str,
    key: i16,
    fresh: fn(&Kind) -> AnyMessage,
}

/// Every type of message there is, those of a request and its response once for each API.
fn kinds() -> Vec<Kind> {
    fn of<M: Message + 'static>(kind: &'static str) -> Kind {
        Kind { kind, key: -1, fresh: |_| AnyMessage::of::<M>() }
    }
    let request =
        |kind: &Kind| AnyMessage::request(milena_core::protocol::ApiKey(kind.key)).expect("one of APIS");
    let response =
        |kind: &Kind| AnyMessage::response(milena_core::protocol::ApiKey(kind.key)).expect("one of APIS");
    let mut kinds: Vec<Kind> = vec![
        of::<RequestHeader>("header"),
        of::<ResponseHeader>("header"),
        of::<ConsumerProtocolSubscription>("data"),
        of::<ConsumerProtocolAssignment>("data"),
        of::<ControlRecordTypeSchema>("data"),
        of::<EndTxnMarker>("data"),
        of::<LeaderChangeMessage>("data"),
        of::<SnapshotHeaderRecord>("data"),
        of::<SnapshotFooterRecord>("data"),
        of::<KRaftVersionRecord>("data"),
        of::<VotersRecord>("data"),
    ];
    for api in APIS {
        kinds.push(Kind { kind: "request", key: api.key.0, fresh: request });
        kinds.push(Kind { kind: "response", key: api.key.0, fresh: response });
    }
    kinds
}

/// Checks `count` random messages, and a tenth as many batches, and tells each failure; `progress` is told how many are
/// done.
///
/// # Errors
///
/// A JVM is gone or does not answer.
pub fn run(
    java: &mut Java,
    seed: u64,
    count: u64,
    tell: &mut dyn FnMut(&str),
    progress: &mut dyn FnMut(u64),
) -> Result<Summary, JavaError> {
    let kinds = kinds();
    let mut random = Random::new(seed);
    let mut summary = Summary::default();
    let mut judge = |result: Result<(), Wrong>, what: &str, index: u64| {
        let result = match result {
            Ok(()) => Ok(Checked::Agrees),
            Err(Wrong::Here(failure)) => Err(format!("seed {seed}, {what} {index}: {failure}")),
            Err(Wrong::Gone(error)) => return Err(error),
        };
        summary.count(result, tell);
        Ok(())
    };
    for index in 0..count {
        judge(message(java, &kinds, &mut random.fork()), "message", index)?;
        if index % MESSAGES_PER_BATCH == 0 {
            judge(batch_of_each(java, &mut random.fork()), "batch", index / MESSAGES_PER_BATCH)?;
        }
        progress(index + 1);
    }
    Ok(summary)
}

/// Why a case has not gone well.
enum Wrong {
    /// The two don't agree.
    Here(String),
    /// There is nobody to agree with any more.
    Gone(JavaError),
}

impl From<String> for Wrong {
    fn from(failure: String) -> Self {
        Self::Here(failure)
    }
}

/// An answer of Java, whose refusal is a failure of the case.
fn answer<T>(what: &str, result: Result<T, JavaError>) -> Result<T, Wrong> {
    result.map_err(|error| match error {
        JavaError::Kafka(_) => Wrong::Gone(error),
        error => Wrong::Here(format!("Java {what}: {error}")),
    })
}

fn message(java: &mut Java, kinds: &[Kind], random: &mut Random) -> Result<(), Wrong> {
    let kind = &kinds[random.within(0..=kinds.len() as u64 - 1) as usize];
    let mut message = (kind.fresh)(kind);
    let shape = message.shape();
    let version = random.within(shape.first as u64..=shape.last as u64) as i16;
    let id = MessageId { kind: kind.kind, key: kind.key, name: shape.name, version };
    let checked = one_message(java, &id, &mut message, random);
    checked.map_err(|wrong| match wrong {
        Wrong::Here(failure) => Wrong::Here(format!(
            "{} {} version {version} (key {}): {failure}",
            kind.kind, shape.name, kind.key
        )),
        gone => gone,
    })
}

fn one_message(
    java: &mut Java,
    id: &MessageId<'_>,
    message: &mut AnyMessage,
    random: &mut Random,
) -> Result<(), Wrong> {
    let own = |error: milena_core::wire::WireError| Wrong::Here(format!("Milena: {error}"));
    message.supply(id.version, &mut Chance::new(random)).map_err(own)?;
    let bytes: Bytes = message.encode(id.version).map_err(own)?.concat().into();
    let json = to_json(message, id.version, Secrets::Shown);
    let decoded = answer("decoding", java.message(id, &bytes))?;
    if let Some(difference) = difference(&json, &decoded.json) {
        return Err(Wrong::Here(difference));
    }
    let made = answer("making it from JSON", java.json(id, &json))?;
    for (what, theirs) in [("encoded again", decoded.bytes), ("made from JSON", made)] {
        if theirs != bytes {
            return Err(Wrong::Here(format!("{what} by Java it has other bytes")));
        }
        messages::there_and_back(message, id.version, &theirs.into(), &json)?;
    }
    Ok(())
}

fn batch_of_each(java: &mut Java, random: &mut Random) -> Result<(), Wrong> {
    let spec = batch(random);
    let theirs = answer("writing", java.write(&spec))?;
    read_by_both(java, &spec, theirs.into()).map_err(|wrong| told("written by Java", &spec, wrong))?;
    let ours = records::of_spec(&spec)?;
    read_by_both(java, &spec, ours).map_err(|wrong| told("written by Milena", &spec, wrong))
}

fn told(what: &str, spec: &Value, wrong: Wrong) -> Wrong {
    match wrong {
        Wrong::Here(failure) => {
            let count = spec["records"].as_array().map_or(0, Vec::len);
            let (magic, codec, time) = (&spec["magic"], &spec["codec"], &spec["timestampType"]);
            Wrong::Here(format!("{count} records, magic {magic}, {codec}, {time}, {what}: {failure}"))
        }
        gone => gone,
    }
}

/// Both read the same, and the records are those that were to be written.
fn read_by_both(java: &mut Java, spec: &Value, bytes: Bytes) -> Result<(), Wrong> {
    let ours = records::to_json(bytes.clone());
    let theirs = answer("reading", java.read(&bytes))?;
    if let Some(difference) = difference(&ours, &theirs) {
        return Err(Wrong::Here(difference));
    }
    let batches = ours["batches"].as_array().map_or(&[][..], Vec::as_slice);
    let read: Vec<&Value> =
        batches.iter().filter_map(|batch| batch["records"].as_array()).flatten().collect();
    let wanted = spec["records"].as_array().map_or(&[][..], Vec::as_slice);
    if read.len() != wanted.len() {
        return Err(Wrong::Here(format!("{} of {} records: {ours}", read.len(), wanted.len())));
    }
    for (index, (read, wanted)) in read.into_iter().zip(wanted).enumerate() {
        for field in ["offset", "key", "value", "headers"] {
            let absent = spec["magic"] != 2 && field == "headers";
            if !absent && read[field] != wanted[field] {
                return Err(Wrong::Here(format!(
                    "record {index}, {field}: {} instead of {}",
                    read[field], wanted[field]
                )));
            }
        }
        let expected = match (spec["magic"].as_i64(), spec["timestampType"].as_str()) {
            (Some(0), _) => &Value::from(-1),
            (_, Some("LogAppendTime")) => &spec["logAppendTime"],
            _ => &wanted["timestamp"],
        };
        if read["timestamp"] != *expected {
            return Err(Wrong::Here(format!(
                "record {index}, timestamp: {} instead of {expected}",
                read["timestamp"]
            )));
        }
    }
    Ok(())
}
