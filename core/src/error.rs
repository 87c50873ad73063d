//! Errors that say whose fault it was and what is still true.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::{ApiKey, BrokerId, ErrorCode};
use crate::record::{MessageFormat, RecordError};
use crate::wire::{FrameError, LooksLike, WireError};

/// Text of the program itself. Written out, serde would borrow it from what it reads.
type Text = &'static str;

/// What went wrong, as a value that many waiters can share.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Error {
    /// A setting makes no sense; nothing was started.
    Config {
        /// The setting's name.
        #[cfg_attr(feature = "recording", serde(deserialize_with = "crate::saved::text"))]
        setting: Text,
        /// What is wrong with it.
        reason: String,
    },
    /// No client can run here: there is no runtime, or it has no threads left to give.
    Runtime {
        /// What is wrong.
        reason: String,
    },
    /// The client, writer or reader was closed before or while this was called, or the client's runtime has ended.
    Closed,
    /// Code that this client ran has panicked. If that was code of the client's own (or a codec), the client has ended, and what it
    /// had under way may have been done; if it was what makes one request ([`Call::by_version`](crate::Call::by_version)), that
    /// request was not sent.
    Panicked {
        /// What it was.
        what: String,
    },
    /// The record alone is larger than a batch may be ([`WriterConfig::batch_bytes`](crate::WriterConfig::batch_bytes));
    /// only this record is refused.
    RecordTooLarge {
        /// Bytes the record would take in a batch, the batch's header included.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The record names no topic and the writer has no default one, or a header key or name is not allowed.
    InvalidRecord {
        /// What is wrong with it.
        reason: String,
    },
    /// The request can't be put into wire form in the version that was to be used: the error names the field and the
    /// version. Nothing was sent.
    InvalidRequest(WireError),
    /// The topic does not exist, and was not created.
    UnknownTopic {
        /// The topic's name.
        topic: String,
    },
    /// The topic exists, the partition does not.
    UnknownPartition {
        /// The topic's name.
        topic: String,
        /// The partition asked for.
        partition: i32,
        /// How many partitions the topic has.
        partitions: i32,
    },
    /// The cluster's metadata name no such broker.
    UnknownBroker {
        /// The broker asked for.
        broker: BrokerId,
    },
    /// The broker answered with an error code.
    Rejected {
        /// The request that was refused.
        api: ApiKey,
        /// Kafka's error code.
        code: ErrorCode,
        /// The broker's own words, where it gave any.
        message: Option<String>,
    },
    /// This client and the broker share no version of an API.
    Unsupported {
        /// The API.
        api: ApiKey,
        /// The versions that Milena speaks, or fewer where the caller allows fewer.
        ours: (i16, i16),
        /// The versions that the broker speaks; `None` if it does not have the API.
        theirs: Option<(i16, i16)>,
    },
    /// A connection could not be made or was lost.
    Connection {
        /// Host and port.
        address: String,
        /// Why.
        reason: CloseReason,
    },
    /// No bootstrap server could be used: each with its last error.
    Bootstrap {
        /// Address and error of each server tried.
        attempts: Vec<(String, CloseReason)>,
    },
    /// It took too long; `last` is the last thing that stood in its way.
    Timeout {
        /// What was being done.
        #[cfg_attr(feature = "recording", serde(deserialize_with = "crate::saved::text"))]
        operation: Text,
        /// How long it was tried.
        after: Duration,
        /// The last error met on the way.
        #[cfg_attr(feature = "recording", serde(deserialize_with = "crate::saved::nested"))]
        last: Option<Arc<Error>>,
    },
    /// A fetched batch can't be read; nothing of it was delivered.
    CorruptBatch {
        /// The topic's name.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset from which it can't be read.
        offset: i64,
        /// What is wrong.
        cause: RecordError,
    },
    /// The offset to read from is not in the log, and the reader may not reset it.
    OffsetOutOfRange {
        /// The topic's name.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset asked for.
        offset: i64,
    },
    /// The records of a batch could not be put into wire form (a codec failed or is not compiled in), or the record has
    /// headers, which its partition's leader is too old for.
    Encode(RecordError),
}

/// Whose fault an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The calling code asked for something impossible.
    Caller,
    /// The cluster refused a sound request.
    Cluster,
    /// The peer does not keep to the protocol, or is no Kafka at all.
    Peer,
    /// The network, or time.
    Network,
}

