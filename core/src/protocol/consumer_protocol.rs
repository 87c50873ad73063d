//! What members of a classic consumer group tell one another through its coordinator, which does not look inside:
//! subscriptions go out with JoinGroup, assignments come back with SyncGroup.
//!
//! Both stand behind their version, see [`encode_versioned`] and [`decode_versioned`].

use super::{decode_versioned, encode_versioned};
use crate::wire::{Packed, Str, WireError, WireFault};
use bytes::Bytes;

message! {
    /// What a member wants to read, and what it reads already.
    ///
    /// Version 1 brings the partitions owned, for cooperative rebalancing (KIP-429), 2 the generation in which
    /// they were (KIP-792), 3 the member's rack (KIP-881).
    ConsumerProtocolSubscription: versions 0..=3, flexible never {
        /// The topics it wants.
        topics: Vec<Str> { 0.. },
        /// The assignor's own data; the sticky assignors keep partitions and generation here.
        user_data: Option<Bytes> { 0.., nullable 0.., default null },
        /// The partitions it has.
        owned_partitions: Vec<TopicPartition> { 1.., ignorable },
        /// The generation in which it got them, or -1.
        generation_id: i32 { 2.., default -1, ignorable },
        /// The member's rack.
        rack_id: Option<Str> { 3.., nullable 3.., default null, ignorable },
    }

    /// Partitions of a topic.
    TopicPartition {
        /// The topic's name.
        topic: Str { 0.. },
        /// The partitions.
        partitions: Packed<i32> { 0.. },
    }
}

message! {
    /// What a member is to read. All versions have the same fields.
    ConsumerProtocolAssignment: versions 0..=3, flexible never {
        /// The partitions, by topic.
        assigned_partitions: Vec<TopicPartition> { 0.. },
        /// The assignor's own data.
        user_data: Option<Bytes> { 0.., nullable 0.., default null },
    }
}

impl ConsumerProtocolSubscription {
    /// The subscription as a member's metadata in JoinGroup.
    ///
    /// # Errors
    ///
    /// Those of encoding.
    pub fn to_metadata(&mut self, version: i16) -> Result<Bytes, WireError> {
        encode_versioned(self, version)
    }

    /// The subscription in a member's metadata, and its version.
    ///
    /// Quirk: some clients say version 1 and write version 0. Where owned partitions are missing altogether, they
    /// are taken for none.
    ///
    /// # Errors
    ///
    /// Those of [`decode_versioned`].
    pub fn from_metadata(metadata: &Bytes) -> Result<(Self, i16), WireError> {
        match decode_versioned(metadata) {
            Err(WireError {
                version: 1, fault: WireFault::Truncated { remaining: 0, .. }, offset, ..
            }) if offset == metadata.len() => {
                let as_zero = [&[0, 0], &metadata[2..]].concat().into();
                decode_versioned(&as_zero).map(|(subscription, _)| (subscription, 1))
            }
            result => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription() -> ConsumerProtocolSubscription {
        ConsumerProtocolSubscription {
            topics: vec![Str::from("a"), Str::from("b")],
            owned_partitions: vec![TopicPartition {
                topic: Str::from("a"),
                partitions: Packed::from([3, 1]),
                ..Default::default()
            }],
            generation_id: 7,
            rack_id: Some(Str::from("r")),
            ..Default::default()
        }
    }

    #[test]
    fn a_subscription_of_every_version_goes_there_and_back() {
        for version in 0..=3 {
            let metadata = subscription().to_metadata(version).unwrap();
            let (read, told) = ConsumerProtocolSubscription::from_metadata(&metadata).unwrap();
            assert_eq!(told, version);
            assert_eq!(read.topics, subscription().topics);
            assert_eq!(read.owned_partitions.is_empty(), version < 1);
            assert_eq!(read.generation_id, if version < 2 { -1 } else { 7 });
            assert_eq!(read.rack_id.is_some(), version == 3);
        }
    }

    #[test]
    fn a_newer_version_is_read_as_the_newest_known() {
        let mut metadata = subscription().to_metadata(3).unwrap().to_vec();
        metadata[1] = 9;
        metadata.extend_from_slice(b"what comes in version 9");
        let (read, told) = ConsumerProtocolSubscription::from_metadata(&metadata.into()).unwrap();
        assert_eq!((read, told), (subscription(), 9));
    }

    #[test]
    fn version_one_without_owned_partitions_is_read() {
        let mut metadata = subscription().to_metadata(0).unwrap().to_vec();
        metadata[1] = 1;
        let (read, told) = ConsumerProtocolSubscription::from_metadata(&metadata.clone().into()).unwrap();
        assert_eq!((read.topics, told), (subscription().topics, 1));
        metadata.push(0);
        let error = ConsumerProtocolSubscription::from_metadata(&metadata.into()).unwrap_err();
        assert_eq!(
            (error.field.as_str(), error.version),
            ("owned_partitions", 1),
            "half of them is an error"
        );
    }

    #[test]
    fn what_has_no_version_is_an_error() {
        let fault = |bytes: &'static [u8]| {
            decode_versioned::<ConsumerProtocolAssignment>(&Bytes::from_static(bytes)).unwrap_err().fault
        };
        assert_eq!(fault(b"\0"), WireFault::Truncated { needed: 2, remaining: 1 });
        assert_eq!(fault(b"\xff\xff"), WireFault::UnknownVersion { known: 0..=3 });
    }
}
