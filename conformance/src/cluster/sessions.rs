//! Fetch sessions (KIP-227): a broker remembers which partitions a consumer follows, and answers with those that changed.
//!
//! Rules:
//! - Epoch 0 asks for all and opens a session, if there is room; -1 asks for all without one, and closes the one named.
//!   Any other epoch must be the one expected next: it names what is new, changed or forgotten.
//! - An answer names the partitions that have records, an error, or other bounds than the consumer was told last.
//! - Partitions that had records go to the end of the line, so that a small limit does not starve others.
//! - When there is no room the session unused for longest goes, if it is older than [`EVICTED_AFTER`].

use std::collections::BTreeMap;
use std::time::Duration;

use milena_core::protocol::fetch::{FetchPartition, PartitionData};
use milena_core::protocol::{BrokerId, ErrorCode, FetchRequest};
use milena_core::wire::{Str, Uuid};

/// `min.incremental.fetch.session.eviction.ms`
const EVICTED_AFTER: Duration = Duration::from_secs(120);

/// A partition that is asked for: by its topic's name or id, as the request's version has it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) topic: Str,
    pub(super) topic_id: Uuid,
    pub(super) partition: FetchPartition,
}

impl Asked {
    fn is(&self, topic: &Str, topic_id: &Uuid, index: i32) -> bool {
        self.partition.partition == index && self.topic == *topic && self.topic_id == *topic_id
    }
}

/// What one request asks for, with its session if it has one.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) asked: Vec<Asked>,
    /// 0: none.
    pub(super) session_id: i32,
    /// Whether only changes are answered.
    pub(super) incremental: bool,
}

#[derive(Debug)]
struct Session {
    broker: BrokerId,
    /// Expected next.
    epoch: i32,
    by_id: bool,
    used: Duration,
    /// With the high watermark and log start offset told last; -1 before that, and after an error.
    followed: Vec<(Asked, (i64, i64))>,
}

/// The sessions of all brokers.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_id: BTreeMap<i32, Session>,
    last: i32,
}

impl Sessions {
    /// What a request asks for.
    pub(super) fn open(
        &mut self,
        broker: BrokerId,
        request: FetchRequest,
        by_id: bool,
        room: usize,
        now: Duration,
    ) -> Result<Context, ErrorCode> {
        let named = asked(&request);
        if request.session_epoch <= 0 {
            self.by_id.remove(&request.session_id);
            let session_id = match request.session_epoch {
                0 if !named.is_empty() && self.make_room(broker, room, now) => {
                    self.last = self.last.checked_add(1).unwrap_or(1);
                    let followed = named.iter().map(|asked| (asked.clone(), (-1, -1))).collect();
                    let session = Session { broker, epoch: 1, by_id, used: now, followed };
                    self.by_id.insert(self.last, session);
                    self.last
                }
                _ => 0,
            };
            return Ok(Context { asked: named, session_id, incremental: false });
        }
        let session = self.by_id.get_mut(&request.session_id).filter(|session| session.broker == broker);
        let session = session.ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        if session.epoch != request.session_epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        if session.by_id != by_id {
            return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        session.epoch = session.epoch.checked_add(1).unwrap_or(1);
        session.used = now;
        for topic in &request.forgotten_topics_data {
            for index in topic.partitions.iter() {
                session.followed.retain(|(asked, _)| !asked.is(&topic.topic, &topic.topic_id, index));
            }
        }
        for new in named {
            let known = session
                .followed
                .iter_mut()
                .find(|(asked, _)| asked.is(&new.topic, &new.topic_id, new.partition.partition));
            match known {
                Some((asked, _)) => *asked = new,
                None => session.followed.push((new, (-1, -1))),
            }
        }
        let asked = session.followed.iter().map(|(asked, _)| asked.clone()).collect();
        Ok(Context { asked, session_id: request.session_id, incremental: true })
    }

    fn make_room(&mut self, broker: BrokerId, room: usize, now: Duration) -> bool {
        let of_broker = || self.by_id.iter().filter(|(_, session)| session.broker == broker);
        if of_broker().count() < room {
            return true;
        }
        let oldest =
            of_broker().min_by_key(|(_, session)| session.used).map(|(id, session)| (*id, session.used));
        match oldest {
            Some((id, used)) if room > 0 && now - used > EVICTED_AFTER => self.by_id.remove(&id).is_some(),
            _ => false,
        }
    }

    /// Whether a partition belongs into an answer; what it tells is remembered.
    pub(super) fn tells(&mut self, context: &Context, asked: &Asked, answer: &PartitionData) -> bool {
        let Some(session) = self.by_id.get_mut(&context.session_id) else { return true };
        let index = asked.partition.partition;
        let at =
            session.followed.iter().position(|(known, _)| known.is(&asked.topic, &asked.topic_id, index));
        let Some(at) = at else { return true };
        let bounds = (answer.high_watermark, answer.log_start_offset);
        let has_records = answer.records.as_ref().is_some_and(|records| !records.is_empty());
        let tells = has_records
            || answer.error_code != ErrorCode::NONE
            || answer.diverging_epoch != Default::default()
            || answer.preferred_read_replica != BrokerId::NONE
            || session.followed[at].1 != bounds;
        if tells {
            let mut followed = session.followed.remove(at);
            followed.1 = if answer.error_code == ErrorCode::NONE { bounds } else { (-1, -1) };
            let to = if has_records { session.followed.len() } else { at };
            session.followed.insert(to, followed);
        }
        tells || !context.incremental
    }

    /// A broker that crashes forgets its sessions.
    pub(super) fn forget(&mut self, broker: BrokerId) {
        self.by_id.retain(|_, session| session.broker != broker);
    }
}

fn asked(request: &FetchRequest) -> Vec<Asked> {
    let topics = request.topics.iter();
    let asked = topics.flat_map(|topic| {
        topic.partitions.iter().map(|partition| Asked {
            topic: topic.topic.clone(),
            topic_id: topic.topic_id,
            partition: partition.clone(),
        })
    });
    asked.collect()
}
