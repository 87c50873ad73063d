//! `milena-conformance oracle`: Milena's bytes against those that Java's client made.

use std::io::{self, Write as _};
use std::path::PathBuf;

use lexopt::{Arg, Parser};

use crate::cli::Failure;
use crate::oracle::{Summary, check_file};

const HELP: &str = "\
Usage: milena-conformance oracle FILE...

Checks vector files that Java's client made, each line in both directions: the bytes are decoded and every field is
compared, then the value is encoded and the bytes are compared. The first word of a file's name says what it holds:
messages, records, partitioners or scram; it may be gzipped. conformance/vectors/README.md tells the formats.

Options:
  --help     print this

Prints each failure, and at the end `N vectors, S skipped, F failures`: those checked, those about what only brokers and
controllers say to each other, and those that do not agree. The exit code is 0 when F is 0 and N is not.
";

/// Runs the command with the rest of the command line.
///
/// # Errors
/// Also when something does not agree, or nothing was checked.
pub fn run(parser: &mut Parser) -> Result<(), Failure> {
    let files = options(parser).map_err(|error| Failure::Usage(format!("{error}; see oracle --help")))?;
    let mut out = io::stdout().lock();
    let Some(files) = files else {
        return out.write_all(HELP.as_bytes()).map_err(|error| Failure::Failed(error.to_string()));
    };
    let mut summary = Summary::default();
    for file in files {
        check_file(&file, &mut summary, &mut |failure| {
            // Whoever closed the pipe still gets the exit code.
            let _ = writeln!(out, "{failure}");
        })?;
    }
    let _ = writeln!(out, "{summary}");
    match summary.is_good() {
        true => Ok(()),
        false if summary.vectors == 0 => Err(Failure::Failed("nothing was checked".to_owned())),
        false => Err(Failure::Failed("not everything agrees with Java".to_owned())),
    }
}

/// `None` for `--help`.
fn options(parser: &mut Parser) -> Result<Option<Vec<PathBuf>>, lexopt::Error> {
    let mut files = Vec::new();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Value(file) => files.push(file.into()),
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    match files.is_empty() {
        true => Err("no file is given".into()),
        false => Ok(Some(files)),
    }
}
