//! Every line of `vectors/messages.tsv.gz`, in both directions: bytes to value, compared field by field with
//! what Java says is in them, and value to the very same bytes.

use flate2::read::GzDecoder;
use milena_core::protocol::*;
use milena_core::wire::{Event, Visitor, WireFault};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

struct Vector {
    kind: String,
    key: i16,
    message: String,
    version: i16,
    bytes: Vec<u8>,
    value: Value,
}

fn vectors() -> Vec<Vector> {
    let mut text = String::new();
    GzDecoder::new(&include_bytes!("../vectors/messages.tsv.gz")[..]).read_to_string(&mut text).unwrap();
    text.strip_suffix('\n').unwrap().split('\n').map(vector).collect()
}

fn vector(line: &str) -> Vector {
    let [kind, key, message, version, hex, json] = line.split('\t').collect::<Vec<_>>()[..] else {
        panic!("six columns expected: {line}")
    };
    let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
    Vector {
        kind: kind.to_owned(),
        key: key.parse().unwrap(),
        message: message.to_owned(),
        version: version.parse().unwrap(),
        bytes: bytes.collect(),
        value: serde_json::from_str(json).unwrap(),
    }
}

/// What a check needs of a message's type: one function for each line of the list below.
type Check = fn(&Vector);

macro_rules! messages {
    ($check:ident: $($message:ident)*) => {
        [$(($message::NAME, $check::<$message> as Check)),*]
    };
}

macro_rules! each_message {
    ($check:ident) => {
        BTreeMap::from(messages!($check:
            ProduceRequest ProduceResponse FetchRequest FetchResponse ListOffsetsRequest ListOffsetsResponse
            MetadataRequest MetadataResponse FindCoordinatorRequest FindCoordinatorResponse ApiVersionsRequest
            ApiVersionsResponse CreateTopicsRequest CreateTopicsResponse DeleteTopicsRequest DeleteTopicsResponse
            InitProducerIdRequest InitProducerIdResponse RequestHeader ResponseHeader
        ))
    };
}

#[test]
fn every_vector_in_both_directions() {
    let checks = each_message!(both_directions);
    let vectors = vectors();
    let mut counts = BTreeMap::<(i16, &str), usize>::new();
    let mut versions = BTreeMap::<&str, BTreeSet<i16>>::new();
    for vector in &vectors {
        checks[vector.message.as_str()](vector);
        *counts.entry((vector.key, &vector.kind)).or_default() += 1;
        versions.entry(&vector.message).or_default().insert(vector.version);
    }
    for (&(key, kind), count) in &counts {
        println!("{kind} {}: {count} lines", ApiKey(key));
    }
    assert_eq!(counts.values().sum::<usize>(), 912);
    for api in APIS {
        for kind in ["request", "response"] {
            assert!(counts.contains_key(&(api.key.0, kind)), "no {kind} of {}", api.key);
        }
        for name in [format!("{}Request", api.key.name()), format!("{}Response", api.key.name())] {
            let found: Vec<i16> = versions[name.as_str()].iter().copied().collect();
            assert_eq!(found, api.versions.clone().collect::<Vec<_>>(), "versions of {name}");
        }
    }
}

fn both_directions<M: Message>(vector: &Vector) {
    let name = format!("{} {} version {}", vector.kind, vector.message, vector.version);
    let mut message = M::decode(vector.bytes.clone().into(), vector.version).unwrap();
    let decoded = message.clone();

    let mut json = JsonVisitor::default();
    message.visit(vector.version, &mut json);
    let found = json.finish();
    assert_eq!(found, vector.value, "{name}");

    let encoded = message.encode(vector.version).unwrap().concat();
    assert_eq!(hex(&encoded), hex(&vector.bytes), "{name}");
    assert_eq!(message.size(vector.version), Ok(vector.bytes.len()), "{name}");
    assert_eq!(message, decoded, "{name}: encoding changed the value");
}

#[test]
fn a_vector_that_is_cut_or_longer_is_an_error() {
    let checks = each_message!(cut_and_longer);
    for vector in vectors() {
        checks[vector.message.as_str()](&vector);
    }
}

