//! Who coordinates what: groups, transactional ids, share groups' partitions.
//!
//! Rules:
//! - A coordinator is looked up when someone wants it and it is not known; at most one lookup of it is under way.
//! - A lookup that fails fails for those who wait for it: they come again after a pause of their own, if they like.
//! - What was found holds until someone learns better (`NOT_COORDINATOR`) or a connection to that broker fails.
//! - No more than [`MAX_KNOWN`] are remembered; the one not used for longest goes first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::target::CoordinatorType;
use crate::config::Address;
use crate::connection::{AnyAnswer, AnyRequest, ByVersion, Failure};
use crate::error::Error;
use crate::protocol::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};
use crate::protocol::{ApiKey, BrokerId, ErrorCode, Request};
use crate::wire::Str;

/// Enough for the groups and transactional ids of one program; a tool that visits more looks them up again.
const MAX_KNOWN: usize = 1000;

/// FindCoordinator names several keys, each with its answer, from this version on (KIP-699).
const FIRST_WITH_MANY_KEYS: i16 = 4;

/// A coordinator's kind, and what it coordinates.
pub(crate) type Key = (CoordinatorType, Arc<str>);

/// A coordinator and its address, or why that is not known.
pub(crate) type Found = Result<(BrokerId, Address), Error>;

#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Known {
    broker: BrokerId,
    /// Rises with each use.
    used: u64,
}

#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Coordinators {
    known: BTreeMap<Key, Known>,
    under_way: BTreeMap<u64, Key>,
    looked_up: BTreeSet<Key>,
    next: u64,
}

/// A lookup to be sent to any broker.
pub(crate) struct Lookup {
    /// Comes back with the answer.
    pub(crate) id: u64,
    pub(crate) request: Arc<dyn AnyRequest>,
    pub(crate) versions: (i16, i16),
}

impl Coordinators {
    /// How many lookups are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    pub(crate) fn find(&mut self, key: &Key) -> Option<BrokerId> {
        let known = self.known.get_mut(key)?;
        self.next += 1;
        known.used = self.next;
        Some(known.broker)
    }

    /// The lookup of a coordinator that is not known; `None` if there is one under way.
    pub(crate) fn look_up(&mut self, key: &Key) -> Option<Lookup> {
        if !self.looked_up.insert(key.clone()) {
            return None;
        }
        self.next += 1;
        self.under_way.insert(self.next, key.clone());
        let first = match key.0 {
            CoordinatorType::GROUP => 0,
            CoordinatorType::TRANSACTION => 1,
            _ => 6,
        };
        let (kind, name) = (key.0, Str::from(&*key.1));
        let request = move |version| {
            let many = version >= FIRST_WITH_MANY_KEYS;
            FindCoordinatorRequest {
                key: if many { Str::default() } else { name.clone() },
                key_type: kind.0,
                coordinator_keys: if many { vec![name.clone()] } else { Vec::new() },
                ..Default::default()
            }
        };
        let versions = (first, FindCoordinatorRequest::STABLE);
        Some(Lookup { id: self.next, request: Arc::new(ByVersion::new(request)), versions })
    }

    /// Takes the answer to a lookup: what it was about, and what came of it.
    pub(crate) fn on_reply(
        &mut self,
        id: u64,
        result: Result<Option<AnyAnswer>, Failure>,
    ) -> Option<(Key, Found)> {
        let key = self.under_way.remove(&id)?;
        self.looked_up.remove(&key);
        let found = match result {
            Ok(answer) => answer
                .and_then(|answer| Some((answer.version, answer.take::<FindCoordinatorRequest>()?)))
                .ok_or(Error::Closed)
                .and_then(|(version, answer)| coordinator(&key.1, answer, version)),
            Err(failure) => Err(failure.error),
        };
        if let Ok((broker, _)) = found {
            self.remember(key.clone(), broker);
        }
        Some((key, found))
    }

    fn remember(&mut self, key: Key, broker: BrokerId) {
        self.next += 1;
        self.known.insert(key, Known { broker, used: self.next });
        if self.known.len() > MAX_KNOWN {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.used).map(|(key, _)| key.clone());
            oldest.map(|key| self.known.remove(&key));
        }
    }

    pub(crate) fn forget(&mut self, key: &Key) {
        self.known.remove(key);
    }

    /// A connection to this broker failed: others may coordinate now what it did.
    pub(crate) fn forget_broker(&mut self, broker: BrokerId) {
        self.known.retain(|_, known| known.broker != broker);
    }
}

