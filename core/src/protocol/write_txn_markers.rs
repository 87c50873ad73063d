//! WriteTxnMarkers (key 27): TODO

use super::{ErrorCode, ProducerId};
use crate::wire::{Packed, Str};

request! {
    /// TODO
    WriteTxnMarkersRequest: WRITE_TXN_MARKERS -> WriteTxnMarkersResponse, versions 0..=2, flexible 1.. {
        /// TODO
        markers: Vec<WritableTxnMarker> { 0.. },
    }

    /// TODO
    WritableTxnMarker {
        /// The producer's id.
        producer_id: ProducerId { 0.. },
        /// The producer's epoch.
        producer_epoch: i16 { 0.. },
        /// TODO
        transaction_result: bool { 0.. },
        /// TODO
        topics: Vec<WritableTxnMarkerTopic> { 0.. },
        /// TODO
        coordinator_epoch: i32 { 0.. },
        /// TODO
        transaction_version: i8 { 2.., ignorable },
    }

    /// TODO
    WritableTxnMarkerTopic {
        /// TODO
        name: Str { 0.. },
        /// TODO
        partition_indexes: Packed<i32> { 0.. },
    }
}

message! {
    /// TODO
    WriteTxnMarkersResponse: versions 0..=2, flexible 1.. {
        /// TODO
        markers: Vec<WritableTxnMarkerResult> { 0.. },
    }

    /// TODO
    WritableTxnMarkerResult {
        /// The producer's id.
        producer_id: ProducerId { 0.. },
        /// TODO
        topics: Vec<WritableTxnMarkerTopicResult> { 0.. },
    }

    /// TODO
    WritableTxnMarkerTopicResult {
        /// TODO
        name: Str { 0.. },
        /// TODO
        partitions: Vec<WritableTxnMarkerPartitionResult> { 0.. },
    }

    /// TODO
    WritableTxnMarkerPartitionResult {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
    }
}
