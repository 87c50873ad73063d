//! Kafka's own client library as an oracle: the Java program in `conformance/java/`, in one JVM for each of two
//! releases.
//!
//! Release 4.3.1 answers what it knows; 3.9.2 answers for the versions that 4.0 has dropped.
//!
//! ```no_run
//! use milena_conformance::oracle::java::{Java, MessageId};
//!
//! let mut java = Java::start()?;
//! let id = MessageId { kind: "request", key: 18, name: "ApiVersionsRequest", version: 0 };
//! let decoded = java.message(&id, &[])?;
//! assert_eq!(decoded.json.to_string(), "{}");
//! # Ok::<(), milena_conformance::oracle::java::JavaError>(())
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use data_encoding::HEXLOWER;
use serde_json::Value;

use super::lines::{Broken, Lines};
use crate::kafka::program::Program;
use crate::kafka::{self, KafkaError, tail};

/// In the order in which they are asked whether they know a version.
const RELEASES: [&str; 2] = ["4.3.1", "3.9.2"];

const PROGRAM: Program = Program {
    name: "oracle",
    main: "Oracle",
    sources: &[
        ("Oracle.java", include_str!("../../java/Oracle.java")),
        ("Messages.java", include_str!("../../java/Messages.java")),
        ("Batches.java", include_str!("../../java/Batches.java")),
        ("Internal.java", include_str!("../../java/Internal.java")),
    ],
    // A request of REQUEST_BYTES is there several times over: its line, the value, its JSON, its hex.
    heap_megabytes: 1024,
};

/// Messages of 10 MB, which are 20 MB in hex, are what the oracle is made for.
const REQUEST_BYTES: usize = 64 * 1024 * 1024;
/// A JVM's start takes one to two seconds, each answer far less than one; a loaded machine may take many times that.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Why the oracle has no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum JavaError {
    /// A JVM could not be started, has ended, or did not answer in time: there will be no more answers.
    Kafka(KafkaError),
    /// Java can't do what it was asked, or takes the bytes for wrong; the next request is another matter.
    Refused(String),
    /// Neither release knows the message in that version.
    Unknown {
        /// The message.
        name: String,
        /// The version.
        version: i16,
    },
}

impl fmt::Display for JavaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kafka(error) => error.fmt(f),
            Self::Refused(text) => write!(f, "Java refuses: {text}"),
            Self::Unknown { name, version } => {
                write!(f, "no release that is asked knows {name} in version {version}")
            }
        }
    }
}

impl std::error::Error for JavaError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Kafka(error) => Some(error),
            _ => None,
        }
    }
}

impl From<KafkaError> for JavaError {
    fn from(error: KafkaError) -> Self {
        Self::Kafka(error)
    }
}

/// Which message, named as in the vectors' columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageId<'a> {
    /// `request`, `response`, `header` or `data`.
    pub kind: &'a str,
    /// The API key, -1 for headers and data.
    pub key: i16,
    /// Such as `FetchResponse`, `RequestHeader` or `EndTxnMarker`.
    pub name: &'a str,
    /// The version that the bytes are in.
    pub version: i16,
}

impl MessageId<'_> {
    fn columns(&self) -> String {
        format!("{}\t{}\t{}\t{}", self.kind, self.key, self.name, self.version)
    }
}

/// What Java makes of a message's bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// What they say, in the vectors' form.
    pub json: Value,
    /// The same as Java itself writes it.
    pub bytes: Vec<u8>,
}

/// The JVM of one release.
#[derive(Debug)]
struct Release {
    release: &'static str,
    lines: Lines,
    versions: BTreeMap<String, RangeInclusive<i16>>,
}

impl Release {
    fn start(release: &'static str) -> Result<Self, KafkaError> {
        let command = PROGRAM.command(release)?;
        let lines = Lines::spawn(command).map_err(|error| KafkaError::io("starting Java", error))?;
        Ok(Self { release, lines, versions: BTreeMap::new() })
    }

    fn learn_versions(&mut self) -> Result<(), JavaError> {
        let columns = self.ask("versions".to_owned())?;
        let read = || -> Option<_> {
            let [json] = &columns[..] else { return None };
            let answer: Value = serde_json::from_str(json).ok()?;
            let versions = answer["messages"].as_object()?.iter().map(|(name, range)| {
                let end = |index: usize| i16::try_from(range[index].as_i64()?).ok();
                Some((name.clone(), end(0)?..=end(1)?))
            });
            (answer["release"] == self.release).then(|| versions.collect::<Option<_>>())?
        };
        self.versions =
            read().ok_or_else(|| self.failed("does not tell its versions", &columns.join("\t")))?;
        Ok(())
    }

    /// The columns of an answer behind `ok`.
    fn ask(&mut self, mut request: String) -> Result<Vec<String>, JavaError> {
        if request.len() > REQUEST_BYTES {
            return Err(JavaError::Refused(format!("a request of {} bytes", request.len())));
        }
        if request.contains('\n') {
            return Err(JavaError::Refused("a line break in a column".to_owned()));
        }
        request.push('\n');
        let answer = self.lines.exchange(request.as_bytes(), ANSWER_LIMIT);
        let answer = answer.map_err(|Broken { what, errors }| self.failed(&what, &errors))?;
        let text = String::from_utf8(answer).map_err(|error| self.failed("answers", &error.to_string()))?;
        let mut columns = text.split('\t').map(str::to_owned);
        match columns.next().as_deref() {
            Some("ok") => Ok(columns.collect()),
            Some("error") => Err(JavaError::Refused(columns.collect::<Vec<_>>().join(" "))),
            _ => Err(self.failed("does not answer in the form agreed on", &text)),
        }
    }

