use std::fmt;

/// What a broker says went wrong. Open: a newer broker may know codes that this release does not.
///
/// A code's doc says what it means; where it is marked retriable the same request may succeed later, and
/// where it is marked metadata the client's view of leaders is out of date and is to be refreshed first.
/// These marks are those of Kafka's own Java client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct ErrorCode(pub i16);

macro_rules! error_codes {
    ($( $(#[$doc:meta])* $name:ident = $code:literal $($mark:ident)*; )*) => {
        impl ErrorCode {
            $(
                $(#[$doc])*
                $(#[doc = concat!(" (", stringify!($mark), ")")])*
                pub const $name: Self = Self($code);
            )*

            /// Kafka's name for it, or `UNKNOWN`.
            pub const fn name(self) -> &'static str {
                match self.0 {
                    $($code => stringify!($name),)*
                    _ => "UNKNOWN",
                }
            }

            const fn marks(self) -> &'static [Mark] {
                match self.0 {
                    $($code => &[$(Mark::$mark),*],)*
                    _ => &[],
                }
            }
        }
    };
}

#[derive(Clone, Copy, PartialEq)]
#[allow(non_camel_case_types, reason = "they are written in lower case in the table")]
enum Mark {
    retriable,
    metadata,
}

impl ErrorCode {
    /// Whether there was no error.
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }

    /// Whether the same request may succeed later (Java's `RetriableException`). A code this release does not
    /// know is not.
    pub fn is_retriable(self) -> bool {
        self.marks().contains(&Mark::retriable)
    }

    /// Whether it tells that the client's metadata is out of date (Java's `InvalidMetadataException`).
    pub fn is_invalid_metadata(self) -> bool {
        self.marks().contains(&Mark::metadata)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

wire_newtype!(ErrorCode(i16));

error_codes! {
    /// The broker met an error it has no code for.
    UNKNOWN_SERVER_ERROR = -1;
    /// All went well.
    NONE = 0;
    /// The offset is outside of what the partition's log holds.
    OFFSET_OUT_OF_RANGE = 1;
    /// The records' checksum, size or key is not acceptable, as after damage on the way.
    CORRUPT_MESSAGE = 2 retriable;
    /// The broker has no such topic or partition, or the client may not know of it.
    UNKNOWN_TOPIC_OR_PARTITION = 3 retriable metadata;
    /// The size asked of a fetch is not acceptable.
    INVALID_FETCH_SIZE = 4;
    /// The partition has no leader at this moment: an election is going on.
    LEADER_NOT_AVAILABLE = 5 retriable metadata;
    /// The broker is not the partition's leader, or for a fetch not one of its replicas.
    NOT_LEADER_OR_FOLLOWER = 6 retriable metadata;
    /// The broker did not get done in the time the request allowed: a write may still have happened.
    REQUEST_TIMED_OUT = 7 retriable;
    /// The broker is not there.
    BROKER_NOT_AVAILABLE = 8;
    /// The broker does not hold a copy of the partition.
    REPLICA_NOT_AVAILABLE = 9 retriable metadata;
    /// A record or batch is larger than the topic takes (`max.message.bytes`).
    MESSAGE_TOO_LARGE = 10;
    /// The controller that asks was replaced by a newer one.
    STALE_CONTROLLER_EPOCH = 11;
    /// The text stored with a committed offset is too long.
    OFFSET_METADATA_TOO_LARGE = 12;
    /// The broker went away before it had answered.
    NETWORK_EXCEPTION = 13 retriable metadata;
    /// The coordinator is still loading its state.
    COORDINATOR_LOAD_IN_PROGRESS = 14 retriable;
    /// There is no coordinator at this moment.
    COORDINATOR_NOT_AVAILABLE = 15 retriable;
    /// The broker is not this group's or transactional id's coordinator.
    NOT_COORDINATOR = 16 retriable;
    /// The topic's name is not a legal one, or the topic is not for clients to write.
    INVALID_TOPIC_EXCEPTION = 17;
    /// The batch is larger than a log segment.
    RECORD_LIST_TOO_LARGE = 18;
    /// Too few replicas are in sync to accept a write with acks=all; nothing was written.
    NOT_ENOUGH_REPLICAS = 19 retriable;
    /// Written, but then too few replicas were in sync: the record may be there or not.
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20 retriable;
    /// The acks are none of -1, 0 and 1.
    INVALID_REQUIRED_ACKS = 21;
    /// The generation is not the group's current one.
    ILLEGAL_GENERATION = 22;
    /// The member's protocol type or its protocols have nothing in common with the group's.
    INCONSISTENT_GROUP_PROTOCOL = 23;
    /// The group's id is empty or otherwise not a legal one.
    INVALID_GROUP_ID = 24;
    /// The coordinator does not know this member.
    UNKNOWN_MEMBER_ID = 25;
    /// The session timeout is outside of what the broker allows.
    INVALID_SESSION_TIMEOUT = 26;
    /// The group is rebalancing: the member has to join again.
    REBALANCE_IN_PROGRESS = 27;
    /// The offsets are too many to be committed at once.
    INVALID_COMMIT_OFFSET_SIZE = 28;
    /// The client may not do this to the topic.
    TOPIC_AUTHORIZATION_FAILED = 29;
    /// The client may not do this to the group.
    GROUP_AUTHORIZATION_FAILED = 30;
    /// The client may not do this to the cluster.
    CLUSTER_AUTHORIZATION_FAILED = 31;
    /// A record's timestamp is outside of what the topic allows.
    INVALID_TIMESTAMP = 32;
    /// The broker does not offer this SASL mechanism.
    UNSUPPORTED_SASL_MECHANISM = 33;
    /// The request is not one for this moment of the authentication.
    ILLEGAL_SASL_STATE = 34;
    /// The broker does not know this version of the request.
    UNSUPPORTED_VERSION = 35;
    /// A topic of this name exists.
    TOPIC_ALREADY_EXISTS = 36;
    /// The number of partitions is not acceptable.
    INVALID_PARTITIONS = 37;
    /// The replication factor is below 1 or more than there are brokers.
    INVALID_REPLICATION_FACTOR = 38;
    /// The list of replicas is not acceptable.
    INVALID_REPLICA_ASSIGNMENT = 39;
    /// A configuration is not acceptable.
    INVALID_CONFIG = 40;
    /// The broker is not the controller.
    NOT_CONTROLLER = 41 retriable;
    /// The request contradicts itself or the protocol.
    INVALID_REQUEST = 42;
    /// The message format of the topic cannot do what was asked.
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43;
    /// A policy of the broker forbids it.
    POLICY_VIOLATION = 44;
    /// A batch's sequence number does not follow the one before it: something in between is missing.
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45;
    /// The batch was written before; this is a retry that came too late to be told its offset.
    DUPLICATE_SEQUENCE_NUMBER = 46;
    /// The producer's epoch is older than the one the broker knows: a newer instance is at work.
    INVALID_PRODUCER_EPOCH = 47;
    /// The transaction is not in a state for this.
    INVALID_TXN_STATE = 48;
    /// The producer id is not the one that belongs to the transactional id.
    INVALID_PRODUCER_ID_MAPPING = 49;
    /// The transaction timeout is longer than the broker allows (`transaction.max.timeout.ms`).
    INVALID_TRANSACTION_TIMEOUT = 50;
    /// The transaction before this one is still being completed.
    CONCURRENT_TRANSACTIONS = 51 retriable;
    /// The coordinator that asks was replaced by a newer one.
    TRANSACTION_COORDINATOR_FENCED = 52;
    /// The client may not use the transactional id.
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53;
    /// The broker has no authorizer, so there are no permissions to speak of.
    SECURITY_DISABLED = 54;
    /// Nothing was tried, because another part of the request failed.
    OPERATION_NOT_ATTEMPTED = 55;
    /// The broker's disk failed.
    KAFKA_STORAGE_ERROR = 56 retriable metadata;
    /// The broker has no such log directory.
    LOG_DIR_NOT_FOUND = 57;
    /// The credentials are wrong.
    SASL_AUTHENTICATION_FAILED = 58;
    /// The broker has forgotten the producer, as after all its records were deleted.
    UNKNOWN_PRODUCER_ID = 59;
    /// The partition is being moved to other replicas.
    REASSIGNMENT_IN_PROGRESS = 60;
    /// The broker does not do delegation tokens.
    DELEGATION_TOKEN_AUTH_DISABLED = 61;
    /// There is no such delegation token.
    DELEGATION_TOKEN_NOT_FOUND = 62;
    /// The delegation token is someone else's.
    DELEGATION_TOKEN_OWNER_MISMATCH = 63;
    /// The connection is not secure enough, or was itself authenticated by a token.
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = 64;
    /// The client may not do this to the delegation token.
    DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65;
    /// The delegation token is no longer valid.
    DELEGATION_TOKEN_EXPIRED = 66;
    /// The kind of principal is not a known one.
    INVALID_PRINCIPAL_TYPE = 67;
    /// The group still has members.
    NON_EMPTY_GROUP = 68;
    /// There is no such group.
    GROUP_ID_NOT_FOUND = 69;
    /// The broker does not hold this fetch session: it may have made room for others.
    FETCH_SESSION_ID_NOT_FOUND = 70 retriable;
    /// The fetch session's epoch is not the next one.
    INVALID_FETCH_SESSION_EPOCH = 71 retriable;
    /// The leader has no listener of the name that the request came in by.
    LISTENER_NOT_FOUND = 72 retriable metadata;
    /// The broker does not delete topics (`delete.topic.enable`).
    TOPIC_DELETION_DISABLED = 73;
    /// The client's leader epoch is older than the broker's: its metadata is old.
    FENCED_LEADER_EPOCH = 74 retriable metadata;
    /// The client's leader epoch is newer than the broker's: the broker has yet to hear of it.
    UNKNOWN_LEADER_EPOCH = 75 retriable;
    /// The broker or this version of the request does not take this compression.
    UNSUPPORTED_COMPRESSION_TYPE = 76;
    /// The broker's epoch is not the one the controller knows.
    STALE_BROKER_EPOCH = 77;
    /// The new leader does not know yet how far its followers are, so it cannot tell the offset.
    OFFSET_NOT_AVAILABLE = 78 retriable;
    /// The member has to join again with the id it was just given.
    MEMBER_ID_REQUIRED = 79;
    /// The preferred leader is not there.
    PREFERRED_LEADER_NOT_AVAILABLE = 80 retriable metadata;
    /// The group has as many members as it may have.
    GROUP_MAX_SIZE_REACHED = 81;
    /// Another member has this `group.instance.id`.
    FENCED_INSTANCE_ID = 82;
    /// No replica that may become leader is there.
    ELIGIBLE_LEADERS_NOT_AVAILABLE = 83 retriable metadata;
    /// The leader is already the one asked for.
    ELECTION_NOT_NEEDED = 84 retriable metadata;
    /// The partition is not being moved.
    NO_REASSIGNMENT_IN_PROGRESS = 85;
    /// Members of the group subscribe to the topic, so its offsets cannot be deleted.
    GROUP_SUBSCRIBED_TO_TOPIC = 86;
    /// The broker's checks refuse a record.
    INVALID_RECORD = 87;
    /// Offsets of an open transaction stand in the way: they may still be aborted.
    UNSTABLE_OFFSET_COMMIT = 88 retriable;
    /// The client asks for more changes than its quota allows.
    THROTTLING_QUOTA_EXCEEDED = 89 retriable;
    /// A newer instance of the same transactional id is at work.
    PRODUCER_FENCED = 90;
    /// The request names something that does not exist.
    RESOURCE_NOT_FOUND = 91;
    /// The request names the same thing twice.
    DUPLICATE_RESOURCE = 92;
    /// The new credential is not acceptable.
    UNACCEPTABLE_CREDENTIAL = 93;
    /// The voters named by sender and receiver are not the same.
    INCONSISTENT_VOTER_SET = 94;
    /// The feature's version is not one it can be changed to.
    INVALID_UPDATE_VERSION = 95;
    /// The feature could not be changed.
    FEATURE_UPDATE_FAILED = 96;
    /// The controller could not read the principal that a broker forwarded.
    PRINCIPAL_DESERIALIZATION_FAILURE = 97;
    /// There is no such snapshot.
    SNAPSHOT_NOT_FOUND = 98;
    /// The position is beyond the snapshot.
    POSITION_OUT_OF_RANGE = 99;
    /// The broker does not know a topic of this id: metadata may still be on its way to it.
    UNKNOWN_TOPIC_ID = 100 retriable metadata;
    /// A broker of this id is running.
    DUPLICATE_BROKER_REGISTRATION = 101;
    /// The broker has not registered with the controller.
    BROKER_ID_NOT_REGISTERED = 102;
    /// The topic's id in the log is another than in the request.
    INCONSISTENT_TOPIC_ID = 103 retriable metadata;
    /// The cluster is another than the request says.
    INCONSISTENT_CLUSTER_ID = 104;
    /// There is no such transactional id.
    TRANSACTIONAL_ID_NOT_FOUND = 105;
    /// The fetch session was begun with topic ids and goes on without, or the other way.
    FETCH_SESSION_TOPIC_ID_ERROR = 106 retriable;
    /// The replica cannot be in sync: it is being shut down or fenced.
    INELIGIBLE_REPLICA = 107;
    /// The change led to the election of another leader.
    NEW_LEADER_ELECTED = 108;
    /// The offset is no longer on the broker's disk but in tiered storage.
    OFFSET_MOVED_TO_TIERED_STORAGE = 109;
    /// The member's epoch is not the coordinator's: it has to join again.
    FENCED_MEMBER_EPOCH = 110;
    /// The `group.instance.id` is still in use by a member that has not left.
    UNRELEASED_INSTANCE_ID = 111;
    /// The group's coordinator does not know this assignor.
    UNSUPPORTED_ASSIGNOR = 112;
    /// The member's epoch is old: it has to catch up with a heartbeat.
    STALE_MEMBER_EPOCH = 113;
    /// The request went to a broker's listener and was for controllers, or the other way.
    MISMATCHED_ENDPOINT_TYPE = 114;
    /// This kind of endpoint is not known here.
    UNSUPPORTED_ENDPOINT_TYPE = 115;
    /// There is no such controller.
    UNKNOWN_CONTROLLER_ID = 116;
    /// The client's telemetry subscription is not the current one.
    UNKNOWN_SUBSCRIPTION_ID = 117;
    /// The telemetry is more than the broker takes at once.
    TELEMETRY_TOO_LARGE = 118;
    /// The controller refuses the registration.
    INVALID_REGISTRATION = 119;
    /// The transaction failed and can only be aborted; the producer may then go on.
    TRANSACTION_ABORTABLE = 120;
    /// The record is not one this consumer holds, so it cannot acknowledge it.
    INVALID_RECORD_STATE = 121;
    /// The broker does not hold this share session.
    SHARE_SESSION_NOT_FOUND = 122 retriable;
    /// The share session's epoch is not the next one.
    INVALID_SHARE_SESSION_EPOCH = 123 retriable;
    /// The share group's state was written by a newer coordinator.
    FENCED_STATE_EPOCH = 124;
    /// The voter's directory id is not the one known.
    INVALID_VOTER_KEY = 125;
    /// A voter of this id exists.
    DUPLICATE_VOTER = 126;
    /// There is no such voter.
    VOTER_NOT_FOUND = 127;
    /// The subscription's pattern is not a regular expression.
    INVALID_REGULAR_EXPRESSION = 128;
    /// The client's metadata is too old to go on with: it has to start from its bootstrap servers again.
    REBOOTSTRAP_REQUIRED = 129;
    /// The streams topology contradicts itself.
    STREAMS_INVALID_TOPOLOGY = 130;
    /// The streams topology's epoch is not acceptable.
    STREAMS_INVALID_TOPOLOGY_EPOCH = 131;
    /// The streams topology is older than the group's.
    STREAMS_TOPOLOGY_FENCED = 132;
    /// The broker holds as many share sessions as it may.
    SHARE_SESSION_LIMIT_REACHED = 133 retriable;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_javas() {
        let counted = |is: fn(ErrorCode) -> bool| (-1..=133).map(ErrorCode).filter(|&code| is(code)).count();
        assert_eq!(counted(ErrorCode::is_retriable), 32);
        assert_eq!(counted(ErrorCode::is_invalid_metadata), 13);
        assert_eq!(counted(|code| code.name() != "UNKNOWN"), 135);
        assert!(ErrorCode::NOT_ENOUGH_REPLICAS.is_retriable());
        assert!(!ErrorCode::NOT_ENOUGH_REPLICAS.is_invalid_metadata());
        assert!(!ErrorCode(999).is_retriable() && !ErrorCode(999).is_ok() && ErrorCode::NONE.is_ok());
    }

    #[test]
    fn shown_with_name_and_number() {
        assert_eq!(ErrorCode::NOT_LEADER_OR_FOLLOWER.to_string(), "NOT_LEADER_OR_FOLLOWER (6)");
        assert_eq!(ErrorCode(999).to_string(), "UNKNOWN (999)");
        assert_eq!(ErrorCode(-1), ErrorCode::UNKNOWN_SERVER_ERROR);
    }
}
