//! One broker, real or simulated, and what it answered.
//!
//! Left out of what is compared, in every answer: texts of errors (people read them, clients must not), throttle times,
//! the log start offset beside an
//! error, addresses, cluster ids, racks, times that the broker's clock gives, the order of topics, groups and members. Ids that a broker chooses (of topics, brokers,
//! producers, members, fetch sessions) are compared by the order in which they first come: the first is `id 0`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use milena_conformance::cluster::Release;
use milena_conformance::oracle::{Secrets, to_json};
use milena_core::protocol::{AnyMessage, ApiKey, ProduceRequest, Request, decode_response, encode_request};
use milena_core::record::{Batches, Limits};
use milena_core::wire::Framer;
use serde_json::{Map, Value, json};

/// Longer than anything that a script waits for.
const LIMIT: Duration = Duration::from_secs(30);

/// What was asked and what came of it.
pub(crate) struct Step {
    pub(crate) what: String,
    pub(crate) answer: Value,
    /// Why it may differ.
    pub(crate) agreed: Option<&'static str>,
}

/// A connection, and the transcript.
pub(crate) struct Peer {
    bootstrap: String,
    stream: TcpStream,
    framer: Framer,
    correlation_id: i32,
    pub(crate) release: Release,
    pub(crate) steps: Vec<Step>,
    ids: BTreeMap<&'static str, Vec<Value>>,
    agreed: Option<&'static str>,
}

/// Fields that are not compared.
const LEFT_OUT: [&str; 11] = [
    "errorMessage",
    "throttleTimeMs",
    "host",
    "port",
    "clusterId",
    "rack",
    "logAppendTimeMs",
    "clientHost",
    "lastTimestamp",
    "transactionStartTimeMs",
    "memberEpoch",
];

/// Lists in the order that brokers' hash tables have.
const UNORDERED: [&str; 6] =
    ["topics", "members", "groups", "configs", "responses", "resultsByTopicV3AndBelow"];

/// Fields of ids that a broker chooses, and which of them are ids of the same things.
const IDS: [(&str, &str); 15] = [
    ("topicId", "topic"),
    ("producerId", "producer"),
    ("memberId", "member"),
    ("leader", "member"),
    ("sessionId", "session"),
    ("nodeId", "broker"),
    ("brokerId", "broker"),
    ("leaderId", "broker"),
    ("controllerId", "broker"),
    ("coordinatorId", "broker"),
    ("preferredReadReplica", "broker"),
    ("replicaNodes", "broker"),
    ("isrNodes", "broker"),
    ("offlineReplicas", "broker"),
    ("replicas", "broker"),
];

impl Peer {
    pub(crate) fn connect(bootstrap: &str, release: &str) -> Self {
        let stream = TcpStream::connect(bootstrap).expect("a broker");
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Peer {
            bootstrap: bootstrap.to_owned(),
            stream,
            framer: Framer::new(100 << 20),
            correlation_id: 0,
            release: release.parse().unwrap(),
            steps: Vec::new(),
            ids: BTreeMap::new(),
            agreed: None,
        }
    }

    /// Another connection to the same broker, whose answers are written down where [`Self::join`] is called.
    pub(crate) fn second(&self) -> Peer {
        let second = Peer::connect(&self.bootstrap, &self.release.to_string());
        Peer { ids: self.ids.clone(), ..second }
    }

    /// Takes over what another connection was told.
    pub(crate) fn join(&mut self, other: Peer) {
        self.steps.extend(other.steps);
        self.ids = other.ids;
    }

    /// The newest version of an API that the release speaks; `None` if it speaks none.
    pub(crate) fn newest(&self, key: ApiKey) -> Option<i16> {
        Some(*self.release.versions(key)?.end())
    }

