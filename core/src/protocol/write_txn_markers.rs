//! WriteTxnMarkers (key 27): end transactions in partitions.

use super::{ErrorCode, ProducerId};
use crate::wire::{Packed, Str};

request! {
    /// Asks partition leaders to write the markers that end transactions there (KIP-98). The transaction's
    /// coordinator sends it; an administrator's client may, to abort a transaction that no coordinator will
    /// end (KIP-664).
    ///
    /// Version 1 is flexible. Version 2 tells the transaction version (KIP-1228). Brokers of 4.0 and later no
    /// longer take version 0 (KIP-896).
    WriteTxnMarkersRequest: WRITE_TXN_MARKERS -> WriteTxnMarkersResponse, versions 0..=2, flexible 1.. {
        /// The markers.
        markers: Vec<WritableTxnMarker> { 0.. },
    }

    /// A marker, to be written to each of its partitions.
    WritableTxnMarker {
        /// The producer's id.
        producer_id: ProducerId { 0.. },
        /// The epoch the marker is written with; the leader refuses one that is too old.
        producer_epoch: i16 { 0.. },
        /// Whether the transaction committed (true) or aborted (false).
        transaction_result: bool { 0.. },
        /// Where to write it, by topic.
        topics: Vec<WritableTxnMarkerTopic> { 0.. },
        /// The epoch of the coordinator, that is the leader epoch of its partition of `__transaction_state`:
        /// the leader refuses a marker from one that was replaced. DescribeProducers tells it.
        coordinator_epoch: i32 { 0.. },
        /// The `transaction.version` of the transaction: with 2 the marker's epoch must be higher than the
        /// producer's last one, with 0 or 1 it may be the same.
        transaction_version: i8 { 2.., ignorable },
    }

    /// Where to write a marker in a topic.
    WritableTxnMarkerTopic {
        /// The topic's name.
        name: Str { 0.. },
        /// The partitions.
        partition_indexes: Packed<i32> { 0.. },
    }
}

message! {
    /// What became of each marker. There is no throttle time, because brokers do not throttle this request.
    ///
    /// No version changes a field. Version 1 is flexible.
    WriteTxnMarkersResponse: versions 0..=2, flexible 1.. {
        /// Results by producer.
        markers: Vec<WritableTxnMarkerResult> { 0.. },
    }

    /// A producer's results.
    WritableTxnMarkerResult {
        /// The producer's id.
        producer_id: ProducerId { 0.. },
        /// Results by topic.
        topics: Vec<WritableTxnMarkerTopicResult> { 0.. },
    }

    /// A topic's results.
    WritableTxnMarkerTopicResult {
        /// The topic's name.
        name: Str { 0.. },
        /// Results by partition.
        partitions: Vec<WritableTxnMarkerPartitionResult> { 0.. },
    }

    /// A partition's result.
    WritableTxnMarkerPartitionResult {
        /// The partition.
        partition_index: i32 { 0.. },
        /// What went wrong.
        error_code: ErrorCode { 0.. },
    }
}