impl Error {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Error::Config { .. }
            | Error::Runtime { .. }
            | Error::Closed
            | Error::Panicked { .. }
            | Error::RecordTooLarge { .. }
            | Error::InvalidRecord { .. }
            | Error::InvalidRequest(_)
            | Error::UnknownPartition { .. }
            | Error::Encode(_) => Fault::Caller,
            Error::UnknownTopic { .. }
            | Error::UnknownBroker { .. }
            | Error::Rejected { .. }
            | Error::OffsetOutOfRange { .. } => Fault::Cluster,
            Error::Unsupported { .. } | Error::CorruptBatch { .. } => Fault::Peer,
            Error::Connection { reason, .. } => reason.fault(),
            Error::Bootstrap { attempts } => {
                match attempts.iter().all(|(_, reason)| reason.fault() == Fault::Peer) {
                    true if !attempts.is_empty() => Fault::Peer,
                    _ => Fault::Network,
                }
            }
            Error::Timeout { last, .. } => last.as_ref().map_or(Fault::Network, |last| last.fault()),
        }
    }

    /// Whether the same call may succeed later without a change.
    pub fn is_retriable(&self) -> bool {
        match self {
            Error::Rejected { code, .. } => code.is_retriable(),
            Error::Timeout { .. } | Error::UnknownTopic { .. } | Error::UnknownBroker { .. } => true,
            Error::Connection { reason, .. } => reason.is_retriable(),
            Error::Bootstrap { attempts } => attempts.iter().any(|(_, reason)| reason.is_retriable()),
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Config { setting, reason } => write!(f, "setting {setting}: {reason}"),
            Error::Runtime { reason } => write!(f, "no client can run here: {reason}"),
            Error::Closed => f.write_str("closed"),
            Error::Panicked { what } => write!(f, "{what} has panicked"),
            Error::RecordTooLarge { size, limit } => {
                write!(f, "the record takes {size} bytes in a batch, the limit is {limit}")
            }
            Error::InvalidRecord { reason } => write!(f, "invalid record: {reason}"),
            Error::InvalidRequest(cause) => write!(f, "invalid request: {cause}"),
            Error::UnknownBroker { broker } => write!(f, "the cluster has no broker {broker}"),
            Error::UnknownTopic { topic } => write!(f, "topic {topic:?} does not exist"),
            Error::UnknownPartition { topic, partition, partitions } => {
                let last = partitions - 1;
                write!(f, "topic {topic:?} has no partition {partition}, only partitions 0 to {last}")
            }
            Error::Rejected { api, code, message } => {
                write!(f, "{api} was refused: {code}")?;
                message.as_ref().map_or(Ok(()), |message| write!(f, ": {message}"))
            }
            Error::Unsupported { api, ours, theirs: Some(theirs) } => {
                write!(
                    f,
                    "{api}: versions {} to {} can be sent, the broker speaks {} to {}",
                    ours.0, ours.1, theirs.0, theirs.1
                )?;
                match *api == ApiKey::PRODUCE && theirs.1 < *MessageFormat::V2.produce_versions().start() {
                    true => f.write_str(": brokers before 0.11 take neither idempotence nor zstd, turn them off"),
                    false => Ok(()),
                }
            }
            Error::Unsupported { api: ApiKey::INIT_PRODUCER_ID, theirs: None, .. } => f.write_str(
                "the broker does not have InitProducerId: turn idempotence off to write to brokers before 0.11",
            ),
            Error::Unsupported { api, .. } => write!(f, "the broker does not have {api}"),
            Error::Connection { address, reason } => write!(f, "{address}: {reason}"),
            Error::Bootstrap { attempts } => {
                f.write_str("no bootstrap server could be used")?;
                attempts.iter().try_for_each(|(address, reason)| write!(f, "; {address}: {reason}"))
            }
            Error::Timeout { operation, after, last } => {
                write!(f, "{operation} took longer than {after:?}")?;
                last.as_ref().map_or(Ok(()), |last| write!(f, "; last error: {last}"))
            }
            Error::CorruptBatch { topic, partition, offset, cause } => {
                write!(f, "topic {topic:?} partition {partition} can't be read from offset {offset}: {cause}")
            }
            Error::OffsetOutOfRange { topic, partition, offset } => {
                write!(f, "topic {topic:?} partition {partition} has no offset {offset}")
            }
            Error::Encode(cause) => write!(f, "records could not be encoded: {cause}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Connection { reason, .. } => Some(reason),
            Error::Timeout { last: Some(last), .. } => Some(last),
            Error::CorruptBatch { cause, .. } | Error::Encode(cause) => Some(cause),
            Error::InvalidRequest(cause) => Some(cause),
            _ => None,
        }
    }
}

