//! Which versions of which API a release of Apache Kafka serves.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::LazyLock;

use milena_core::protocol::ApiKey;

use super::{admin, api, groups, transactions};

/// The releases, oldest first; a [`Release`] is a place in this list.
const RELEASES: [&str; 28] = [
    "0.10.1", "0.10.2", "0.11.0", "1.0", "1.1", "2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7",
    "2.8", "3.0", "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7", "3.8", "3.9", "4.0", "4.1", "4.2", "4.3",
];

/// The ranges of every API in each release, as its own client library has them: key, name, then a column for each of
/// [`RELEASES`]. A range that ends in `u` has a newest version that was not final, and that no broker offers
/// unless told to.
const SPOKEN: &str = include_str!("../../vectors/releases.tsv");

/// A range for each release that speaks an API.
type Row = [Option<(i16, i16)>; RELEASES.len()];

static TABLE: LazyLock<BTreeMap<ApiKey, Row>> = LazyLock::new(|| {
    let row = |line: &str| {
        let mut columns = line.split('\t');
        let key = ApiKey(columns.next()?.parse().ok()?);
        let mut ranges = columns.skip(1).map(range);
        Some((key, std::array::from_fn(|_| ranges.next().flatten())))
    };
    SPOKEN.lines().skip(1).filter_map(row).collect()
});

/// `3-12`, `0` or `0-6u`; nothing where the API is not there or is not final.
fn range(text: &str) -> Option<(i16, i16)> {
    let unstable = i16::from(text.ends_with('u'));
    let (first, last) =
        text.trim_end_matches('u').split_once('-').unwrap_or((text.trim_end_matches('u'), ""));
    let first = first.parse().ok()?;
    let last = last.parse().unwrap_or(first) - unstable;
    (first <= last).then_some((first, last))
}

/// The APIs that the simulated brokers serve.
fn served() -> impl Iterator<Item = ApiKey> {
    [api::SERVED, groups::SERVED, transactions::SERVED, admin::SERVED].into_iter().flatten().copied()
}

/// A release of Apache Kafka, 0.10.1 to 4.3; patch releases are all the same here. Ordered by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release(u8);

impl Release {
    /// The oldest release known: 0.10.1.
    pub const FIRST: Release = Release(0);
    /// Idempotence and record batches (message format v2) came with it.
    pub const V0_11: Release = Release(2);
    /// Five batches remembered for each producer, and UNKNOWN_PRODUCER_ID.
    pub const V1_0: Release = Release(3);
    /// Only commits go without a group's name, and partitions are checked before they are committed; an answer tells how
    /// long its connection is throttled, before that has passed (KIP-219).
    pub const V2_0: Release = Release(5);
    /// Offsets are kept from when their group became empty (KIP-211), and new members may expire while they join.
    pub const V2_1: Release = Release(6);
    /// Groups have a largest size (KIP-389), joining may take two requests (KIP-394), and a client may prove on an old
    /// connection who it is (KIP-368).
    pub const V2_2: Release = Release(7);
    /// Static members (KIP-345).
    pub const V2_3: Release = Release(8);
    /// INVALID_RECORD, defaults in CreateTopics, and ApiVersions' range in its UNSUPPORTED_VERSION answer.
    pub const V2_4: Release = Release(9);
    /// A producer whose state is gone may go on with any sequence (KIP-360).
    pub const V2_5: Release = Release(10);
    /// Heartbeats count while a group's generation is being completed.
    pub const V2_6: Release = Release(11);
    /// Members that do not sync in time are out of their group.
    pub const V2_8: Release = Release(13);
    /// Taken as the first release without ZooKeeper: brokers forward to the controller.
    pub const V3_0: Release = Release(14);
    /// Members that join again may change their time-outs.
    pub const V3_3: Release = Release(17);
    /// A transactional batch is written only if the coordinator knows that the partition is in the transaction (KIP-890).
    pub const V3_6: Release = Release(20);
    /// ListGroups knows types, and takes filters in any case.
    pub const V3_8: Release = Release(22);
    /// Timestamps more than an hour ahead are refused (KIP-1030); finalized features are always there.
    pub const V4_0: Release = Release(24);
    /// Markers tell the transaction version (KIP-1228), and a transaction's first batch starts at sequence 0.
    pub const V4_2: Release = Release(26);
    /// The newest release known: 4.3.
    pub const LATEST: Release = Release(27);

    /// Every release known, oldest first.
    pub fn all() -> impl Iterator<Item = Release> {
        (0..RELEASES.len() as u8).map(Release)
    }

    /// The versions of an API that this release speaks and that were final in it; `None` if there are none.
    pub fn speaks(self, key: ApiKey) -> Option<RangeInclusive<i16>> {
        let (first, last) = TABLE.get(&key)?[usize::from(self.0)]?;
        Some(first..=last)
    }

    /// The versions of an API that this release serves; `None` if it has no such API, or the simulated brokers do not.
    pub fn versions(self, key: ApiKey) -> Option<RangeInclusive<i16>> {
        // Brokers with ZooKeeper had no quorum of controllers, though their library knew how to ask for it.
        let without_zookeeper = [ApiKey::DESCRIBE_QUORUM, ApiKey::UNREGISTER_BROKER].contains(&key);
        let served = served().any(|served| served == key) && (!without_zookeeper || self >= Release::V3_0);
        served.then(|| self.speaks(key)).flatten()
    }

    /// What this release's ApiVersions lists, by API key.
    ///
    /// Since 4.0 Produce is listed from version 0, though 0 to 2 are not served: older librdkafka would otherwise take
    /// the broker for one without compression (KAFKA-18659).
    pub fn advertised(self) -> Vec<(ApiKey, RangeInclusive<i16>)> {
        let mut apis: Vec<_> = served().filter_map(|key| Some((key, self.versions(key)?))).collect();
        apis.sort_by_key(|(key, _)| *key);
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
    fn the_table_is_that_of_the_releases() {
        let (header, rows) = SPOKEN.split_once('\n').unwrap();
        assert_eq!(header.split('\t').skip(2).collect::<Vec<_>>(), RELEASES);
        assert_eq!((rows.lines().count(), TABLE.len()), (93, 93));
        assert_eq!([range("3-12"), range("0"), range("0-6u")], [Some((3, 12)), Some((0, 0)), Some((0, 5))]);
        assert_eq!([range("-"), range("0u"), range("")], [None; 3]);
        let init = Release::LATEST.speaks(ApiKey::INIT_PRODUCER_ID);
        assert_eq!(init, Some(0..=5), "6 is not final");
        assert_eq!(Release::LATEST.speaks(ApiKey::VOTE), Some(0..=2));
        assert_eq!(Release::LATEST.versions(ApiKey::VOTE), None, "brokers of the simulation do not serve it");
    }

    #[test]
    fn four_lists_produce_from_zero_and_serves_it_from_three() {
        let produce = Release::LATEST.advertised().into_iter().find(|(key, _)| *key == ApiKey::PRODUCE);
        assert_eq!(produce, Some((ApiKey::PRODUCE, 0..=13)));
        assert_eq!(Release::LATEST.versions(ApiKey::PRODUCE), Some(3..=13));
    }
}
