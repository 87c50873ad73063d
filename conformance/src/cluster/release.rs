//! Which versions of which API a release of Apache Kafka serves.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use milena_core::protocol::ApiKey;

/// The releases, oldest first; a [`Release`] is a place in this list.
const RELEASES: [&str; 28] = [
    "0.10.1", "0.10.2", "0.11.0", "1.0", "1.1", "2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7",
    "2.8", "3.0", "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7", "3.8", "3.9", "4.0", "4.1", "4.2", "4.3",
];

/// Each API the simulated brokers serve, with its range from the named release on, until the next one named.
///
/// InitProducerId 6 is left out: no release up to 4.3 offers it unless told to.
const RANGES: [(ApiKey, &str); 9] = [
    (
        ApiKey::PRODUCE,
        "0.10.1:0-2 0.11.0:0-3 1.0:0-5 2.0:0-6 2.1:0-7 2.4:0-8 2.8:0-9 3.7:0-10 3.8:0-11 4.0:3-12 4.1:3-13",
    ),
    (
        ApiKey::FETCH,
        "0.10.1:0-3 0.11.0:0-5 1.0:0-6 1.1:0-7 2.0:0-8 2.1:0-10 2.3:0-11 2.7:0-12 3.1:0-13 3.5:0-15 3.7:0-16 \
         3.9:0-17 4.0:4-17 4.1:4-18",
    ),
    (
        ApiKey::LIST_OFFSETS,
        "0.10.1:0-1 0.11.0:0-2 2.0:0-3 2.1:0-4 2.2:0-5 2.8:0-6 3.0:0-7 3.5:0-8 3.9:0-9 4.0:1-10 4.2:1-11",
    ),
    (
        ApiKey::METADATA,
        "0.10.1:0-2 0.11.0:0-4 1.0:0-5 2.0:0-6 2.1:0-7 2.3:0-8 2.4:0-9 2.8:0-11 3.1:0-12 4.0:0-13",
    ),
    (ApiKey::FIND_COORDINATOR, "0.10.1:0-0 0.11.0:0-1 2.0:0-2 2.4:0-3 3.0:0-4 3.8:0-5 3.9:0-6"),
    (ApiKey::API_VERSIONS, "0.10.1:0-0 0.11.0:0-1 2.0:0-2 2.4:0-3 3.9:0-4"),
    (ApiKey::CREATE_TOPICS, "0.10.1:0-0 0.10.2:0-1 0.11.0:0-2 2.0:0-3 2.4:0-5 2.7:0-6 2.8:0-7 4.0:2-7"),
    (ApiKey::DELETE_TOPICS, "0.10.1:0-0 0.11.0:0-1 2.0:0-2 2.1:0-3 2.4:0-4 2.7:0-5 2.8:0-6 4.0:1-6"),
    (ApiKey::INIT_PRODUCER_ID, "0.11.0:0-0 2.0:0-1 2.4:0-2 2.5:0-3 2.7:0-4 3.8:0-5"),
];

/// A release of Apache Kafka, 0.10.1 to 4.3; patch releases are all the same here. Ordered by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release(u8);

impl Release {
    /// Idempotence and record batches (message format v2) came with it.
    pub const V0_11: Release = Release(2);
    /// Five batches remembered for each producer, and UNKNOWN_PRODUCER_ID.
    pub const V1_0: Release = Release(3);
    /// INVALID_RECORD, defaults in CreateTopics, and ApiVersions' range in its UNSUPPORTED_VERSION answer.
    pub const V2_4: Release = Release(9);
    /// A producer whose state is gone may go on with any sequence (KIP-360).
    pub const V2_5: Release = Release(10);
    /// Taken as the first release without ZooKeeper: brokers forward to the controller.
    pub const V3_0: Release = Release(14);
    /// Timestamps more than an hour ahead are refused (KIP-1030); finalized features are always there.
    pub const V4_0: Release = Release(24);
    /// The newest release known: 4.3.
    pub const LATEST: Release = Release(27);

    /// Every release known, oldest first.
    pub fn all() -> impl Iterator<Item = Release> {
        (0..RELEASES.len() as u8).map(Release)
    }

