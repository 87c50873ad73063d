//! `milena-conformance oracle`: Milena's bytes against those that Java's client made.

use std::io::{self, Write as _};
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use lexopt::{Arg, Parser, ValueExt as _};

use crate::cli::Failure;
use crate::oracle::java::{Java, JavaError};
use crate::oracle::{Summary, check_file, live};

const HELP: &str = "\
Usage: milena-conformance oracle FILE...
       milena-conformance oracle --live [--seed S] [--count N]

Checks vector files that Java's client made, each line in both directions: the bytes are decoded and every field is
compared, then the value is encoded and the bytes are compared. The first word of a file's name says what it holds:
messages, records, partitioners or scram; it may be gzipped. conformance/vectors/README.md tells the formats.

With --live it asks Java's client itself, releases 4.3.1 and 3.9.2, which wants a JDK of Java 17 or later and Maven: random
messages that Milena encodes are decoded, compared and encoded by Java and back, and random batches of every format and
codec are written by each of the two and read by both.

Options:
  --live     ask Java itself
  --seed S   one seed, one sequence of messages and batches [default: 1]
  --count N  so many messages, and a tenth as many batches [default: 2000]
  --help     print this

Prints each failure, and at the end `N vectors, S skipped, F failures`: those checked, those about what only brokers and
controllers say to each other, and those that do not agree. The exit code is 0 when F is 0 and N is not.
";

/// Runs the command with the rest of the command line.
///
/// # Errors
/// Also when something does not agree, or nothing was checked.
pub fn run(parser: &mut Parser) -> Result<(), Failure> {
    let options = options(parser).map_err(|error| Failure::Usage(format!("{error}; see oracle --help")))?;
    // Whoever closed the pipe still gets the exit code.
    let mut tell = |line: &str| {
        let _ = writeln!(io::stdout(), "{line}");
    };
    let mut summary = Summary::default();
    match options {
        Options::Help => {
            return io::stdout()
                .write_all(HELP.as_bytes())
                .map_err(|error| Failure::Failed(error.to_string()));
        }
        Options::Files(files) => {
            for file in files {
                check_file(&file, &mut summary, &mut tell)?;
            }
        }
        Options::Live { seed, count } => {
            let failed = |error: JavaError| Failure::Failed(error.to_string());
            let mut java = Java::start().map_err(failed)?;
            let bar = ProgressBar::new(count).with_style(style());
            let mut progress = |done| {
                if done % 100 == 0 {
                    bar.set_position(done);
                }
            };
            summary = live::run(&mut java, seed, count, &mut tell, &mut progress).map_err(failed)?;
            bar.finish_and_clear();
        }
    }
    tell(&summary.to_string());
    match summary.is_good() {
        true => Ok(()),
        false if summary.vectors == 0 => Err(Failure::Failed("nothing was checked".to_owned())),
        false => Err(Failure::Failed("not everything agrees with Java".to_owned())),
    }
}

fn style() -> ProgressStyle {
    let template = ProgressStyle::with_template("{pos}/{len} messages, {per_sec}, {eta} left");
    template.unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[derive(Debug, PartialEq)]
enum Options {
    Help,
    Files(Vec<PathBuf>),
    Live { seed: u64, count: u64 },
}

fn options(parser: &mut Parser) -> Result<Options, lexopt::Error> {
    let (mut files, mut live, mut seed, mut count) = (Vec::new(), false, None, None);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Value(file) => files.push(file.into()),
            Arg::Long("live") => live = true,
            Arg::Long("seed") => seed = Some(parser.value()?.parse()?),
            Arg::Long("count") => count = Some(parser.value()?.parse()?),
            Arg::Long("help") | Arg::Short('h') => return Ok(Options::Help),
            other => return Err(other.unexpected()),
        }
    }
    match (live, files.is_empty()) {
        (true, true) if count == Some(0) => Err("--count: must be 1 or more".into()),
        (true, true) => Ok(Options::Live { seed: seed.unwrap_or(1), count: count.unwrap_or(2000) }),
        (true, false) => Err("a file and --live are two things".into()),
        (false, _) if seed.is_some() || count.is_some() => Err("--seed and --count are for --live".into()),
        (false, true) => Err("no file is given".into()),
        (false, false) => Ok(Options::Files(files)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let parsed = |line: &str| {
            options(&mut Parser::from_args(line.split_whitespace())).map_err(|error| error.to_string())
        };
        assert_eq!(parsed("a b"), Ok(Options::Files(vec!["a".into(), "b".into()])));
        assert_eq!(parsed("--live --seed 7 --count=9"), Ok(Options::Live { seed: 7, count: 9 }));
        assert_eq!(parsed("--live"), Ok(Options::Live { seed: 1, count: 2000 }));
        for (line, reason) in [
            ("", "no file is given"),
            ("--live a", "two things"),
            ("--seed 7 a", "are for --live"),
            ("--live --count 0", "must be 1 or more"),
            ("--live --count x", "x"),
        ] {
            assert!(parsed(line).unwrap_err().contains(reason), "{line}");
        }
    }
}
