//! The oracle: what Apache Kafka's Java client made, read and made again.
//!
//! A vector file holds one case a line; `vectors/README.md` tells the formats. The first word of a file's name says
//! which it is: `messages`, `records`, `partitioners` or `scram`. Each line is checked in both directions, and
//! lines that this release has never seen are as good as any: a defect in one is a failure with its reason, never a panic.
//!
//! [`java`] is the same library, asked while a test runs.

pub mod java;
mod json;
mod lines;
pub mod live;
mod messages;
mod partitioners;
pub mod random;
pub mod records;
pub mod scram;

use std::fmt;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use data_encoding::HEXLOWER_PERMISSIVE;
use flate2::read::MultiGzDecoder;

pub use json::{Secrets, difference, to_json};

/// What came of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// All is as Java has it.
    Agrees,
    /// It is about what no client speaks.
    Skipped,
}

/// Checks one line of a vector file, split at its tabs.
type Check = fn(&[&str]) -> Result<Checked, String>;

/// The check for a file of that name.
fn check_of(path: &Path) -> Result<Check, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let word = name.split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default();
    match word {
        "messages" => Ok(messages::check),
        "records" => Ok(|line| records::check(line).map(|()| Checked::Agrees)),
        "partitioners" => Ok(partitioners::check),
        "scram" => Ok(|line| scram::check(line).map(|()| Checked::Agrees)),
        _ => Err(format!(
            "{}: a vector file's name begins with messages, records, partitioners or scram",
            path.display()
        )),
    }
}

/// What came of all lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines that were checked.
    pub vectors: u64,
    /// Lines about what no client speaks.
    pub skipped: u64,
    /// Lines that do not agree, out of those that were checked.
    pub failures: u64,
}

impl Summary {
    /// Whether something was checked, and all of it agrees.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.failures == 0 && self.vectors > 0
    }

    /// Counts what came of a line, and tells a failure.
    pub fn count(&mut self, result: Result<Checked, String>, tell: &mut dyn FnMut(&str)) {
        match result {
            Ok(Checked::Skipped) => self.skipped += 1,
            Ok(Checked::Agrees) => self.vectors += 1,
            Err(failure) => {
                self.vectors += 1;
                self.failures += 1;
                tell(&failure);
            }
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} vectors, {} skipped, {} failures", self.vectors, self.skipped, self.failures)
    }
}

/// Checks every line of a file, plain or gzipped, and tells each failure.
///
/// # Errors
///
/// The file cannot be read, or its name does not say what it holds.
pub fn check_file(path: &Path, summary: &mut Summary, tell: &mut dyn FnMut(&str)) -> Result<(), String> {
    let check = check_of(path)?;
    let text = text_of(path)?;
    // Values hold other separators of lines.
    for (index, line) in text.split_terminator('\n').enumerate() {
        let columns: Vec<&str> = line.split('\t').collect();
        let result =
            check(&columns).map_err(|failure| format!("{} line {}: {failure}", path.display(), index + 1));
        summary.count(result, tell);
    }
    Ok(())
}

/// The text of a vector file, plain or gzipped.
///
/// # Errors
///
/// The file cannot be read, or is no text.
pub fn text_of(path: &Path) -> Result<String, String> {
    let unreadable = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
    let mut bytes = fs::read(path).map_err(|error| unreadable(&error))?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain).map_err(|error| unreadable(&error))?;
        bytes = plain;
    }
    String::from_utf8(bytes).map_err(|error| unreadable(&error))
}

fn columns<'a, const N: usize>(columns: &[&'a str]) -> Result<[&'a str; N], String> {
    columns.try_into().map_err(|_| format!("{} columns, {N} expected", columns.len()))
}

fn unhex(hex: &str) -> Result<Vec<u8>, String> {
    HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).map_err(|error| format!("bad hex: {error}"))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is no number, or too large a one"))
}