    /// Repeats something, on connections of its own, until it succeeds: brokers need a moment for some first times.
    pub(crate) fn until(&self, mut succeeds: impl FnMut(&mut Peer) -> bool) {
        let start = std::time::Instant::now();
        while !succeeds(&mut self.second()) {
            assert!(start.elapsed() < LIMIT, "it never succeeds");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The next answer may differ, for this reason.
    pub(crate) fn agreed(&mut self, why: &'static str) -> &mut Self {
        self.agreed = Some(why);
        self
    }

    /// Sends a request; its answer is to be taken later.
    pub(crate) fn send<R: Request>(&mut self, mut request: R, version: i16) {
        self.correlation_id += 1;
        let frame = encode_request(&mut request, version, self.correlation_id, Some("truth")).unwrap();
        self.stream.write_all(&frame.to_bytes()).expect("the broker reads");
    }

    /// Takes the next answer and writes it down.
    pub(crate) fn take<R: Request>(&mut self, what: &str, version: i16) -> R::Response {
        let mut buffer = vec![0; 64 * 1024];
        let frame = loop {
            if let Some(frame) = self.framer.next_frame() {
                break frame;
            }
            let count = self.stream.read(&mut buffer).expect("an answer in time");
            self.framer.push(&buffer[..count]).unwrap();
            assert!(count > 0, "{what}: the broker hung up");
        };
        let (_, mut response) = decode_response::<R>(frame, version).unwrap();
        let body = milena_core::protocol::Message::encode(&mut response, version).unwrap().concat();
        let mut any = AnyMessage::of::<R::Response>();
        any.decode(Bytes::from(body), version).unwrap();
        let mut answer = to_json(&mut any, version, Secrets::Shown);
        self.normalise("", &mut answer);
        let what = format!("{what} ({} v{version})", R::KEY);
        self.steps.push(Step { what, answer, agreed: self.agreed.take() });
        response
    }

    pub(crate) fn call<R: Request>(&mut self, what: &str, request: R, version: i16) -> R::Response {
        self.send(request, version);
        self.take::<R>(what, version)
    }

    /// The same in every version that the release and this crate know, from `first` on.
    pub(crate) fn each<R: Request>(&mut self, what: &str, first: i16, request: impl Fn(i16) -> R) {
        let Some(range) = self.release.versions(R::KEY) else { return };
        for version in range.filter(|version| *version >= first) {
            self.call(what, request(version), version);
        }
    }

    fn normalise(&mut self, name: &str, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                let failed = fields.get("errorCode").is_some_and(|code| *code != json!(0));
                let left_out = |name: &str| LEFT_OUT.contains(&name) || failed && name == "logStartOffset";
                fields.retain(|name, _| !left_out(name));
                let names: Vec<String> = fields.keys().cloned().collect();
                for name in names {
                    let Some(field) = fields.get_mut(&name) else { continue };
                    if name == "records" && field.is_string() {
                        *field = self.records(field);
                    } else {
                        self.normalise(&name, field);
                    }
                }
            }
            Value::Array(items) => {
                if UNORDERED.contains(&name) {
                    items.sort_by_cached_key(|item| self.without_id(item));
                }
                items.iter_mut().for_each(|item| self.normalise(name, item));
            }
            _ => {
                if let Some((_, kind)) = IDS.iter().find(|(field, _)| *field == name) {
                    *value = self.id(kind, value);
                }
            }
        }
    }

    /// Something to sort by, without what a broker chooses; topics are sorted by when their ids first came.
    fn without_id(&self, item: &Value) -> String {
        let mut item = item.clone();
        if let Some(fields) = item.as_object_mut() {
            fields.remove("memberId");
            if let Some(id) = fields.get_mut("topicId") {
                let known = self.ids.get("topic").and_then(|ids| ids.iter().position(|known| known == id));
                *id = json!(known);
            }
        }
        item.to_string()
    }

    fn id(&mut self, kind: &'static str, value: &Value) -> Value {
        let none = [json!(-1), json!(0), json!(""), json!("AAAAAAAAAAAAAAAAAAAAAA")];
        // Brokers' and producers' ids may start at 0.
        if none.contains(value) && !(matches!(kind, "broker" | "producer") && *value == json!(0)) {
            return value.clone();
        }
        let known = self.ids.entry(kind).or_default();
        let place = known.iter().position(|id| id == value).unwrap_or_else(|| {
            known.push(value.clone());
            known.len() - 1
        });
        json!(format!("{kind} {place}"))
    }

    /// What a fetch got, in words: producers' ids in it are those of a broker, too.
    fn records(&mut self, field: &Value) -> Value {
        let text = field.as_str().unwrap_or_default();
        let bytes = data_encoding::BASE64.decode(text.as_bytes()).expect("as it was made");
        let mut batches = Batches::new(Bytes::from(bytes));
        let mut told = Vec::new();
        for batch in batches.by_ref().map_while(Result::ok) {
            let mut records = Vec::new();
            for record in batch.records(&Limits::default()).unwrap() {
                let record = record.unwrap();
                let key = record.key.as_deref().map(String::from_utf8_lossy).map(String::from);
                let value = record.value.as_deref().map(String::from_utf8_lossy).map(String::from);
                records.push(json!([record.offset, key, value]));
            }
            let producer = self.id("producer", &json!(batch.producer_id().0));
            let mut fields = Map::new();
            fields.insert("offsets".into(), json!([batch.base_offset(), batch.last_offset()]));
            fields.insert("epoch".into(), json!(batch.partition_leader_epoch().0));
            fields.insert("magic".into(), json!(batch.magic()));
            fields.insert("codec".into(), json!(format!("{:?}", batch.compression())));
            fields.insert("timestampType".into(), json!(format!("{:?}", batch.timestamp_type())));
            fields
                .insert("producer".into(), json!([producer, batch.producer_epoch(), batch.base_sequence()]));
            fields.insert("control".into(), json!([batch.is_control(), batch.is_transactional()]));
            // A marker's value has the coordinator's epoch.
            fields.insert(
                "records".into(),
                if batch.is_control() { json!(records.len()) } else { json!(records) },
            );
            told.push(Value::Object(fields));
        }
        json!({ "batches": told, "truncated": batches.is_truncated() })
    }
}

/// A produce request in any version, by name and by id.
pub(crate) fn produce(
    topic: (&str, milena_core::wire::Uuid),
    index: i32,
    acks: i16,
    records: Bytes,
) -> ProduceRequest {
    use milena_core::protocol::produce::{PartitionProduceData, TopicProduceData};
    let partition = PartitionProduceData { index, records: Some(records), ..Default::default() };
    let topic = TopicProduceData {
        name: topic.0.into(),
        topic_id: topic.1,
        partition_data: vec![partition],
        ..Default::default()
    };
    ProduceRequest { acks, timeout_ms: 5_000, topic_data: vec![topic], ..Default::default() }
}