/// What an answer says about one key.
fn coordinator(key: &str, mut answer: FindCoordinatorResponse, version: i16) -> Found {
    if version < FIRST_WITH_MANY_KEYS {
        answer.coordinators = vec![Coordinator {
            key: Str::from(key),
            node_id: answer.node_id,
            host: answer.host,
            port: answer.port,
            error_code: answer.error_code,
            error_message: answer.error_message,
            ..Default::default()
        }];
    }
    let rejected = |code, message| Err(Error::Rejected { api: ApiKey::FIND_COORDINATOR, code, message });
    let nobody = |what: &str| {
        rejected(ErrorCode::COORDINATOR_NOT_AVAILABLE, Some(format!("the answer for {key:?} names {what}")))
    };
    let Some(found) = answer.coordinators.into_iter().find(|found| *found.key == *key) else {
        return nobody("other keys only");
    };
    if !found.error_code.is_ok() {
        return rejected(found.error_code, found.error_message.map(|message| message.to_string()));
    }
    match Address::of_broker(&found.host, found.port) {
        Some(address) if address.port > 0 && found.node_id.0 >= 0 && !address.host.is_empty() => {
            Ok((found.node_id, address))
        }
        _ => nobody("no broker"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: CoordinatorType, name: &str) -> Key {
        (kind, name.into())
    }

    fn found(name: &str, node_id: i32) -> FindCoordinatorResponse {
        let coordinator = Coordinator {
            key: name.into(),
            node_id: BrokerId(node_id),
            host: "host".into(),
            port: 9,
            ..Default::default()
        };
        FindCoordinatorResponse { coordinators: vec![coordinator], ..Default::default() }
    }

    fn code(result: Found) -> ErrorCode {
        let Err(Error::Rejected { api: ApiKey::FIND_COORDINATOR, code, .. }) = result else {
            panic!("{result:?}")
        };
        code
    }

    #[test]
    fn a_lookup_says_in_each_version_what_that_version_can() {
        let mut coordinators = Coordinators::default();
        for (kind, first) in
            [(CoordinatorType::GROUP, 0), (CoordinatorType::TRANSACTION, 1), (CoordinatorType::SHARE, 6)]
        {
            let lookup = coordinators.look_up(&key(kind, "k")).unwrap();
            assert_eq!(lookup.versions, (first, 6));
            assert!(coordinators.look_up(&key(kind, "k")).is_none(), "one is under way");
            for version in first..=6 {
                let frame = lookup.request.clone().encode(version, 1, "c").unwrap().to_bytes().slice(4..);
                let (_, body) = crate::protocol::decode_request_header(frame).unwrap();
                let request: FindCoordinatorRequest =
                    crate::protocol::Message::decode(body, version).unwrap();
                let keys = [vec![request.key.clone()], request.coordinator_keys.clone()].concat();
                assert!(keys.iter().any(|key| &**key == "k"), "version {version}: {request:?}");
                assert_eq!(request.key_type, kind.0, "version {version}");
            }
        }
    }

    #[test]
    fn an_answer_that_names_nobody_is_no_coordinator() {
        let expected = (BrokerId(2), Address { host: "host".to_owned(), port: 9 });
        assert_eq!(coordinator("k", found("k", 2), 6), Ok(expected.clone()));
        let old = FindCoordinatorResponse {
            node_id: BrokerId(2),
            host: "host".into(),
            port: 9,
            ..Default::default()
        };
        assert_eq!(coordinator("k", old, 3), Ok(expected));
        let mut refused = found("k", 2);
        refused.coordinators[0].error_code = ErrorCode::GROUP_AUTHORIZATION_FAILED;
        assert_eq!(code(coordinator("k", refused, 6)), ErrorCode::GROUP_AUTHORIZATION_FAILED);
        let changed = |change: fn(&mut Coordinator)| {
            let mut answer = found("k", 2);
            change(&mut answer.coordinators[0]);
            answer
        };
        for answer in [
            found("other", 2),
            FindCoordinatorResponse::default(),
            changed(|found| found.node_id = BrokerId::NONE),
            changed(|found| found.port = 70_000),
            changed(|found| found.port = 0),
            changed(|found| found.host = Str::default()),
        ] {
            assert_eq!(code(coordinator("k", answer, 6)), ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
    }

    #[test]
    fn the_one_not_used_for_longest_is_forgotten_first() {
        let mut coordinators = Coordinators::default();
        let group = |n: usize| key(CoordinatorType::GROUP, &n.to_string());
        for n in 0..MAX_KNOWN {
            coordinators.remember(group(n), BrokerId(n as i32 % 2));
        }
        assert_eq!(coordinators.find(&group(0)), Some(BrokerId(0)));
        coordinators.remember(group(MAX_KNOWN), BrokerId(5));
        assert_eq!(coordinators.known.len(), MAX_KNOWN);
        assert_eq!(coordinators.find(&group(1)), None);
        assert_eq!(coordinators.find(&group(0)), Some(BrokerId(0)));
        coordinators.forget_broker(BrokerId(0));
        assert_eq!(coordinators.find(&group(0)), None);
        assert_eq!(coordinators.find(&group(3)), Some(BrokerId(1)));
        coordinators.forget(&group(3));
        assert_eq!(coordinators.find(&group(3)), None);
    }
}