    /// The versions of an API that this release serves; `None` if it has no such API, or the simulated brokers do not.
    pub fn versions(self, key: ApiKey) -> Option<RangeInclusive<i16>> {
        let (_, changes) = RANGES.iter().find(|(known, _)| *known == key)?;
        let mut range = None;
        for change in changes.split_ascii_whitespace() {
            let (since, versions) = change.split_once(':')?;
            if since.parse::<Release>().ok()? > self {
                break;
            }
            let (min, max) = versions.split_once('-')?;
            range = Some(min.parse().ok()?..=max.parse().ok()?);
        }
        range
    }

    /// What this release's ApiVersions lists, by API key.
    ///
    /// Since 4.0 Produce is listed from version 0, though 0 to 2 are not served: older librdkafka would otherwise take
    /// the broker for one without compression (KAFKA-18659).
    pub fn advertised(self) -> Vec<(ApiKey, RangeInclusive<i16>)> {
        let mut apis: Vec<_> =
            RANGES.iter().filter_map(|(key, _)| Some((*key, self.versions(*key)?))).collect();
        apis.sort_by_key(|(key, _)| key.0);
        for (key, range) in &mut apis {
            if *key == ApiKey::PRODUCE {
                *range = 0..=*range.end();
            }
        }
        apis
    }
}

impl Default for Release {
    fn default() -> Self {
        Release::LATEST
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(RELEASES[usize::from(self.0)])
    }
}

impl FromStr for Release {
    type Err = UnknownRelease;

    /// Reads `4.3`, `4.3.1`, `0.11.0.3`: a release or one of its patch releases.
    fn from_str(text: &str) -> Result<Self, UnknownRelease> {
        let numeric =
            text.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
        let is_patch_of = |release: &str| {
            text.strip_prefix(release).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                && text.split('.').count() <= release.split('.').count() + 1
        };
        match RELEASES.iter().position(|release| numeric && is_patch_of(release)) {
            Some(place) => Ok(Release(place as u8)),
            None => Err(UnknownRelease(text.to_owned())),
        }
    }
}

/// A text that names no release between 0.10.1 and 4.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownRelease(String);

impl fmt::Display for UnknownRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown Kafka release {:?}; known are {}", self.0, RELEASES.join(", "))
    }
}

impl std::error::Error for UnknownRelease {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_with_or_without_a_patch_number() {
        for (text, release) in [("4.3.1", "4.3"), ("3.9", "3.9"), ("2.8.2", "2.8"), ("0.11.0.3", "0.11.0")] {
            assert_eq!(text.parse::<Release>().unwrap().to_string(), release);
        }
        for text in ["", "4", "4.30", "0.9.0", "4.3.1.2", "4.3.x", "4.3.", "5.0"] {
            assert!(text.parse::<Release>().is_err(), "{text:?} is no release");
        }
    }

    #[test]
    fn ranges_are_those_of_the_release() {
        let versions = |release: &str, key| release.parse::<Release>().unwrap().versions(key);
        assert_eq!(versions("4.3.1", ApiKey::FETCH), Some(4..=18));
        assert_eq!(versions("3.9.2", ApiKey::PRODUCE), Some(0..=11));
        assert_eq!(versions("2.8.2", ApiKey::METADATA), Some(0..=11));
        assert_eq!(versions("1.1", ApiKey::LIST_OFFSETS), Some(0..=2));
        assert_eq!(versions("0.10.2.2", ApiKey::INIT_PRODUCER_ID), None);
        assert_eq!(versions("4.3", ApiKey(4)), None);
    }

    #[test]
    fn every_entry_of_the_table_can_be_read() {
        for (key, changes) in RANGES {
            let mut before = None;
            for change in changes.split_ascii_whitespace() {
                let release: Release = change.split_once(':').unwrap().0.parse().unwrap();
                assert!(before < Some(release), "{key}: {change} is out of order");
                assert!(release.versions(key).is_some(), "{key}: {change}");
                before = Some(release);
            }
        }
    }

    #[test]
    fn four_lists_produce_from_zero_and_serves_it_from_three() {
        let produce = Release::LATEST.advertised().into_iter().find(|(key, _)| *key == ApiKey::PRODUCE);
        assert_eq!(produce, Some((ApiKey::PRODUCE, 0..=13)));
        assert_eq!(Release::LATEST.versions(ApiKey::PRODUCE), Some(3..=13));
    }
}