/// Why a connection was not made, or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum CloseReason {
    /// The host name has no address.
    Resolve(String),
    /// The connect failed, for example because nobody listens.
    Connect(#[cfg_attr(feature = "recording", serde(with = "crate::saved::io_kind"))] io::ErrorKind, String),
    /// The connect did not end in time.
    ConnectTimeout(Duration),
    /// The broker closed the connection.
    Eof {
        /// Whether it had sent a part of a frame.
        mid_frame: bool,
        /// Whether it was before its first answer, as a TLS listener or another protocol's server would.
        before_first_answer: bool,
    },
    /// Reading or writing failed.
    Io(#[cfg_attr(feature = "recording", serde(with = "crate::saved::io_kind"))] io::ErrorKind, String),
    /// What came can't be a Kafka frame.
    Frame(FrameError),
    /// A frame came that no request asked for.
    Unasked,
    /// An answer carried another correlation id than its request.
    Correlation {
        /// The request's.
        expected: i32,
        /// The answer's.
        got: i32,
    },
    /// An answer could not be decoded.
    Decode(WireError),
    /// A request was not answered in time; what had been sent may have been done.
    RequestTimeout {
        /// The request.
        api: ApiKey,
        /// How long it was waited for.
        after: Duration,
    },
    /// The broker refused to negotiate versions.
    Negotiation(ErrorCode),
    /// The client closed it.
    Shutdown,
}

impl CloseReason {
    /// Whether another attempt may go better without anyone changing anything.
    pub fn is_retriable(&self) -> bool {
        self.fault() == Fault::Network
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            CloseReason::Frame(_)
            | CloseReason::Unasked
            | CloseReason::Correlation { .. }
            | CloseReason::Decode(_)
            | CloseReason::Negotiation(_) => Fault::Peer,
            CloseReason::Shutdown => Fault::Caller,
            _ => Fault::Network,
        }
    }

    /// A failed connect.
    pub fn connect(error: &io::Error) -> Self {
        CloseReason::Connect(error.kind(), error.to_string())
    }

    /// A failed read or write.
    pub fn io(error: &io::Error) -> Self {
        CloseReason::Io(error.kind(), error.to_string())
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Resolve(text) => write!(f, "the host name can't be resolved: {text}"),
            CloseReason::Connect(_, text) => write!(f, "can't connect: {text}"),
            CloseReason::ConnectTimeout(after) => write!(f, "no connection within {after:?}"),
            CloseReason::Eof { mid_frame: true, .. } => {
                f.write_str("the broker closed the connection in the middle of an answer")
            }
            CloseReason::Eof { before_first_answer: true, .. } => f.write_str(
                "the peer closed the connection before its first answer: it may expect TLS or SASL, or be no Kafka",
            ),
            CloseReason::Eof { .. } => f.write_str("the broker closed the connection"),
            CloseReason::Io(_, text) => write!(f, "connection lost: {text}"),
            CloseReason::Frame(FrameError::TooLarge { looks_like: LooksLike::Tls, .. }) => {
                f.write_str("the peer speaks TLS, this client was told to speak plaintext")
            }
            CloseReason::Frame(FrameError::TooLarge { looks_like: LooksLike::Http, .. }) => {
                f.write_str("the peer speaks HTTP, it is no Kafka broker")
            }
            CloseReason::Frame(error) => write!(f, "no Kafka frame: {error}"),
            CloseReason::Unasked => f.write_str("the peer sent an answer that no request asked for"),
            CloseReason::Correlation { expected, got } => {
                write!(f, "an answer has correlation id {got}, the request had {expected}")
            }
            CloseReason::Decode(error) => write!(f, "an answer can't be decoded: {error}"),
            CloseReason::RequestTimeout { api, after } => write!(f, "{api} was not answered within {after:?}"),
            CloseReason::Negotiation(code) => write!(f, "version negotiation failed: {code}"),
            CloseReason::Shutdown => f.write_str("closed by this client"),
        }
    }
}

impl std::error::Error for CloseReason {}

/// Why a record was not acknowledged, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct WriteError {
    /// Whether the record can be in the log.
    pub fate: Fate,
    /// What went wrong.
    pub cause: Error,
}

/// What is known of a record that was not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Fate {
    /// It never left this client: it is not in the log.
    NotWritten,
    /// It was sent and no answer told its fate: it may be in the log, now or in a moment.
    Unknown,
    /// The broker refused it: it is not in the log.
    Rejected,
}

impl WriteError {
    pub(crate) fn not_written(cause: Error) -> Self {
        WriteError { fate: Fate::NotWritten, cause }
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fate = match self.fate {
            Fate::NotWritten => "not written",
            Fate::Unknown => "unknown whether written",
            Fate::Rejected => "rejected",
        };
        write!(f, "{fate}: {}", self.cause)
    }
}

impl std::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}