    fn failed(&self, what: &str, log: &str) -> JavaError {
        let what = format!("the oracle {what}");
        JavaError::Kafka(KafkaError::Start { version: self.release.to_owned(), what, log: tail(log) })
    }
}

/// The library of two releases, in a JVM each. Dropping it ends them.
#[derive(Debug)]
pub struct Java {
    releases: Vec<Release>,
}

impl Java {
    /// Starts the JVMs: two seconds, and a minute the first time, when jars are fetched and the program is compiled.
    ///
    /// # Errors
    ///
    /// Whatever is missing or can't be started, with how to get it or what it wrote.
    pub fn start() -> Result<Self, JavaError> {
        let mut releases =
            RELEASES.into_iter().map(Release::start).collect::<Result<Vec<_>, KafkaError>>()?;
        for release in &mut releases {
            release.learn_versions()?;
        }
        Ok(Self { releases })
    }

    /// The same for a test: `None`, and a line that says so, where it can't run and may be skipped.
    ///
    /// # Panics
    ///
    /// When it must run, as [`kafka::available_for`] does, and when the start fails for another reason than that Java,
    /// its compiler or Maven is missing.
    #[must_use]
    pub fn start_for(test: &str) -> Option<Self> {
        if !kafka::available_for(test) {
            return None;
        }
        match Self::start() {
            Ok(java) => Some(java),
            Err(JavaError::Kafka(error @ KafkaError::CompilerMissing)) => {
                kafka::skip(test, &error);
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Decodes a message's body, without size and header, and encodes it again.
    ///
    /// # Errors
    ///
    /// [`JavaError::Refused`] when they are not a message of that version, or more than one.
    pub fn message(&mut self, id: &MessageId<'_>, bytes: &[u8]) -> Result<Decoded, JavaError> {
        let request = format!("message\t{}\t{}", id.columns(), HEXLOWER.encode(bytes));
        let release = self.knowing(id)?;
        let columns = release.ask(request)?;
        let decoded = || -> Option<_> {
            let [json, bytes] = &columns[..] else { return None };
            Some(Decoded {
                json: serde_json::from_str(json).ok()?,
                bytes: HEXLOWER.decode(bytes.as_bytes()).ok()?,
            })
        };
        decoded().ok_or_else(|| release.failed("does not say what a message is", &columns.join("\t")))
    }

    /// Encodes a message given in the vectors' form.
    ///
    /// # Errors
    ///
    /// [`JavaError::Refused`] when the JSON is not that of the message, or says what the version can't.
    pub fn json(&mut self, id: &MessageId<'_>, json: &Value) -> Result<Vec<u8>, JavaError> {
        let request = format!("json\t{}\t{json}", id.columns());
        let release = self.knowing(id)?;
        bytes(release, request)
    }

    /// Reads a `records` field: the vectors' `valid`, `batches` and `trailingBytes`, or `valid` and `error`.
    ///
    /// # Errors
    ///
    /// [`JavaError::Refused`] when what it decompresses to is more than the JVM holds.
    pub fn read(&mut self, records: &[u8]) -> Result<Value, JavaError> {
        let release = &mut self.releases[0];
        let columns = release.ask(format!("read\t{}", HEXLOWER.encode(records)))?;
        let [json] = &columns[..] else {
            return Err(release.failed("does not say what records are", &columns.join("\t")));
        };
        serde_json::from_str(json).map_err(|error| release.failed(&error.to_string(), json))
    }

    /// Writes one batch of any format.
    ///
    /// It has `magic`, `codec`, `level`, `timestampType`, `baseOffset`, `logAppendTime`, `producerId`,
    /// `producerEpoch`, `baseSequence`, `isTransactional`, `partitionLeaderEpoch` and `records`; each of those has
    /// `offset`, `timestamp`, `key`, `value` and `headers`, as in the vectors. A `level` left out, or null, is the
    /// codec's own, `baseOffset` is 0, `isTransactional` false, and other numbers of the batch are -1; `magic`,
    /// `codec`, `timestampType` and `records` must be there.
    ///
    /// # Errors
    ///
    /// [`JavaError::Refused`] when Java would not write such a batch, or a name is not one of these.
    pub fn write(&mut self, batch: &Value) -> Result<Vec<u8>, JavaError> {
        bytes(&mut self.releases[0], format!("write\t{batch}"))
    }

    /// The versions of a message that can be asked about, whichever release knows them.
    #[must_use]
    pub fn versions(&self, name: &str) -> Vec<RangeInclusive<i16>> {
        self.releases.iter().filter_map(|release| release.versions.get(name).cloned()).collect()
    }

    fn knowing(&mut self, id: &MessageId<'_>) -> Result<&mut Release, JavaError> {
        let knows = |release: &&mut Release| {
            release.versions.get(id.name).is_some_and(|versions| versions.contains(&id.version))
        };
        let unknown = || JavaError::Unknown { name: id.name.to_owned(), version: id.version };
        self.releases.iter_mut().find(knows).ok_or_else(unknown)
    }
}

/// The answer of a request whose answer is bytes.
fn bytes(release: &mut Release, request: String) -> Result<Vec<u8>, JavaError> {
    let columns = release.ask(request)?;
    match &columns[..] {
        [hex] => HEXLOWER.decode(hex.as_bytes()).ok(),
        _ => None,
    }
    .ok_or_else(|| release.failed("does not answer with bytes", &columns.join("\t")))
}
