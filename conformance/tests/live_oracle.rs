//! Kafka's own client library, asked live, says of every vector what the vector says.

use std::path::Path;
use std::time::Instant;

use data_encoding::HEXLOWER;
use milena_conformance::oracle::java::{Java, JavaError, MessageId};
use milena_conformance::oracle::{live, text_of};
use serde_json::{Value, json};

fn lines(name: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name);
    let text = text_of(&path).expect("a vector file");
    let columns = |line: &str| line.split('\t').map(str::to_owned).collect();
    text.split_terminator('\n').map(columns).collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.as_bytes()).expect("hex digits")
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, JavaError>, reason: &str) {
    match answer {
        Err(JavaError::Refused(text)) => assert!(text.contains(reason), "{text}"),
        other => panic!("not refused for {reason}: {other:?}"),
    }
}

#[test]
fn java_reads_and_writes_every_message_as_the_vectors_do() {
    let Some(mut java) = Java::start_for("java_reads_and_writes_every_message_as_the_vectors_do") else {
        return;
    };
    let lines = lines("messages.tsv.gz");
    assert!(lines.len() >= 912, "{}", lines.len());
    let began = Instant::now();
    for line in &lines {
        let [kind, key, name, version, hex, json] = &line[..] else { panic!("six columns: {line:?}") };
        let version = version.parse().expect("a version");
        let id = MessageId { kind, key: key.parse().expect("a key"), name, version };
        let (bytes, json) = (unhex(hex), serde_json::from_str::<Value>(json).expect("JSON"));
        let decoded = java.message(&id, &bytes).unwrap_or_else(|error| panic!("{id:?}: {error}"));
        assert_eq!(decoded.json, json, "{id:?}");
        assert_eq!(decoded.bytes, bytes, "{id:?}");
        let written = java.json(&id, &json).unwrap_or_else(|error| panic!("{id:?}: {error}"));
        assert_eq!(written, bytes, "{id:?}");
    }
    println!("{} messages, each asked about twice, in {:?}", lines.len(), began.elapsed());
}

#[test]
fn java_reads_every_batch_as_the_vectors_do() {
    let Some(mut java) = Java::start_for("java_reads_every_batch_as_the_vectors_do") else { return };
    let lines = lines("records.tsv.gz");
    assert!(lines.len() >= 288, "{}", lines.len());
    let mut written = 0;
    for line in &lines {
        let [name, json, hex] = &line[..] else { panic!("three columns: {line:?}") };
        let bytes = unhex(hex);
        let mut expected: Value = serde_json::from_str(json).expect("JSON");
        // What an encoder should do is not in the bytes.
        let byte_equal = expected.as_object_mut().and_then(|fields| fields.remove("byteEqualOnEncode"));
        assert_eq!(java.read(&bytes).unwrap_or_else(|error| panic!("{name}: {error}")), expected, "{name}");
        if byte_equal == Some(json!(true))
            && let Some(spec) = spec(&expected)
        {
            assert_eq!(java.write(&spec).unwrap_or_else(|error| panic!("{name}: {error}")), bytes, "{name}");
            written += 1;
        }
    }
    assert!(written >= 20, "only {written} batches were written");
}

/// What Java is to be told to write a field's only batch, if a producer can have made it.
fn spec(records: &Value) -> Option<Value> {
    let [batch] = &records["batches"].as_array()?[..] else { return None };
    // The last of a batch is gone only when the log's cleaner took it.
    let last = batch["records"].as_array()?.last()?;
    if batch["isControl"] == true
        || batch["deleteHorizonMs"].is_number()
        || last["offset"] != batch["lastOffset"]
    {
        return None;
    }
    let mut spec = json!({ "baseOffset": batch["lastOffset"] });
    let same =
        ["magic", "codec", "timestampType", "baseOffset", "producerId", "producerEpoch", "baseSequence"];
    for name in same.into_iter().chain(["isTransactional", "partitionLeaderEpoch"]) {
        if let Some(value) = batch.get(name) {
            spec[name] = value.clone();
        }
    }
    if batch["timestampType"] == "LogAppendTime" {
        spec["logAppendTime"] = batch["maxTimestamp"].clone();
    }
    let mut records = batch["records"].clone();
    for record in records.as_array_mut()? {
        if let Some(written) = record.as_object_mut()?.remove("writtenTimestamp") {
            record["timestamp"] = written;
        }
    }
    spec["records"] = records;
    Some(spec)
}

