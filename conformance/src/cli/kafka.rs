//! `milena-conformance kafka`: a real Apache Kafka for as long as somebody holds its standard input.

use std::io::{self, BufRead as _, Write as _};
use std::sync::mpsc::{self, Sender};
use std::thread;

use crate::cli::Failure;
use crate::kafka::{Kafka, KafkaError, KafkaOptions};
use lexopt::{Arg, Parser, ValueExt as _};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

const USAGE: &str = "\
usage: milena-conformance kafka [OPTIONS]

Starts a real Apache Kafka on free ports of 127.0.0.1, prints `bootstrap=HOST:PORT,...` when it is ready, and runs
until its standard input closes, SIGINT or SIGTERM comes, or its parent dies; nothing it started stays behind.
In a script keep the input open: `sleep infinity | milena-conformance kafka`. Needs Java 17 and, once, Maven.

  --version X.Y.Z        release, 0.10.1.0 or later (4.3.1)
  --nodes 1|3            brokers (1)
  --property KEY=VALUE   broker property, before the launcher's own; may be repeated
  --listener NAME=PROTO  further listener, as in TLS=SSL; prints `NAME=HOST:PORT,...` too; may be repeated
  --format-argument ARG  further argument of KRaft's storage format, as in --format-argument=--feature
  -h, --help             this text

Lines on standard input command nodes, by id from 1: `kill N`, `shutdown N`, `pause N`, `resume N`, `restart N`.
Each is answered by `done COMMAND N`, or `failed COMMAND N` with the reason on standard error.

The jars are kept in MILENA_KAFKA_CACHE, by default `kafka` in cargo's target directory.";

/// Runs the subcommand; its arguments are what is left in `parser`.
pub fn run(parser: &mut Parser) -> Result<(), Failure> {
    let Some((options, listeners)) =
        parse(parser).map_err(|error| Failure::Usage(format!("{error}; see kafka --help")))?
    else {
        return Ok(say(USAGE)?);
    };
    // The parent may be killed while others hold the other end of the standard input.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
        .map_err(|error| format!("asking for a signal when the parent dies: {error}"))?;
    let (events, received) = mpsc::channel();
    watch_signals(events.clone()).map_err(|error| format!("watching for signals: {error}"))?;
    watch_input(events.clone());
    thread::spawn(move || events.send(Event::Started(options.start().map(Box::new))));

    let mut kafka = None;
    // Left early, the end of this process ends what has been started so far.
    for event in received {
        match event {
            Event::Stop => break,
            Event::Started(started) => {
                let started = started.map_err(|error| error.to_string())?;
                let mut lines = format!("bootstrap={}", started.bootstrap());
                for name in &listeners {
                    let addresses = started.bootstrap_of(name).unwrap_or_default();
                    lines.push_str(&format!("\n{name}={addresses}"));
                }
                say(&lines)?;
                kafka = Some(started);
            }
            Event::Line(line) => match &mut kafka {
                None => say(&format!("failed {line}"))?,
                Some(kafka) => match command(kafka, &line) {
                    Ok(()) => say(&format!("done {line}"))?,
                    Err(error) => {
                        eprintln!("{error}");
                        say(&format!("failed {line}"))?;
                    }
                },
            },
        }
    }
    if let Some(kafka) = kafka {
        kafka.stop();
    }
    Ok(())
}

enum Event {
    Started(Result<Box<Kafka>, KafkaError>),
    Line(String),
    Stop,
}

/// The options and the names of further listeners; `None` when help is asked for.
fn parse(parser: &mut Parser) -> Result<Option<(KafkaOptions, Vec<String>)>, lexopt::Error> {
    let mut options = Kafka::builder().progress(|step| eprintln!("{step}"));
    let mut listeners = Vec::new();
    while let Some(argument) = parser.next()? {
        options = match argument {
            Arg::Long("version") => options.version(parser.value()?.string()?),
            Arg::Long("nodes") => options.nodes(parser.value()?.parse()?),
            Arg::Long("property") => {
                let (key, value) = pair(&parser.value()?.string()?)?;
                options.property(key, value)
            }
            Arg::Long("listener") => {
                let (name, protocol) = pair(&parser.value()?.string()?)?;
                listeners.push(name.clone());
                options.listener(name, protocol)
            }
            Arg::Long("format-argument") => options.format_argument(parser.value()?.string()?),
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        };
    }
    Ok(Some((options, listeners)))
}

fn pair(text: &str) -> Result<(String, String), lexopt::Error> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text:?} has no `=`"))?;
    Ok((key.to_owned(), value.to_owned()))
}

fn watch_signals(events: Sender<Event>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || {
        for _ in signals.forever() {
            if events.send(Event::Stop).is_err() {
                break;
            }
        }
    });
    Ok(())
}

fn watch_input(events: Sender<Event>) {
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if events.send(Event::Line(line)).is_err() {
                return;
            }
        }
        let _ = events.send(Event::Stop);
    });
}

fn command(kafka: &mut Kafka, line: &str) -> Result<(), String> {
    let wrong =
        || format!("{line:?}: not `kill`, `shutdown`, `pause`, `resume` or `restart` and a node's id");
    let (verb, node) = line.split_once(' ').ok_or_else(wrong)?;
    let node: usize = node.trim().parse().map_err(|_| wrong())?;
    if !(1..=kafka.nodes()).contains(&node) {
        return Err(format!("{line:?}: the nodes are 1 to {}", kafka.nodes()));
    }
    match verb {
        "kill" => kafka.kill(node),
        "shutdown" => kafka.shut_down(node),
        "pause" => kafka.pause(node),
        "resume" => kafka.resume(node),
        "restart" => return kafka.restart(node).map_err(|error| error.to_string()),
        _ => return Err(wrong()),
    }
    Ok(())
}

/// Writes lines to standard output at once; whoever reads them is waiting.
fn say(lines: &str) -> Result<(), String> {
    let mut output = io::stdout().lock();
    writeln!(output, "{lines}")
        .and_then(|()| output.flush())
        .map_err(|error| format!("standard output: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(arguments: &[&str]) -> String {
        match parse(&mut Parser::from_args(arguments)) {
            Ok(_) => panic!("{arguments:?} are taken"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn options_are_read() {
        let arguments = ["--version=2.8.2", "--nodes", "3", "--property", "a=b=c", "--listener", "TLS=SSL"];
        let (options, listeners) = parse(&mut Parser::from_args(arguments)).expect("valid").expect("no help");
        assert_eq!(listeners, ["TLS"]);
        let text = format!("{options:?}");
        assert!(text.contains("version: \"2.8.2\", nodes: 3, properties: [(\"a\", \"b=c\")]"), "{text}");
        assert!(parse(&mut Parser::from_args(["--help"])).expect("valid").is_none());
    }

    #[test]
    fn wrong_options_are_named() {
        assert!(
            error(&["--property", "novalue"]).contains("novalue"),
            "{}",
            error(&["--property", "novalue"])
        );
        assert!(error(&["--nodes", "many"]).contains("many"));
        assert!(error(&["--no-such"]).contains("--no-such"));
    }
}
