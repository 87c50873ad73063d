//! Child processes that can't outlive the launcher.
//!
//! Each runs under a small shell that reads signal names from a pipe held here. When the pipe closes, however the
//! launcher ended (kill -9 included), the shell kills its child and removes the child's directory.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// `$1` is the directory to remove with the launcher gone, the rest is the command. The watcher ignores SIGTERM once
/// the pipe has closed, so that its exit code 9 reaches the shell, which else would end it when the child is gone.
const SUPERVISOR: &str = r#"
exec 3<&0 </dev/null
directory=$1
shift
"$@" 3<&- &
child=$!
{
    while read -r signal; do kill -s "$signal" "$child"; done
    trap '' TERM
    kill -s KILL "$child"
    exit 9
} <&3 3<&- 2>/dev/null &
watcher=$!
wait "$child"
code=$?
kill "$watcher" 2>/dev/null
wait "$watcher" 2>/dev/null
if [ $? -eq 9 ]; then
    rm -rf "$directory"
    rmdir "${directory%/*}" 2>/dev/null
fi
exit "$code"
"#;

/// A stopped JVM stands still within milliseconds; past this nobody can tell, as where there is no `/proc`.
const STOP_LIMIT: Duration = Duration::from_secs(2);
/// A killed JVM is gone in well under a second; past this the supervisor itself is stuck.
const KILL_LIMIT: Duration = Duration::from_secs(10);
/// The part of a log that is read back: many stack traces, yet no burden should a broker have logged without end.
const LOG_BYTES: u64 = 256 * 1024;

/// A signal that a supervisor can be told to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Terminate,
    Kill,
    Stop,
    Continue,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

/// A child process under its supervisor; dropping it kills the child and waits until it is gone.
#[derive(Debug)]
pub(super) struct Process {
    supervisor: Child,
    /// Kept out of `supervisor`, whose `wait` would close it and so have the directory removed.
    control: ChildStdin,
    log: PathBuf,
    log_start: u64,
}

