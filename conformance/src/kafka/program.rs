//! Java programs of our own that run on a release's class path.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::jars::{Archive, Jars, Java, lock, remove};
use super::process::Process;
use super::releases::Release;
use super::{KafkaError, tail};

/// A few files take two seconds; many times that on a loaded machine.
const COMPILE_LIMIT: Duration = Duration::from_secs(120);

/// A command that runs a class of a release's own jars, such as `org.apache.kafka.tools.ConsoleProducer` (from 4.0 on).
///
/// # Errors
///
/// Without Java and, the first time, Maven; if the release is unknown or cannot be fetched.
pub fn tool(version: &str, class: &str) -> Result<Command, KafkaError> {
    let java = Java::find()?;
    let jars = Jars::prepare(&Release::parse(version)?, |_| ())?;
    let mut command = Command::new(&java.program);
    command.args(jars.jvm_flags(TOOL_MEGABYTES, &Archive::None, None)).arg(class);
    Ok(command)
}

/// Console clients hold a few megabytes of records.
const TOOL_MEGABYTES: u32 = 128;

/// A program in source form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    /// The directory of its classes, beside the release's jars.
    pub(crate) name: &'static str,
    /// The class to run.
    pub(crate) main: &'static str,
    /// Each file's name and text.
    pub(crate) sources: &'static [(&'static str, &'static str)],
    /// What it may keep in memory.
    pub(crate) heap_megabytes: u32,
}

impl Program {
    /// A command that runs the program on the class path of `version`, whose jars are fetched and against which the
    /// program is compiled the first time.
    ///
    /// It is compiled for each release, because classes move from one package to another between them.
    pub(crate) fn command(&self, version: &str) -> Result<Command, KafkaError> {
        let release = Release::parse(version)?;
        let java = Java::find()?;
        let jars = Jars::prepare(&release, |_| ())?;
        let classes = self.compile(&release, &java, &jars)?;
        let mut command = Command::new(&java.program);
        command.args(jars.jvm_flags(self.heap_megabytes, &Archive::None, Some(&classes))).arg(self.main);
        Ok(command)
    }

    /// The directory of the compiled classes; like the jars it appears by one rename.
    fn compile(&self, release: &Release, java: &Java, jars: &Jars) -> Result<PathBuf, KafkaError> {
        let directory = jars.directory.join(self.name);
        if self.is_current(&directory) {
            return Ok(directory);
        }
        let _lock = lock(&jars.directory.join(format!("{}.lock", self.name)))?;
        if self.is_current(&directory) {
            return Ok(directory);
        }
        let fresh = jars.directory.join(format!("{}.compiling", self.name));
        let compiled = self.compile_into(&fresh, release, java, jars).and_then(|()| {
            remove(&directory)
                .and_then(|()| fs::rename(&fresh, &directory))
                .map_err(|error| KafkaError::io(format!("writing {}", directory.display()), error))
        });
        if compiled.is_err() {
            let _ = fs::remove_dir_all(&fresh);
        }
        compiled.map(|()| directory)
    }

    fn compile_into(
        &self,
        fresh: &Path,
        release: &Release,
        java: &Java,
        jars: &Jars,
    ) -> Result<(), KafkaError> {
        let write = |error| KafkaError::io(format!("writing {}", fresh.display()), error);
        remove(fresh).and_then(|()| fs::create_dir(fresh)).map_err(write)?;
        let mut arguments: Vec<OsString> =
            ["-m", "jdk.compiler/com.sun.tools.javac.Main", "-d", ".", "--release", "17", "-cp"]
                .map(OsString::from)
                .into();
        arguments.push(jars.class_path()?);
        for (name, text) in self.sources {
            fs::write(fresh.join(name), text).map_err(write)?;
            arguments.push(name.into());
        }
        let mut compiler = Process::spawn(&java.program, &arguments, fresh, &fresh.join("javac.log"))
            .map_err(|error| KafkaError::io("starting Java's compiler", error))?;
        compiler.wait(COMPILE_LIMIT);
        let status =
            compiler.exited().map_err(|error| KafkaError::io("waiting for Java's compiler", error))?;
        let what = match status {
            Some(status) if status.success() => return Ok(()),
            Some(status) => format!("compiling {} ended with {status}", self.name),
            None => format!("compiling {} is not done in time", self.name),
        };
        let log = compiler.log();
        if log.contains("module.FindException") {
            return Err(KafkaError::CompilerMissing);
        }
        Err(KafkaError::Start { version: release.to_string(), what, log: tail(&log) })
    }

    /// Whether the directory holds the classes of just these sources.
    fn is_current(&self, directory: &Path) -> bool {
        let is = |(name, text): &(&str, &str)| {
            fs::read_to_string(directory.join(name)).is_ok_and(|compiled| compiled == *text)
        };
        self.sources.iter().all(is)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::{available_for, skip};

    fn program(sources: &'static [(&'static str, &'static str)]) -> Program {
        Program { name: "program-test", main: "Hello", sources, heap_megabytes: 32 }
    }

    /// What it prints on the class path of 4.3.1.
    fn run(program: &Program) -> Result<String, KafkaError> {
        let output = program.command("4.3.1")?.output().expect("Java runs");
        assert!(output.status.success(), "{output:?}");
        Ok(String::from_utf8(output.stdout).expect("UTF-8"))
    }

    #[test]
    fn a_program_is_compiled_when_its_text_changes() {
        let test = "a_program_is_compiled_when_its_text_changes";
        if !available_for(test) {
            return;
        }
        let first = program(&[(
            "Hello.java",
            "class Hello { public static void main(String[] a) { System.out.print(\"first\"); } }",
        )]);
        match run(&first) {
            Err(error @ KafkaError::CompilerMissing) => return skip(test, &error),
            printed => assert_eq!(printed.expect("it runs"), "first"),
        }
        let release = Release::parse("4.3.1").expect("a release");
        let jars = Jars::prepare(&release, |_| ()).expect("fetched");
        let classes = jars.directory.join("program-test");
        let compiled =
            || fs::metadata(classes.join("Hello.class")).and_then(|file| file.modified()).expect("compiled");
        let before = compiled();
        assert_eq!(run(&first).expect("it runs"), "first");
        assert_eq!(compiled(), before, "the same text is not compiled again");

        let second = program(&[(
            "Hello.java",
            "class Hello { public static void main(String[] a) throws Exception {
                System.out.print(org.apache.kafka.common.utils.AppInfoParser.getVersion()); } }",
        )]);
        assert_eq!(run(&second).expect("it runs"), "4.3.1");

        let wrong = program(&[("Hello.java", "class Hello { int number = text; }")]);
        let error = run(&wrong).expect_err("it does not compile").to_string();
        assert!(
            error.starts_with("Kafka 4.3.1: compiling program-test ended with exit status: 1"),
            "{error}"
        );
        assert!(error.contains("cannot find symbol"), "{error}");
        assert!(!jars.directory.join("program-test.compiling").exists());
        assert_eq!(run(&second).expect("the classes of before are still there"), "4.3.1");
        fs::remove_dir_all(classes).expect("removed");
    }
}
