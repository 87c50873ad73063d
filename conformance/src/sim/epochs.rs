//! Whether clients keep to the leader epochs that they were told.
//!
//! Rules:
//! - A fetch names the epoch of the leader that it goes by, or an old leader would not be told from the right one.
//! - Epochs that a client names never go back. It has one fetch at a time on a connection, so one that names an older epoch
//!   may have been on its way, or waiting for its connection, when the client heard of the newer one; the next may not.

use std::collections::BTreeMap;

use milena_core::protocol::{ApiKey, FetchRequest, LeaderEpoch};
use milena_core::wire::{Str, Uuid};

use crate::cluster::Release;

/// Whether brokers of this release tell leader epochs that are to be relied on.
pub(super) fn are_told(release: Release) -> bool {
    release.versions(ApiKey::METADATA).is_some_and(|versions| *versions.end() >= 9)
}

/// A partition as a fetch names it: by its topic's name or id.
type Place = (Str, Uuid, i32);

/// The leader epochs that each client has named.
#[derive(Default)]
pub(super) struct Epochs {
    /// By client: the newest.
    newest: BTreeMap<(u32, Place), LeaderEpoch>,
    /// By link: the newest as it was when this link named an older one.
    behind: BTreeMap<(u64, Place), LeaderEpoch>,
}

impl Epochs {
    /// Notes what a client asks on a link, and says what is wrong with that.
    pub(super) fn mistake(&mut self, client: u32, link: u64, fetch: &FetchRequest) -> Option<&'static str> {
        for topic in &fetch.topics {
            for asked in &topic.partitions {
                let (place, epoch) =
                    ((topic.topic.clone(), topic.topic_id, asked.partition), asked.current_leader_epoch);
                if epoch < LeaderEpoch(0) {
                    return Some("without a leader epoch");
                }
                let newest = self.newest.entry((client, place.clone())).or_insert(epoch);
                if epoch >= *newest {
                    *newest = epoch;
                } else if self.behind.insert((link, place), *newest) == Some(*newest) {
                    return Some("with an older leader epoch than before");
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use milena_core::protocol::fetch::{FetchPartition, FetchTopic};

    use super::*;

    #[test]
    fn an_older_epoch_may_come_once_on_each_connection() {
        let mut epochs = Epochs::default();
        let mut asks = |client, link, epoch| {
            let current_leader_epoch = LeaderEpoch(epoch);
            let partitions = vec![FetchPartition { current_leader_epoch, ..Default::default() }];
            let topics = vec![FetchTopic { topic: "t".into(), partitions, ..Default::default() }];
            epochs.mistake(client, link, &FetchRequest { topics, ..Default::default() })
        };
        let back = Some("with an older leader epoch than before");
        assert_eq!([asks(1, 1, 3), asks(1, 1, 3), asks(1, 2, 4)], [None; 3]);
        assert_eq!([asks(1, 1, 3), asks(1, 3, 2), asks(2, 4, 0), asks(2, 4, 0)], [None; 4]);
        assert_eq!([asks(1, 1, 3), asks(1, 3, 3)], [back; 2]);
        assert_eq!([asks(1, 2, 5), asks(1, 1, 4), asks(1, 2, 5)], [None; 3]);
        assert_eq!([asks(1, 1, 4), asks(1, 5, -1)], [back, Some("without a leader epoch")]);
    }
}
