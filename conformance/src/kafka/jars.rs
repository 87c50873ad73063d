//! Java, and a cache of each release's jars below the workspace's `target/` directory, filled by Maven.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::Process;
use super::releases::Release;
use super::{KafkaError, tail};

/// Kafka 4's classes are Java 17's, and every older release starts on 17 too.
const OLDEST_JAVA: u32 = 17;
/// A first fetch takes under half a minute; a slow mirror may need minutes, a hung one must not hold a test for ever.
const FETCH_LIMIT: Duration = Duration::from_secs(600);

/// Logs go to standard error: below 4.0 by log4j 1, from 4.0 on by log4j 2, and each ignores the other's file.
const LOG4J: (&str, &str) = (
    "log4j.properties",
    "log4j.rootLogger=WARN,A\n\
     log4j.appender.A=org.apache.log4j.ConsoleAppender\n\
     log4j.appender.A.target=System.err\n\
     log4j.appender.A.layout=org.apache.log4j.PatternLayout\n\
     log4j.appender.A.layout.ConversionPattern=[%d] %p %m (%c)%n\n",
);
const LOG4J2: (&str, &str) = (
    "log4j2.properties",
    "status=ERROR\n\
     appender.console.type=Console\n\
     appender.console.name=C\n\
     appender.console.target=SYSTEM_ERR\n\
     appender.console.layout.type=PatternLayout\n\
     appender.console.layout.pattern=[%d] %p %m (%c)%n\n\
     rootLogger.level=WARN\n\
     rootLogger.appenderRef.c.ref=C\n",
);

/// The JVM to run everything on.
#[derive(Clone, Debug)]
pub(super) struct Java {
    pub(super) program: PathBuf,
    /// `17.0.15`, as the JVM spells it.
    version: String,
}

impl Java {
    /// `$JAVA_HOME/bin/java`, else `java` on the path; an error when there is none or it is too old.
    pub(super) fn find() -> Result<Self, KafkaError> {
        let program = env::var_os("JAVA_HOME")
            .map(|home| Path::new(&home).join("bin/java"))
            .filter(|program| program.is_file())
            .or_else(|| on_path("java"))
            .ok_or(KafkaError::JavaMissing)?;
        let output = Command::new(&program)
            .arg("-version")
            .output()
            .map_err(|error| KafkaError::io(format!("{} -version", program.display()), error))?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        match java_version(&text) {
            Some((version, major)) if major >= OLDEST_JAVA => {
                Ok(Self { program, version: version.to_owned() })
            }
            _ => Err(KafkaError::JavaTooOld { found: text.lines().next().unwrap_or_default().to_owned() }),
        }
    }
}

/// The version and its first number from what `java -version` writes (`openjdk version "17.0.15" 2025-04-15`).
fn java_version(text: &str) -> Option<(&str, u32)> {
    let version = text.split('"').nth(1)?;
    let major = version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    Some((version, major))
}

/// Maven's `mvn` on the path.
pub(super) fn maven() -> Result<PathBuf, KafkaError> {
    on_path("mvn").ok_or(KafkaError::MavenMissing)
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}

/// Where the jars of all releases are kept.
///
/// `MILENA_KAFKA_CACHE` if set, else `kafka` in the `target` directory that this program was built into, else in
/// `CARGO_TARGET_DIR`, else in the workspace's own `target`.
pub(super) fn cache() -> PathBuf {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("MILENA_KAFKA_CACHE")
        .or_else(|| Some(target_of(&env::current_exe().ok()?)?.join("kafka")))
        .or_else(|| Some(set("CARGO_TARGET_DIR")?.join("kafka")))
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/kafka"))
}

/// The directory above `program` that cargo marked as its target directory.
fn target_of(program: &Path) -> Option<PathBuf> {
    program.ancestors().find(|directory| directory.join("CACHEDIR.TAG").is_file()).map(Path::to_owned)
}

/// A release's jars and logging files, ready to run.
#[derive(Clone, Debug)]
pub(super) struct Jars {
    pub(super) directory: PathBuf,
}