impl Process {
    /// Starts `program`, its output appended to `log`; `directory` is removed if the launcher dies before it.
    pub(super) fn spawn<A: AsRef<OsStr>>(
        program: &Path,
        arguments: &[A],
        directory: &Path,
        log: &Path,
    ) -> io::Result<Self> {
        let output = OpenOptions::new().create(true).append(true).open(log)?;
        let log_start = output.metadata()?.len();
        let mut supervisor = Command::new("/bin/sh")
            .args(["-c", SUPERVISOR, "supervisor"])
            .arg(directory)
            .arg(program)
            .args(arguments)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            // A Ctrl-C at the terminal is for the launcher alone, which then stops the children in order.
            .process_group(0)
            .spawn()?;
        let control = supervisor.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { supervisor, control, log: log.to_owned(), log_start })
    }

    /// How the child ended, if it has.
    pub(super) fn exited(&mut self) -> io::Result<Option<ExitStatus>> {
        self.supervisor.try_wait()
    }

    /// Stops the child, and waits until all of its threads stand still: the signal goes through the supervisor, and takes a
    /// moment on a busy machine.
    pub(super) fn stop(&mut self) {
        self.signal(Signal::Stop);
        let deadline = Instant::now() + STOP_LIMIT;
        while !self.stands_still() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether a process of the supervisor's group is stopped, by what Linux says of each of its threads.
    fn stands_still(&self) -> bool {
        let group = self.supervisor.id().to_string();
        let stopped = |path: &Path| {
            let Ok(stat) = fs::read_to_string(path.join("stat")) else { return false };
            // Behind the name, which may hold anything: state, parent, group.
            let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_ascii_whitespace();
            let fields: Vec<&str> = fields.take(3).collect();
            fields.first() == Some(&"T") && fields.get(2) == Some(&&*group)
        };
        let all = |folder: &Path| -> Vec<PathBuf> {
            fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
        };
        let mut processes = all(Path::new("/proc")).into_iter().filter(|process| stopped(process));
        processes.any(|process| all(&process.join("task")).iter().all(|thread| stopped(thread)))
    }

    /// Sends a signal; nothing happens when the child is gone already.
    pub(super) fn signal(&mut self, signal: Signal) {
        // The pipe is broken only when the child, and its supervisor with it, has ended.
        let _ = writeln!(self.control, "{}", signal.name());
    }

    /// Waits for the end of the child, up to `limit`; whether it has ended.
    pub(super) fn wait(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while matches!(self.supervisor.try_wait(), Ok(None)) {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
        true
    }

    /// Kills the child at once and waits until it is gone.
    pub(super) fn kill(&mut self) {
        self.signal(Signal::Kill);
        if !self.wait(KILL_LIMIT) {
            if let Some(group) = rustix::process::Pid::from_raw(self.supervisor.id().cast_signed()) {
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            let _ = self.supervisor.wait();
        }
    }

    /// What this run has logged, at most its last 256 KiB.
    pub(super) fn log(&self) -> String {
        let read = || -> io::Result<String> {
            let mut file = File::open(&self.log)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(self.log_start.max(length.saturating_sub(LOG_BYTES))))?;
            let mut bytes = Vec::new();
            file.take(LOG_BYTES).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        read().unwrap_or_else(|error| format!("({}: {error})", self.log.display()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::node::Directory;

    fn script(text: &str, directory: &Path) -> Process {
        Process::spawn(Path::new("/bin/sh"), &["-c", text], directory, &directory.join("log"))
            .expect("sh runs")
    }

    fn until(what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !condition() {
            assert!(Instant::now() < deadline, "{what}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The pid that the child wrote as its first line.
    fn pid(process: &Process) -> rustix::process::Pid {
        until("the child writes its pid", || process.log().ends_with('\n'));
        let number = process.log().lines().next().and_then(|line| line.parse().ok()).expect("a pid");
        rustix::process::Pid::from_raw(number).expect("a pid above zero")
    }

    fn is_alive(pid: rustix::process::Pid) -> bool {
        rustix::process::test_kill_process(pid).is_ok()
    }

    #[test]
    fn exit_codes_and_output_come_through() {
        let directory = Directory::create().expect("a temporary directory");
        let mut process = script("echo out; echo err >&2; exit 7", directory.path());
        assert!(process.wait(Duration::from_secs(10)));
        assert_eq!(process.exited().expect("waited for").and_then(|status| status.code()), Some(7));
        assert_eq!(process.log(), "out\nerr\n");
        assert!(directory.path().exists());
    }

    #[test]
    fn a_later_run_reads_only_its_own_log() {
        let directory = Directory::create().expect("a temporary directory");
        assert!(script("echo first", directory.path()).wait(Duration::from_secs(10)));
        let mut second = script("echo second", directory.path());
        assert!(second.wait(Duration::from_secs(10)));
        assert_eq!(second.log(), "second\n");
    }

    #[test]
    fn kill_ends_the_child_and_keeps_its_directory() {
        let directory = Directory::create().expect("a temporary directory");
        let mut process = script("trap '' TERM; echo $$; exec sleep 60", directory.path());
        let child = pid(&process);
        process.signal(Signal::Terminate);
        assert!(!process.wait(Duration::from_millis(100)), "the child ignores SIGTERM");
        process.kill();
        assert!(!is_alive(child));
        assert!(directory.path().exists());
    }

    #[test]
    fn a_closed_pipe_kills_even_a_stopped_child_and_removes_its_directory() {
        let directory = Directory::create().expect("a temporary directory");
        let inner = directory.path().join("inner");
        std::fs::create_dir(&inner).expect("created");
        let mut process = script("echo $$; exec sleep 60", &inner);
        let child = pid(&process);
        process.signal(Signal::Stop);
        let (read, write) = io::pipe().expect("a pipe");
        drop(read);
        // What the death of the launcher does: its end of the pipe closes.
        process.control = ChildStdin::from(std::os::fd::OwnedFd::from(write));
        until("the child is gone", || !is_alive(child));
        until("the directory is gone", || !inner.exists());
    }
}
