//! Calls in the versions that a real broker and this client both know.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use milena_blocking::Client;
use milena_conformance::kafka::Kafka;
use milena_core::protocol::fetch::{FetchPartition, FetchTopic};
use milena_core::protocol::produce::{PartitionProduceData, TopicProduceData};
use milena_core::protocol::*;
use milena_core::wire::Uuid;
use milena_core::{Call, Config, Target};

pub(crate) fn connect(kafka: &Kafka) -> Client {
    milena_blocking::connect(Config::new(&kafka.bootstrap()).unwrap()).unwrap()
}

/// A client, and what its one broker knows.
pub(crate) struct Session {
    pub(crate) client: Client,
    /// What the broker says that it knows.
    pub(crate) theirs: BTreeMap<ApiKey, RangeInclusive<i16>>,
    pub(crate) calls: usize,
}

impl Session {
    pub(crate) fn new(client: Client) -> Self {
        let known = client.call(api_versions(0)).unwrap();
        assert_eq!(known.broker, Some(BrokerId(1)));
        let ranges = known.response.api_keys.iter().map(range);
        Session { theirs: ranges.collect(), client, calls: 0 }
    }

    /// The final versions of this API from `first` on that both sides know.
    pub(crate) fn both<R: Request>(&self, first: i16) -> RangeInclusive<i16> {
        let theirs = &self.theirs[&R::KEY];
        let versions = first.max(*theirs.start()).max(*R::VERSIONS.start())..=R::STABLE.min(*theirs.end());
        assert!(!versions.is_empty(), "{:?}: {versions:?}", R::KEY);
        versions
    }

    /// Makes this call in exactly this version.
    pub(crate) fn call<R: Request>(&mut self, call: impl Into<Call<R>>, version: i16) -> R::Response {
        let answer = self.client.call(call.into().version(version));
        let answer = answer.unwrap_or_else(|error| panic!("{} in version {version}: {error}", R::NAME));
        assert_eq!(answer.version, version);
        self.calls += 1;
        answer.response
    }

    /// Makes this call in each version from `first` on that both sides know, and looks at each answer.
    pub(crate) fn each<R: Request>(
        &mut self,
        first: i16,
        target: &Target,
        make: impl Fn(i16) -> R + Clone + Send + Sync + 'static,
        look: impl Fn(i16, R::Response),
    ) {
        for version in self.both::<R>(first) {
            look(version, self.call(Call::by_version(make.clone()).to(target.clone()), version));
        }
    }
}

pub(crate) fn range(api: &api_versions::ApiVersion) -> (ApiKey, RangeInclusive<i16>) {
    (api.api_key, api.min_version..=api.max_version)
}

pub(crate) fn api_versions(_: i16) -> ApiVersionsRequest {
    ApiVersionsRequest {
        client_software_name: "milena".into(),
        client_software_version: "0.1".into(),
        ..Default::default()
    }
}

/// A topic's name, and the id that takes its place in Produce and Fetch from version 13 on; zero if it has none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) id: Uuid,
}

impl Named {
    pub(crate) fn produce(
        &self,
        version: i16,
        partition_data: Vec<PartitionProduceData>,
    ) -> TopicProduceData {
        match version {
            ..13 => {
                TopicProduceData { name: self.name.as_str().into(), partition_data, ..Default::default() }
            }
            _ => TopicProduceData { topic_id: self.id, partition_data, ..Default::default() },
        }
    }

    /// Whether an answer in this version is about this topic.
    pub(crate) fn is(&self, version: i16, name: &str, id: Uuid) -> bool {
        if version < 13 { self.name == name } else { self.id == id }
    }

    pub(crate) fn fetch(&self, version: i16, partitions: Vec<FetchPartition>) -> FetchTopic {
        match version {
            ..13 => FetchTopic { topic: self.name.as_str().into(), partitions, ..Default::default() },
            _ => FetchTopic { topic_id: self.id, partitions, ..Default::default() },
        }
    }
}

pub(crate) fn produce(acks: i16, topic: TopicProduceData) -> ProduceRequest {
    ProduceRequest { acks, timeout_ms: 10_000, topic_data: vec![topic], ..Default::default() }
}

pub(crate) fn fetch(topics: Vec<FetchTopic>) -> FetchRequest {
    FetchRequest { max_bytes: 50 << 20, min_bytes: 1, max_wait_ms: 100, topics, ..Default::default() }
}