impl Jars {
    /// The cached jars of `release`, fetched first if they are not there.
    ///
    /// A release's directory appears by one rename, so what can be seen is whole; the lock only keeps parallel tests
    /// from fetching the same jars, and Maven from sharing its local repository with itself.
    pub(super) fn prepare(release: &Release, progress: fn(&str)) -> Result<Self, KafkaError> {
        let cache = cache();
        let create = |error| KafkaError::io(format!("creating {}", cache.display()), error);
        fs::create_dir_all(&cache).map_err(create)?;
        let cache = cache.canonicalize().map_err(create)?;
        let jars = Self { directory: cache.join(release.to_string()) };
        if jars.is_current(release) {
            return Ok(jars);
        }
        let maven = maven()?;
        let _lock = lock(&cache.join("fetch.lock"))?;
        if jars.is_current(release) {
            return Ok(jars);
        }
        progress(&format!("fetching the jars of Kafka {release} into {}", jars.directory.display()));
        let fresh = cache.join(format!("{release}.fetching"));
        let fetched = jars.fetch(release, &maven, &fresh);
        if fetched.is_err() {
            let _ = fs::remove_dir_all(&fresh);
        }
        fetched.map(|()| jars)
    }

    /// Whether the directory holds what today's rules for the release ask for.
    fn is_current(&self, release: &Release) -> bool {
        fs::read_to_string(self.directory.join("pom.xml")).is_ok_and(|pom| pom == release.pom())
    }

    fn fetch(&self, release: &Release, maven: &Path, fresh: &Path) -> Result<(), KafkaError> {
        let write = |error| KafkaError::io(format!("writing {}", fresh.display()), error);
        remove(fresh).map_err(write)?;
        fs::create_dir(fresh).map_err(write)?;
        for (name, text) in [LOG4J, LOG4J2, ("pom.xml", &release.pom())] {
            fs::write(fresh.join(name), text).map_err(write)?;
        }
        let arguments =
            ["-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=libs", "-DincludeScope=runtime"];
        let mut child = Process::spawn(maven, &arguments, fresh, &fresh.join("maven.log"))
            .map_err(|error| KafkaError::io("starting Maven", error))?;
        let ended = child.wait(FETCH_LIMIT);
        let log = child.log();
        let done = ended && child.exited().is_ok_and(|status| status.is_some_and(|status| status.success()));
        if log.contains(&format!("org.apache.kafka:{}:jar:{release}", release.artifact()))
            && log.contains("Could not find artifact")
        {
            return Err(KafkaError::Release {
                version: release.to_string(),
                why: "Maven's repositories do not have it".to_owned(),
            });
        }
        if !done {
            return Err(KafkaError::Fetch { version: release.to_string(), log: tail(&log) });
        }
        remove(&self.directory).and_then(|()| fs::rename(fresh, &self.directory)).map_err(write)
    }

    /// What Java is to be told before the main class and its arguments.
    ///
    /// `classes` is a directory of further classes, to be found before those of the jars.
    pub(super) fn jvm_flags(
        &self,
        heap_megabytes: u32,
        archive: &Archive,
        classes: Option<&Path>,
    ) -> Vec<OsString> {
        let mut flags: Vec<OsString> = vec![format!("-Xmx{heap_megabytes}m").into()];
        // Short lives on few cores: the cheapest collector and the quick compiler only.
        flags.extend(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"].map(OsString::from));
        flags.extend(archive.flag());
        // ZooKeeper 3.4 would look for log4j classes that its replacement does not have.
        flags.push("-Dzookeeper.jmx.log4j.disable=true".into());
        flags.push(joined("-Dlog4j.configuration=file:", &self.directory.join(LOG4J.0)));
        flags.push(joined("-Dlog4j2.configurationFile=", &self.directory.join(LOG4J2.0)));
        let mut class_path = OsString::new();
        if let Some(classes) = classes {
            class_path.push(classes);
            class_path.push(":");
        }
        class_path.push(self.directory.join("libs/*"));
        flags.extend(["-cp".into(), class_path]);
        flags
    }

    /// The class path with every jar by name: only `java` itself understands a star.
    pub(super) fn class_path(&self) -> Result<OsString, KafkaError> {
        let libs = self.directory.join("libs");
        let join = || -> io::Result<OsString> {
            let mut jars: Vec<_> =
                fs::read_dir(&libs)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
            jars.sort();
            env::join_paths(jars).map_err(io::Error::other)
        };
        join().map_err(|error| KafkaError::io(format!("listing {}", libs.display()), error))
    }

    /// The file of loaded classes that a broker of this release may start from on `java`.
    pub(super) fn archive_file(&self, java: &Java) -> PathBuf {
        self.directory.join(format!("java-{}.jsa", java.version))
    }
}

/// What a JVM does about the archive of loaded classes, which saves it two fifths of its start's CPU time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Archive {
    /// Nothing.
    None,
    /// Starts from it; a JVM that it does not fit ignores it.
    Use(PathBuf),
    /// Writes it on a normal exit.
    Make(PathBuf),
}

