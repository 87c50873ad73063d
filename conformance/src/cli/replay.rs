//! `milena-conformance replay`: a client's recording, run again.

use std::io::{self, BufWriter, ErrorKind, Write as _};
use std::path::PathBuf;

use lexopt::{Arg, Parser};
use milena_core::Recording;

use crate::cli::Failure;

const HELP: &str = "\
Usage: milena-conformance replay FILE [OPTIONS]

Runs the machine of a client again, with all that went into it when it was recorded, checks that the same comes out, and tells
what happened line by line: seconds since the beginning, an event, and after arrows what came of it. FILE holds what
Recording::to_bytes gave; only the version of Milena that made it can replay it.

Options:
  --quiet  check only, and print the last line
  --help   print this

The last line is `events N, outputs M, seconds S`. The exit code is 1 when something else came out, the error names the event.
";

/// Runs the command with the rest of the command line.
///
/// # Errors
/// Also when the replay is not what was recorded.
pub fn run(parser: &mut Parser) -> Result<(), Failure> {
    let usage = |error: lexopt::Error| Failure::Usage(format!("{error}; see replay --help"));
    let mut stdout = BufWriter::new(io::stdout().lock());
    let Some((file, quiet)) = options(parser).map_err(usage)? else {
        return stdout.write_all(HELP.as_bytes()).map_err(|error| Failure::Failed(error.to_string()));
    };
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(format!("{}: {error}", file.display()));
    let bytes = std::fs::read(&file).map_err(|error| failed(&error))?;
    let recording = Recording::from_bytes(&bytes).map_err(|error| failed(&error))?;
    let mut written = Ok(());
    let replayed = recording.replay(|line| {
        if !quiet && written.is_ok() {
            written = writeln!(stdout, "{line}");
        }
    });
    // What differs is told after the story that led there.
    let written = written.and_then(|()| stdout.flush());
    let replayed = replayed.map_err(|error| failed(&error))?;
    let time = replayed.time.as_secs_f64();
    let mut last = || {
        writeln!(stdout, "events {}, outputs {}, seconds {time:.6}", replayed.events, replayed.outputs)?;
        stdout.flush()
    };
    match written.and_then(|()| last()) {
        // Whoever read has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Failed(error.to_string())),
        _ => Ok(()),
    }
}

/// The file, and whether to tell nothing but the end; `None` for `--help`.
fn options(parser: &mut Parser) -> Result<Option<(PathBuf, bool)>, lexopt::Error> {
    let (mut file, mut quiet) = (None, false);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Value(path) if file.is_none() => file = Some(PathBuf::from(path)),
            Arg::Long("quiet") => quiet = true,
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some((file.ok_or("no file is given")?, quiet)))
}
