//! `milena-conformance fuzz`: the fuzz targets without a fuzzer, and the seeds for one.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt as _};

use crate::cli::Failure;
use crate::fuzz::{Meter, TARGETS, Target, seeds, smoke, target};

const HELP: &str = "\
Usage: milena-conformance fuzz run TARGET|all [OPTIONS]
       milena-conformance fuzz seeds TARGET FOLDER

  run    runs a target on its seeds and on mutations of them; a property that does not hold ends the program
  seeds  writes a target's seeds, most of them made of the vectors, into an existing folder, for a fuzzer with coverage (fuzz/fuzz.sh)

Targets: messages, records, framer, tagged_fields, consumer_protocol, sasl, machine, recording

Options:
  --seconds N  for each target [default: 10]
  --seed S     one seed, one sequence of inputs [default: 1]
  --help       print this
";

/// Runs the command with the rest of the command line.
///
/// # Errors
/// Also when a folder can't be written to.
pub fn run(parser: &mut Parser, meter: Meter) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Failed(error.to_string());
    let mut out = io::stdout().lock();
    match options(parser).map_err(|error| Failure::Usage(format!("{error}; see fuzz --help")))? {
        Options::Help => out.write_all(HELP.as_bytes()).map_err(failed),
        Options::Seeds(target, folder) => {
            let written = write_seeds(target, &folder);
            let count = written.map_err(|error| Failure::Failed(format!("{}: {error}", folder.display())))?;
            writeln!(out, "{} {count} seeds", target.name).map_err(failed)
        }
        Options::Run { targets, seconds, seed } => {
            for target in targets {
                let runs = smoke(target, seed, Duration::from_secs(seconds), meter);
                writeln!(out, "{} {runs} runs, {} a second", target.name, runs / seconds).map_err(failed)?;
            }
            Ok(())
        }
    }
}

fn write_seeds(target: Target, folder: &Path) -> io::Result<usize> {
    let seeds = seeds(target.name);
    for (index, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("vector-{index:05}")), seed)?;
    }
    Ok(seeds.len())
}

#[derive(Debug)]
enum Options {
    Help,
    Seeds(Target, PathBuf),
    Run { targets: Vec<Target>, seconds: u64, seed: u64 },
}

fn options(parser: &mut Parser) -> Result<Options, lexopt::Error> {
    let (mut words, mut seconds, mut seed) = (Vec::new(), 10, 1);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Value(word) => words.push(word.string()?),
            Arg::Long("seconds") => seconds = parser.value()?.parse()?,
            Arg::Long("seed") => seed = parser.value()?.parse()?,
            Arg::Long("help") | Arg::Short('h') => return Ok(Options::Help),
            other => return Err(other.unexpected()),
        }
    }
    if seconds == 0 {
        return Err("--seconds: must be 1 or more".into());
    }
    let named = |name: &str| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        target(name).ok_or_else(|| format!("{name:?} is none of {}", names.join(", ")))
    };
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["run", "all"] => Ok(Options::Run { targets: TARGETS.to_vec(), seconds, seed }),
        ["run", name] => Ok(Options::Run { targets: vec![named(name)?], seconds, seed }),
        ["seeds", name, folder] => Ok(Options::Seeds(named(name)?, folder.into())),
        _ => Err("wanted is `run TARGET` or `seeds TARGET FOLDER`".into()),
    }
}