impl Archive {
    fn flag(&self) -> Option<OsString> {
        match self {
            Self::None => None,
            Self::Use(file) => Some(joined("-XX:SharedArchiveFile=", file)),
            Self::Make(file) => Some(joined("-XX:ArchiveClassesAtExit=", file)),
        }
    }
}

fn joined(option: &str, path: &Path) -> OsString {
    let mut text = OsString::from(option);
    text.push(OsStr::new(path));
    text
}

pub(super) fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Waits for the lock on `file`; the operating system gives it back when the process ends, however it ends.
pub(super) fn lock(file: &Path) -> Result<File, KafkaError> {
    let open = || {
        let file = File::options().create(true).append(true).open(file)?;
        file.lock()?;
        Ok(file)
    };
    open().map_err(|error| KafkaError::io(format!("locking {}", file.display()), error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::node::Directory;

    #[test]
    fn java_versions_are_read_in_every_spelling() {
        assert_eq!(java_version("openjdk version \"17.0.15\" 2025-04-15\n"), Some(("17.0.15", 17)));
        assert_eq!(java_version("java version \"1.8.0_392\"\n"), Some(("1.8.0_392", 1)));
        assert_eq!(java_version("openjdk version \"25\" 2025-09-16\n"), Some(("25", 25)));
        assert_eq!(java_version("openjdk version \"26-ea\"\n"), Some(("26-ea", 26)));
        assert_eq!(java_version("sh: java: not found"), None);
    }

    #[test]
    fn the_target_directory_is_found_by_its_tag() {
        let directory = Directory::create().expect("a temporary directory");
        let deps = directory.path().join("target/debug/deps");
        fs::create_dir_all(&deps).expect("created");
        assert_eq!(target_of(&deps.join("program")), None);
        fs::write(directory.path().join("target/CACHEDIR.TAG"), "").expect("written");
        assert_eq!(target_of(&deps.join("program")), Some(directory.path().join("target")));
    }

    #[test]
    fn jars_of_other_rules_are_not_current() {
        let directory = Directory::create().expect("a temporary directory");
        let release = Release::parse("4.3.1").expect("a release");
        let jars = Jars { directory: directory.path().to_owned() };
        assert!(!jars.is_current(&release));
        fs::write(directory.path().join("pom.xml"), release.pom()).expect("written");
        assert!(jars.is_current(&release));
        assert!(!jars.is_current(&Release::parse("4.3.0").expect("a release")));
    }

    #[test]
    fn flags_say_where_the_classes_and_the_log_files_are() {
        let jars = Jars { directory: PathBuf::from("/cache/4.3.1") };
        let archive = Archive::Use(PathBuf::from("/cache/4.3.1/java-17.jsa"));
        let flags = jars.jvm_flags(384, &archive, None);
        for flag in [
            "-Xmx384m",
            "-XX:SharedArchiveFile=/cache/4.3.1/java-17.jsa",
            "-Dlog4j.configuration=file:/cache/4.3.1/log4j.properties",
            "-Dlog4j2.configurationFile=/cache/4.3.1/log4j2.properties",
            "/cache/4.3.1/libs/*",
        ] {
            assert!(flags.iter().any(|given| given == flag), "{flag}: {flags:?}");
        }
        let flags = jars.jvm_flags(384, &archive, Some(Path::new("/classes")));
        assert_eq!(flags[flags.len() - 2..], ["-cp", "/classes:/cache/4.3.1/libs/*"]);
    }
}
