//! What can keep a real Kafka from running, said so that the reader can mend it.

use std::fmt;
use std::io;

/// Lines of a log that are shown: a Java stack trace with its causes.
const TAIL_LINES: usize = 40;

/// Why a Kafka did not start, or not start again.
#[derive(Debug)]
#[non_exhaustive]
pub enum KafkaError {
    /// There is no `java`, neither below `JAVA_HOME` nor on the path.
    JavaMissing,
    /// The JVM is older than Java 17; `found` is the first line of its `-version`.
    JavaTooOld {
        /// What it says of itself.
        found: String,
    },
    /// The JVM is one without Java's compiler.
    CompilerMissing,
    /// There is no `mvn` on the path, and the jars are not in the cache.
    MavenMissing,
    /// No such release, or one that the launcher can't start.
    Release {
        /// As it was asked for.
        version: String,
        /// What is wrong with it.
        why: String,
    },
    /// The options contradict themselves or Kafka.
    Options(String),
    /// Maven could not fetch the jars.
    Fetch {
        /// The release.
        version: String,
        /// The end of Maven's output.
        log: String,
    },
    /// A process ended, or was not ready in time.
    Start {
        /// The release.
        version: String,
        /// Which process, and what it did.
        what: String,
        /// The end of its log.
        log: String,
    },
    /// The operating system refused something.
    Io {
        /// What was being done.
        doing: String,
        /// Its answer.
        source: io::Error,
    },
}

impl KafkaError {
    pub(crate) fn io(doing: impl Into<String>, source: io::Error) -> Self {
        Self::Io { doing: doing.into(), source }
    }
}

impl fmt::Display for KafkaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::JavaMissing => f.write_str(
                "Kafka needs Java 17 or later, and there is no `java` below JAVA_HOME or on the path \
                 (on Debian and Ubuntu: `apt-get install openjdk-17-jre-headless`)",
            ),
            Self::JavaTooOld { found } => write!(
                f,
                "Kafka needs Java 17 or later, and this is {found:?} \
                 (on Debian and Ubuntu: `apt-get install openjdk-17-jre-headless`, and mind JAVA_HOME)"
            ),
            Self::CompilerMissing => f.write_str(
                "compiling a Java program against Kafka's jars needs a JDK, and this `java` has no compiler \
                 (on Debian and Ubuntu: `apt-get install openjdk-17-jdk-headless`, and mind JAVA_HOME)",
            ),
            Self::MavenMissing => f.write_str(
                "fetching Kafka's jars needs Maven, and there is no `mvn` on the path \
                 (on Debian and Ubuntu: `apt-get install maven`)",
            ),
            Self::Release { version, why } => write!(f, "Kafka release {version:?}: {why}"),
            Self::Options(why) => f.write_str(why),
            Self::Fetch { version, log } => {
                write!(f, "Maven could not fetch Kafka {version}; the end of its output:\n{log}")
            }
            Self::Start { version, what, log } => {
                write!(f, "Kafka {version}: {what}; the end of its log:\n{log}")
            }
            Self::Io { doing, source } => write!(f, "{doing}: {source}"),
        }
    }
}

impl std::error::Error for KafkaError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// The last lines of a log.
pub(crate) fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    match lines.len() {
        0 => "(empty)".to_owned(),
        count => lines[count.saturating_sub(TAIL_LINES)..].join("\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_how_to_get_what_is_missing() {
        assert!(KafkaError::JavaMissing.to_string().contains("apt-get install openjdk-17-jre-headless"));
        assert!(KafkaError::CompilerMissing.to_string().contains("apt-get install openjdk-17-jdk-headless"));
        assert!(KafkaError::MavenMissing.to_string().contains("apt-get install maven"));
        let old = KafkaError::JavaTooOld { found: "java version \"1.8.0_392\"".to_owned() }.to_string();
        assert!(old.contains("1.8.0_392") && old.contains("openjdk-17"), "{old}");
    }

    #[test]
    fn a_failed_start_shows_the_end_of_the_log() {
        let log: String = (1..=100).map(|line| format!("line {line}\n")).collect();
        let error = KafkaError::Start {
            version: "4.3.1".to_owned(),
            what: "node 1 ended".to_owned(),
            log: tail(&log),
        };
        let text = error.to_string();
        assert!(text.starts_with("Kafka 4.3.1: node 1 ended"), "{text}");
        assert!(text.ends_with("line 99\nline 100"), "{text}");
        assert!(!text.contains("line 60\n") && text.contains("line 61\n"), "{text}");
        assert_eq!(tail(""), "(empty)");
    }
}