#[test]
fn java_survives_what_it_refuses() {
    let Some(mut java) = Java::start_for("java_survives_what_it_refuses") else { return };

    assert_eq!(java.versions("ProduceRequest"), [3..=13, 0..=11]);
    assert_eq!(java.versions("LeaderAndIsrResponse"), [0..=7]);
    assert_eq!(java.versions("InitProducerIdRequest"), [0..=6, 0..=5]);
    assert_eq!(java.versions("NoSuchRequest"), []);

    let id = |name, version| MessageId { kind: "request", key: 0, name, version };
    let unknown = java.message(&id("ProduceRequest", 14), &[]).expect_err("there is no version 14");
    assert_eq!(unknown.to_string(), "no release that is asked knows ProduceRequest in version 14");
    for version in [0, 3] {
        // Null, acks -1, a timeout of 1500 ms, no topics; before version 3 there is no transactional id.
        let bytes = unhex(if version == 0 { "ffff000005dc00000000" } else { "ffffffff000005dc00000000" });
        let produce = id("ProduceRequest", version);
        let decoded = java.message(&produce, &bytes).expect("a message");
        assert_eq!((&decoded.json["acks"], &decoded.json["timeoutMs"]), (&json!(-1), &json!(1500)));
        assert_eq!(decoded.bytes, bytes);
        refused(java.message(&produce, &bytes[1..]), "");
        refused(java.message(&produce, &[&bytes[..], &[0]].concat()), "1 bytes are left over");
        refused(java.message(&MessageId { kind: "response", ..produce }, &bytes), "is the request of key 0");
        refused(java.message(&MessageId { key: 1, ..produce }, &bytes), "is the request of key 0");
        refused(java.message(&MessageId { kind: "a\tb", ..produce }, &bytes), "has 6 columns");
        refused(java.message(&MessageId { kind: "a\nb", ..produce }, &bytes), "a line break");
        refused(java.json(&produce, &json!({ "acks": 1 })), "unable to locate field");
        refused(java.json(&produce, &json!(null)), "");
    }

    let batch =
        json!({ "magic": 1, "codec": "gzip", "level": 10, "timestampType": "CreateTime", "records": [] });
    refused(java.write(&batch), "gzip doesn't support given compression level: 10");
    refused(java.write(&json!({ "magik": 1 })), "no such field: magik");
    refused(java.write(&json!([])), "ArrayNode");
    assert_eq!(java.read(&[]).expect("nothing"), json!({ "valid": true, "batches": [], "trailingBytes": 0 }));
    let error = java.read(&[0; 100]).expect("a verdict");
    assert_eq!(error["valid"], false);
    assert!(error["error"].as_str().is_some_and(|text| text.contains("size 0")), "{error}");

    // Every codec, at each end of its levels and at its default.
    let records = json!([
        { "offset": 7, "timestamp": 1_700_000_000_000_i64, "key": null, "value": "00".repeat(1000), "headers": [] },
        { "offset": 9, "timestamp": 1_700_000_000_001_i64, "key": "6b", "value": null,
          "headers": [{ "key": "k", "value": null }, { "key": "k", "value": "76" }] },
    ]);
    let levels: [(&str, &[Option<i64>]); 5] = [
        ("none", &[None]),
        ("gzip", &[None, Some(1), Some(9)]),
        ("snappy", &[None]),
        ("lz4", &[None, Some(1), Some(17)]),
        ("zstd", &[None, Some(-131_072), Some(22)]),
    ];
    for (codec, levels) in levels {
        for level in levels {
            let batch = json!({
                "magic": 2, "codec": codec, "level": level, "timestampType": "LogAppendTime", "baseOffset": 7,
                "logAppendTime": 1_800_000_000_000_i64, "producerId": 5, "producerEpoch": 6, "baseSequence": 8,
                "isTransactional": true, "partitionLeaderEpoch": 4, "records": records,
            });
            let bytes = java.write(&batch).unwrap_or_else(|error| panic!("{codec} {level:?}: {error}"));
            let read = java.read(&bytes).expect("a verdict");
            let found = &read["batches"][0];
            for name in
                ["magic", "codec", "baseOffset", "producerId", "isTransactional", "partitionLeaderEpoch"]
            {
                assert_eq!(found[name], batch[name], "{codec} {level:?}: {name}");
            }
            assert_eq!(spec(&read).expect("one batch")["records"], records, "{codec} {level:?}");
        }
    }

    // Messages of 10 MB, both ways: base64 is a third longer, hex twice as long.
    let id = MessageId { kind: "request", key: 36, name: "SaslAuthenticateRequest", version: 0 };
    let bytes = [&10_000_000_i32.to_be_bytes()[..], &[0xff; 10_000_000]].concat();
    let decoded = java.message(&id, &bytes).expect("a large message");
    assert!(decoded.bytes == bytes);
    assert!(
        decoded.json["authBytes"]
            .as_str()
            .is_some_and(|text| text.starts_with("////") && text.len() == 13_333_336)
    );
    assert!(java.json(&id, &decoded.json).expect("large JSON") == bytes);
    refused(java.message(&id, &bytes.repeat(4)), "a request of 80000");
}

/// `MILENA_ORACLE_COUNT` (default 1,000) messages and a tenth as many batches, from `MILENA_ORACLE_SEED` (default 1).
#[test]
fn random_messages_and_batches_are_the_same_to_both() {
    let Some(mut java) = Java::start_for("the live oracle") else { return };
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
    };
    let (seed, count) = (number("MILENA_ORACLE_SEED", 1), number("MILENA_ORACLE_COUNT", 1000));
    let mut failures = Vec::new();
    let mut tell = |failure: &str| failures.push(failure.to_owned());
    let summary = live::run(&mut java, seed, count, &mut tell, &mut |_| ()).unwrap();
    println!("{summary}");
    assert_eq!(failures, [""; 0]);
    assert_eq!(summary.vectors, count + count.div_ceil(10));
}
