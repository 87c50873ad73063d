//! `milena-conformance broker`: the simulated cluster as a process.

use std::io::{self, Read, Write};
use std::sync::mpsc;
use std::thread;

use lexopt::{Arg, Parser, ValueExt};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::Failure;
use crate::cluster::{Cluster, ClusterOptions, Release, Security};

const HELP: &str = "\
Usage: milena-conformance broker [OPTIONS]

Runs a simulated Kafka cluster on 127.0.0.1 until standard input is closed, or SIGINT or SIGTERM comes.
Prints one line, `bootstrap=127.0.0.1:PORT,...`, when it is ready. All data is in memory.

Options:
  --port PORT           the first broker's port, the others have those after it; 0: any [default: 0]
  --nodes N             brokers [default: 1]
  --topic NAME[:N]      a topic with N partitions [default: 1]; can be given many times
  --as-version RELEASE  behave as this release of Kafka, 0.10.1 to 4.3 [default: 4.3]
  --auto-create-topics  create topics that clients ask for
  --retention-bytes N   bytes kept in each partition [default: 1073741824]
  --validate-records    parse every record written, as real brokers do
  --config NAME=VALUE   a broker configuration by Kafka's name, such as num.partitions=6; can be given many times
  --user NAME:PASSWORD  clients have to be one of these users, by SASL/PLAIN or SCRAM; can be given many times

With --config authorizer.class.name=yes access rules are enforced; --config super.users=User:NAME makes somebody exempt, and
--config allow.everyone.if.no.acl.found=true allows what no rule is about.
  --help                print this
";

/// Runs the command with the rest of the command line.
pub fn run(parser: &mut Parser) -> Result<(), Failure> {
    let Some((options, port)) = options(parser).map_err(Failure::Usage)? else {
        return io::stdout().write_all(HELP.as_bytes()).map_err(|error| Failure::Failed(error.to_string()));
    };
    let cluster =
        Cluster::builder().options(options).port(port).start().map_err(|error| error.to_string())?;
    serve(&cluster.bootstrap())
}

/// Tells where a broker is, and waits until standard input is closed or a signal comes.
pub(super) fn serve(bootstrap: &str) -> Result<(), Failure> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM]).map_err(|error| format!("cannot handle signals: {error}"))?;
    let (stop, stopped) = mpsc::channel();
    thread::spawn({
        let stop = stop.clone();
        move || {
            if signals.forever().next().is_some() {
                let _ = stop.send(());
            }
        }
    });
    thread::spawn(move || {
        let mut ignored = [0; 1024];
        while !matches!(io::stdin().read(&mut ignored), Ok(0) | Err(_)) {}
        let _ = stop.send(());
    });
    let mut stdout = io::stdout();
    writeln!(stdout, "bootstrap={bootstrap}")
        .and_then(|()| stdout.flush())
        .map_err(|error| format!("cannot write to standard output: {error}"))?;
    // The senders never go away before they have sent.
    let _ = stopped.recv();
    Ok(())
}

/// Options and first port; `None` for `--help`.
fn options(parser: &mut Parser) -> Result<Option<(ClusterOptions, u16)>, String> {
    let mut options = ClusterOptions::default();
    let mut port = 0;
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        match arg {
            Arg::Long("port") => port = number(parser, "--port")?,
            Arg::Long("nodes") => options.nodes = number(parser, "--nodes")?,
            Arg::Long("topic") => options.topics.push(topic(&value(parser, "--topic")?)?),
            Arg::Long("as-version") => {
                let release = value(parser, "--as-version")?;
                options.as_version =
                    release.parse::<Release>().map_err(|error| format!("--as-version: {error}"))?;
            }
            Arg::Long("auto-create-topics") => options.auto_create_topics = true,
            Arg::Long("retention-bytes") => options.retention_bytes = number(parser, "--retention-bytes")?,
            Arg::Long("validate-records") => options.validate_records = true,
            Arg::Long("config") => options.configs.push(pair(&value(parser, "--config")?, "--config", '=')?),
            Arg::Long("user") => {
                let user = pair(&value(parser, "--user")?, "--user", ':')?;
                options.security.get_or_insert_with(Security::default).users.push(user);
            }
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            other => return Err(format!("{}; see --help", other.unexpected())),
        }
    }
    options.check_configs().map_err(|error| format!("--config: {error}"))?;
    Ok(Some((options, port)))
}

/// Two texts with something between.
fn pair(text: &str, option: &str, between: char) -> Result<(String, String), String> {
    let (first, second) =
        text.split_once(between).ok_or_else(|| format!("{option}: no {between:?} in {text:?}"))?;
    Ok((first.to_owned(), second.to_owned()))
}

pub(super) fn value(parser: &mut Parser, option: &str) -> Result<String, String> {
    let value = parser.value().map_err(|error| error.to_string())?;
    value.string().map_err(|error| format!("{option}: {error}"))
}

pub(super) fn number<T: std::str::FromStr<Err: std::fmt::Display>>(
    parser: &mut Parser,
    option: &str,
) -> Result<T, String> {
    let text = value(parser, option)?;
    text.parse().map_err(|error| format!("{option}: {text:?} is not a number in its range: {error}"))
}

pub(super) fn topic(text: &str) -> Result<(String, i32), String> {
    let Some((name, partitions)) = text.split_once(':') else { return Ok((text.to_owned(), 1)) };
    match partitions.parse() {
        Ok(partitions @ 1..) => Ok((name.to_owned(), partitions)),
        _ => Err(format!("--topic: {partitions:?} is not a number of partitions, in {text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Option<(ClusterOptions, u16)>, String> {
        options(&mut Parser::from_args(args))
    }

    #[test]
    fn options_are_read() {
        let args =
            ["--port", "9092", "--nodes=3", "--topic", "events:6", "--topic", "one", "--as-version", "2.8.2"];
        let (options, port) = parsed(&args).unwrap().unwrap();
        assert_eq!((options.nodes, port), (3, 9092));
        assert_eq!(options.topics, [("events".to_owned(), 6), ("one".to_owned(), 1)]);
        assert_eq!(options.as_version.to_string(), "2.8");
        assert!(!options.auto_create_topics);
        assert!(parsed(&["--auto-create-topics"]).unwrap().unwrap().0.auto_create_topics);
        let args = ["--config", "num.partitions=6", "--user", "alice:a:b", "--config=super.users=User:alice"];
        let (options, _) = parsed(&args).unwrap().unwrap();
        assert_eq!(options.configs[0], ("num.partitions".to_owned(), "6".to_owned()));
        assert_eq!(options.configs[1].1, "User:alice");
        assert_eq!(options.security.unwrap().users, [("alice".to_owned(), "a:b".to_owned())]);
        assert!(parsed(&["--help"]).unwrap().is_none());
    }

    #[test]
    fn bad_options_are_named() {
        for (args, named) in [
            (["--port", "70000"], "--port"),
            (["--nodes", "x"], "--nodes"),
            (["--topic", "a:0"], "--topic"),
            (["--topic", "a:b"], "--topic"),
            (["--as-version", "9.9"], "9.9"),
            (["--colour", "red"], "--colour"),
            (["--config", "num.partitions"], "--config"),
            (["--config", "num.partitions=none"], "Not a number"),
            (["--config", "colour=red"], "colour"),
            (["--user", "alice"], "--user"),
        ] {
            let error = parsed(&args).unwrap_err();
            assert!(error.contains(named), "{args:?}: {error}");
        }
        assert!(parsed(&["--port"]).unwrap_err().contains("--port"));
    }
}
