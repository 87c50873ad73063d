//! OffsetFetch (key 9): read how far groups have read.

use super::{ErrorCode, LeaderEpoch};
use crate::wire::{Packed, Str, Uuid};

request! {
    /// Asks the groups' coordinator for the offsets that groups have stored.
    ///
    /// Version 0 reads them from ZooKeeper, 1 from Kafka. Version 2 can ask for all topics (KIP-88).
    /// Version 3 is for the response; 4 changes nothing but when the broker throttles (KIP-219); 5 is for
    /// the response. Version 6 is flexible. Version 7 can insist on stable offsets (KIP-447), 8 asks for
    /// several groups at once (KIP-709), 9 lets members of KIP-848's groups say who they are, 10 names
    /// topics by id (KIP-848). Version 0 is gone in 4.0.
    OffsetFetchRequest: OFFSET_FETCH -> OffsetFetchResponse, versions 0..=10, flexible 6.. {
        /// The group's id.
        group_id: Str { 0..=7 },
        /// What to tell, by topic; null for all that is stored, from version 2 on.
        topics: Option<Vec<OffsetFetchRequestTopic>> { 0..=7, nullable 2..=7 },
        /// What to tell, by group; all groups have the one coordinator.
        groups: Vec<OffsetFetchRequestGroup> { 8.. },
        /// Whether to answer `UNSTABLE_OFFSET_COMMIT` for a partition whose offset an open transaction is
        /// about to change, so that the client asks again, instead of the offset from before.
        require_stable: bool { 7.. },
    }

    /// A topic asked for, before version 8.
    OffsetFetchRequestTopic {
        /// The topic's name.
        name: Str { 0..=7 },
        /// The partitions.
        partition_indexes: Packed<i32> { 0..=7 },
    }

    /// A group asked for.
    OffsetFetchRequestGroup {
        /// The group's id.
        group_id: Str { 8.. },
        /// The member's id in a group of KIP-848; null for others and from outside the group.
        member_id: Option<Str> { 9.., nullable 9.., default null, ignorable },
        /// The member's epoch in a group of KIP-848; -1 for others and from outside the group.
        member_epoch: i32 { 9.., default -1, ignorable },
        /// What to tell, by topic; null for all that is stored.
        topics: Option<Vec<OffsetFetchRequestTopics>> { 8.., nullable 8.. },
    }

    /// A topic asked for, from version 8 on.
    OffsetFetchRequestTopics {
        /// The topic's name.
        name: Str { 8..=9, ignorable },
        /// The topic's id.
        topic_id: Uuid { 10.., ignorable },
        /// The partitions.
        partition_indexes: Packed<i32> { 8.. },
    }
}

message! {
    /// The offsets.
    ///
    /// Version 2 brings an error for the whole, 3 the throttle time, 5 the leader epoch (KIP-320), 8 an
    /// answer for each of several groups (KIP-709), 10 topic ids.
    OffsetFetchResponse: versions 0..=10, flexible 6.. {
        /// How long the client is to wait before its next request because of a quota, in ms.
        throttle_time_ms: i32 { 3.., ignorable },
        /// The one group's results, by topic.
        topics: Vec<OffsetFetchResponseTopic> { 0..=7 },
        /// What went wrong with the group as a whole.
        error_code: ErrorCode { 2..=7, ignorable },
        /// Results by group.
        groups: Vec<OffsetFetchResponseGroup> { 8.. },
    }

    /// A topic's results, before version 8.
    OffsetFetchResponseTopic {
        /// The topic's name.
        name: Str { 0..=7 },
        /// Results by partition.
        partitions: Vec<OffsetFetchResponsePartition> { 0..=7 },
    }

    /// A partition's result, before version 8.
    OffsetFetchResponsePartition {
        /// The partition.
        partition_index: i32 { 0..=7 },
        /// The offset to go on from; -1 if none is stored, or with an error.
        committed_offset: i64 { 0..=7 },
        /// The leader epoch stored with the offset, or -1.
        committed_leader_epoch: LeaderEpoch { 5..=7, default -1, ignorable },
        /// What the client stored with the offset; empty if nothing.
        metadata: Option<Str> { 0..=7, nullable 0..=7 },
        /// What went wrong; from version 1 on it is no error that no offset is stored.
        error_code: ErrorCode { 0..=7 },
    }

    /// A group's results.
    OffsetFetchResponseGroup {
        /// The group's id.
        group_id: Str { 8.. },
        /// Results by topic.
        topics: Vec<OffsetFetchResponseTopics> { 8.. },
        /// What went wrong with the group as a whole.
        error_code: ErrorCode { 8.. },
    }

    /// A topic's results, from version 8 on.
    OffsetFetchResponseTopics {
        /// The topic's name.
        name: Str { 8..=9, ignorable },
        /// The topic's id.
        topic_id: Uuid { 10.., ignorable },
        /// Results by partition.
        partitions: Vec<OffsetFetchResponsePartitions> { 8.. },
    }

    /// A partition's result, from version 8 on.
    OffsetFetchResponsePartitions {
        /// The partition.
        partition_index: i32 { 8.. },
        /// The offset to go on from; -1 if none is stored, or with an error.
        committed_offset: i64 { 8.. },
        /// The leader epoch stored with the offset, or -1.
        committed_leader_epoch: LeaderEpoch { 8.., default -1, ignorable },
        /// What the client stored with the offset; empty if nothing.
        metadata: Option<Str> { 8.., nullable 8.. },
        /// What went wrong; it is no error that no offset is stored.
        error_code: ErrorCode { 8.. },
    }
}
