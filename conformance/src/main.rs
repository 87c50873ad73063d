//! `milena-conformance`: Milena's proofs, from the command line.

use std::alloc::System;
use std::io::{self, Write as _};
use std::process::ExitCode;

use lexopt::{Arg, Parser};
use milena_conformance::cli::{Failure, bench, broker, fuzz, kafka, null_broker, oracle, replay, simulate};
use milena_conformance::fuzz::Meter;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// Counts allocations for the benches.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The same count for the fuzz targets.
const METER: Meter = Meter(|| ALLOCATOR.stats().bytes_allocated as u64);

const HELP: &str = "\
Usage: milena-conformance COMMAND [OPTIONS]

Commands:
  broker       run a simulated Kafka cluster
  null-broker  run a broker that costs next to nothing, to measure clients against
  kafka        run a real Apache Kafka
  bench        measure a client, or all of them beside each other
  fuzz         run the fuzz targets, or write their seeds
  oracle       check Milena's bytes against those of Java's client
  replay       run a client's recording again, and tell its story
  simulate     clients and a simulated cluster on virtual time, from seeds

`milena-conformance COMMAND --help` tells the options of a command. The exit code is 0 when all went well, 1 when
something failed, 2 when the command line is wrong.
";

fn main() -> ExitCode {
    match run(&mut Parser::from_env()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(error)) => {
            eprintln!("milena-conformance: {error}");
            ExitCode::from(2)
        }
        Err(Failure::Failed(error)) => {
            eprintln!("milena-conformance: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(parser: &mut Parser) -> Result<(), Failure> {
    let usage = |error: String| Failure::Usage(format!("{error}; see --help"));
    let command = match parser.next().map_err(|error| usage(error.to_string()))? {
        Some(Arg::Value(command)) => command.to_string_lossy().into_owned(),
        Some(Arg::Short('h') | Arg::Long("help")) => {
            return io::stdout()
                .write_all(HELP.as_bytes())
                .map_err(|error| Failure::Failed(error.to_string()));
        }
        Some(other) => return Err(usage(other.unexpected().to_string())),
        None => return Err(usage("no command is given".to_owned())),
    };
    match command.as_str() {
        "broker" => broker::run(parser),
        "null-broker" => null_broker::run(parser),
        "kafka" => kafka::run(parser),
        "bench" => bench::run(parser),
        "oracle" => oracle::run(parser),
        "fuzz" => fuzz::run(parser, METER),
        "replay" => replay::run(parser),
        "simulate" => simulate::run(parser),
        _ => Err(usage(format!("there is no command {command:?}"))),
    }
}