fn cut_and_longer<M: Message>(vector: &Vector) {
    // Long vectors are long by their text: their structure is in the first and last bytes, and in the short
    // ones.
    let len = vector.bytes.len();
    for end in (0..len).filter(|&end| end < 300 || len - end < 300) {
        let cut = M::decode(vector.bytes[..end].to_vec().into(), vector.version);
        let error = cut.expect_err(&format!("{} {} to byte {end}", vector.message, vector.version));
        assert!(error.offset <= end, "{error}");
    }
    let longer = [&vector.bytes[..], &[0]].concat();
    let error = M::decode(longer.into(), vector.version).expect_err("a byte too many");
    assert_eq!(error.fault, WireFault::TrailingBytes { count: 1 }, "{error}");
    assert_eq!((error.message, error.version, error.offset), (M::NAME, vector.version, len));
}

#[test]
fn a_vector_with_a_wrong_byte_is_an_error_or_another_value() {
    let checks = each_message!(wrong_byte);
    for vector in vectors() {
        checks[vector.message.as_str()](&vector);
    }
}

fn wrong_byte<M: Message>(vector: &Vector) {
    for at in (0..vector.bytes.len()).take(300) {
        for wrong in [0x00, 0x01, 0x7f, 0x80, 0xff] {
            let mut bytes = vector.bytes.clone();
            bytes[at] = wrong;
            // Where the bytes still are a message, it must go there and back, but for the length of its
            // varints.
            if let Ok(mut message) = M::decode(bytes.into(), vector.version) {
                let again = message.encode(vector.version).unwrap().concat();
                assert_eq!(M::decode(again.into(), vector.version).as_ref(), Ok(&message));
            }
        }
    }
}

/// Builds the JSON that the vectors have from what a message tells its visitor.
#[derive(Default)]
struct JsonVisitor {
    open: Vec<(&'static str, Value)>,
    done: Option<Value>,
}

impl JsonVisitor {
    fn finish(self) -> Value {
        assert!(self.open.is_empty(), "a struct or an array did not end");
        self.done.expect("a message")
    }

    fn put(&mut self, name: &'static str, value: Value) {
        match self.open.last_mut() {
            None => assert!(self.done.replace(value).is_none(), "two messages"),
            Some((_, Value::Array(items))) => items.push(value),
            Some((_, Value::Object(fields))) => {
                let name = if name == "unknown_tagged_fields" { "_unknownTaggedFields" } else { name };
                assert!(fields.insert(camel(name), value).is_none(), "{name} twice");
            }
            Some(_) => unreachable!("only arrays and objects are open"),
        }
    }
}

impl Visitor for JsonVisitor {
    fn event(&mut self, name: &'static str, event: Event<'_>) {
        let value = match event {
            Event::BeginStruct => return self.open.push((name, Value::Object(Map::new()))),
            Event::BeginArray(count) => {
                return self.open.push((name, Value::Array(Vec::with_capacity(count))));
            }
            Event::EndStruct | Event::EndArray => {
                let (begun, value) = self.open.pop().expect("what ends has begun");
                assert_eq!(begun, name);
                value
            }
            Event::Null => Value::Null,
            Event::Bool(bool) => bool.into(),
            Event::Int(number) => number.into(),
            Event::Float(number) => number.into(),
            Event::Text(text) => text.into(),
            Event::Bytes(bytes) => base64(bytes).into(),
            Event::Uuid(uuid) => uuid.to_string().into(),
            Event::Tags(fields) => fields
                .iter()
                .map(|field| serde_json::json!({ "tag": field.tag, "data": base64(&field.data) }))
                .collect(),
        };
        self.put(name, value);
    }
}

/// `topic_data` to `topicData`.
fn camel(name: &str) -> String {
    let (start, rest) = name.split_at(1);
    let mut camel = start.to_owned();
    let mut upper = false;
    for letter in rest.chars() {
        match letter {
            '_' => upper = true,
            letter if upper => {
                camel.push(letter.to_ascii_uppercase());
                upper = false;
            }
            letter => camel.push(letter),
        }
    }
    camel
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, at| bits << 8 | u32::from(*chunk.get(at).unwrap_or(&0)));
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            text.push(if at <= chunk.len() { ALPHABET[(bits >> shift) as usize & 63] as char } else { '=' });
        }
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
