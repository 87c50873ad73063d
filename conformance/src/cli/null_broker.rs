//! `milena-conformance null-broker`: a broker that costs next to nothing, as a process.

use std::io::{self, Write as _};

use lexopt::{Arg, Parser};

use super::broker::{number, serve, topic, value};
use crate::bench::process_cpu;
use crate::cli::Failure;
use crate::null_broker::NullBroker;

const HELP: &str = "\
Usage: milena-conformance null-broker [OPTIONS]

Runs one broker on 127.0.0.1 that takes every write and keeps nothing of it, and whose topics can be read without an end, so that a
client alone is measured. It runs until standard input is closed, or SIGINT or SIGTERM comes.
Prints one line, `bootstrap=127.0.0.1:PORT`, when it is ready, and one when it ends: `produces=N fetches=N cpu_s=S`, the requests it
has answered and what it has cost.

Options:
  --port PORT       0: any [default: 0]
  --topic NAME[:N]  a topic with N partitions [default: 1]; can be given many times
  --size BYTES      of each value that is read [default: 100]
  --help            print this
";

/// Runs the command with the rest of the command line.
///
/// # Errors
/// A wrong command line, a port that can't be listened on.
pub fn run(parser: &mut Parser) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Failed(error.to_string());
    let Some(options) = options(parser).map_err(Failure::Usage)? else {
        return io::stdout().write_all(HELP.as_bytes()).map_err(failed);
    };
    let broker = NullBroker::start(options.port, &options.topics, options.size)
        .map_err(|error| format!("cannot listen on 127.0.0.1:{}: {error}", options.port))?;
    serve(&broker.bootstrap())?;
    let (produces, fetches, cpu) = (broker.produces(), broker.fetches(), process_cpu().as_secs_f64());
    writeln!(io::stdout(), "produces={produces} fetches={fetches} cpu_s={cpu:.4}").map_err(failed)
}

#[derive(Debug, PartialEq, Eq)]
struct Options {
    port: u16,
    topics: Vec<(String, i32)>,
    size: usize,
}

/// `None` for `--help`.
fn options(parser: &mut Parser) -> Result<Option<Options>, String> {
    let mut options = Options { port: 0, topics: Vec::new(), size: 100 };
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        match arg {
            Arg::Long("port") => options.port = number(parser, "--port")?,
            Arg::Long("topic") => options.topics.push(topic(&value(parser, "--topic")?)?),
            Arg::Long("size") => options.size = number(parser, "--size")?,
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            other => return Err(format!("{}; see --help", other.unexpected())),
        }
    }
    if options.size > MAX_SIZE {
        return Err(format!("--size: brokers take no record above {MAX_SIZE} bytes; see --help"));
    }
    Ok(Some(options))
}

/// More than a batch of the default `message.max.bytes` holds could not be written.
const MAX_SIZE: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &str) -> Result<Option<Options>, String> {
        options(&mut Parser::from_args(args.split_whitespace()))
    }

    #[test]
    fn options_are_read() {
        let options = parsed("--port 9092 --topic events:6 --topic one --size=7").unwrap().unwrap();
        let topics = vec![("events".to_owned(), 6), ("one".to_owned(), 1)];
        assert_eq!(options, Options { port: 9092, topics, size: 7 });
        assert_eq!(parsed("").unwrap().unwrap(), Options { port: 0, topics: Vec::new(), size: 100 });
        assert_eq!(parsed("--help").unwrap(), None);
    }

    #[test]
    fn bad_options_are_named() {
        for (args, named) in [
            ("--port 70000", "--port"),
            ("--topic a:0", "--topic"),
            ("--size x", "--size"),
            ("--size 1000001", "--size"),
            ("--nodes 3", "--nodes"),
        ] {
            let error = parsed(args).unwrap_err();
            assert!(error.contains(named), "{args:?}: {error}");
        }
    }
}
