//! A child process that answers each line on its standard input by one on its standard output.
//!
//! 1. Everything happens within [`Lines::exchange`], on the caller's thread: writing, reading and draining standard
//!    error take turns as the pipes allow, so neither side waits for the other while that one waits for it.
//! 2. One line is under way at a time, and its answer may take no longer than `limit`.
//! 3. What breaks the pairing of requests and answers ends it for good: the child is killed, and every later
//!    exchange fails for the same reason.
//! 4. The child ends when its input closes. That is all that ends it when this process is killed.

use std::io::{self, ErrorKind, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The end of standard error that is kept: a stack trace with its causes.
const ERRORS_BYTES: usize = 64 * 1024;
/// More than a child with a heap of 1 GiB can have built.
const ANSWER_BYTES: usize = 1 << 30;
/// What one read takes: a pipe's usual capacity.
const READ_BYTES: usize = 64 * 1024;
/// Reads in a row before the other pipes have their turn.
const READS: usize = 16;
/// A process whose output has closed is about to end.
const END_LIMIT: Duration = Duration::from_secs(5);
const UNASKED: &str = "answered what it was not asked";

/// Why there are no more answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// What the child did, such as `ended with exit status: 1`.
    pub(super) what: String,
    /// The end of its standard error.
    pub(super) errors: String,
}

/// The child; dropping it kills it and waits until it is gone.
#[derive(Debug)]
pub(super) struct Lines {
    child: Child,
    /// Taken when the child has closed its end.
    input: Option<ChildStdin>,
    output: ChildStdout,
    /// Taken when the child has closed its end, or `poll` would have nothing to wait for.
    errors: Option<ChildStderr>,
    /// What the output has brought, from the first byte of the next answer on.
    received: Vec<u8>,
    /// How far `received` was searched for a line's end.
    searched: usize,
    /// The end of what standard error has brought.
    logged: Vec<u8>,
    broken: Option<Broken>,
}

impl Lines {
    pub(super) fn spawn(mut command: Command) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C at the terminal is for this process alone, whose end closes the pipe.
            .process_group(0)
            .spawn()?;
        let output = child.stdout.take().ok_or(ErrorKind::BrokenPipe)?;
        let (input, errors) = (child.stdin.take(), child.stderr.take());
        let (received, logged) = (Vec::new(), Vec::new());
        let lines = Self { child, input, output, errors, received, searched: 0, logged, broken: None };
        rustix::io::ioctl_fionbio(&lines.output, true)?;
        lines.input.as_ref().map_or(Ok(()), |input| rustix::io::ioctl_fionbio(input, true))?;
        lines.errors.as_ref().map_or(Ok(()), |errors| rustix::io::ioctl_fionbio(errors, true))?;
        Ok(lines)
    }

    /// Sends a line, its end included, and returns the answer without its end.
    pub(super) fn exchange(&mut self, line: &[u8], limit: Duration) -> Result<Vec<u8>, Broken> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        self.try_exchange(line, limit).map_err(|what| {
            let _ = self.child.kill();
            let errors = String::from_utf8_lossy(&self.logged).into_owned();
            self.broken.insert(Broken { what, errors }).clone()
        })
    }

    fn try_exchange(&mut self, line: &[u8], limit: Duration) -> Result<Vec<u8>, String> {
        let deadline = Instant::now() + limit;
        let mut unsent = line;
        // What has come meanwhile must not be taken for the answer. That the child has ended shows below.
        let _ = self.receive();
        if !self.received.is_empty() {
            return Err(UNASKED.to_owned());
        }
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("did not answer within {limit:?}"));
            }
            self.wait(!unsent.is_empty(), left).map_err(|error| format!("can't be waited for: {error}"))?;
            self.send(&mut unsent);
            self.drain_errors();
            let open = self.receive().map_err(|error| format!("can't be read: {error}"))?;
            match self.take_line() {
                Some(answer) if unsent.is_empty() && self.received.is_empty() => return Ok(answer),
                Some(_) => return Err(UNASKED.to_owned()),
                None if !open => return Err(self.end()),
                None if self.received.len() > ANSWER_BYTES => {
                    return Err(format!("has an answer of more than {ANSWER_BYTES} bytes"));
                }
                None => {}
            }
        }
    }

    /// Waits until something can be read, or be written if there is something to write, or for `limit`.
    fn wait(&self, writing: bool, limit: Duration) -> io::Result<()> {
        let input = self.input.iter().filter(|_| writing).map(|input| PollFd::new(input, PollFlags::OUT));
        let errors = self.errors.iter().map(|errors| PollFd::new(errors, PollFlags::IN));
        let mut pipes: Vec<_> = input.chain(errors).collect();
        pipes.push(PollFd::new(&self.output, PollFlags::IN));
        let limit = Timespec::try_from(limit).map_err(|_| ErrorKind::InvalidInput)?;
        match poll(&mut pipes, Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn send(&mut self, unsent: &mut &[u8]) {
        let Some(input) = self.input.as_mut().filter(|_| !unsent.is_empty()) else { return };
        match input.write(unsent) {
            Ok(written) => *unsent = &unsent[written..],
            Err(error) if is_passing(&error) => {}
            // The child has ended or is about to: the end of its output will tell.
            Err(_) => self.input = None,
        }
    }

    /// Reads what there is; false at the end of the output.
    fn receive(&mut self) -> io::Result<bool> {
        read_available(&mut self.output, &mut self.received)
    }

    fn drain_errors(&mut self) {
        let Some(errors) = &mut self.errors else { return };
        if !read_available(errors, &mut self.logged).unwrap_or(false) {
            self.errors = None;
        }
        let surplus = self.logged.len().saturating_sub(ERRORS_BYTES);
        self.logged.drain(..surplus);
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let Some(end) = self.received[self.searched..].iter().position(|byte| *byte == b'\n') else {
            self.searched = self.received.len();
            return None;
        };
        let rest = self.received.split_off(self.searched + end + 1);
        let mut line = std::mem::replace(&mut self.received, rest);
        line.pop();
        self.searched = 0;
        Some(line)
    }

    /// How the child ended, its output being closed, with all that it had to say on standard error.
    fn end(&mut self) -> String {
        let deadline = Instant::now() + END_LIMIT;
        loop {
            let ended = self.child.try_wait();
            self.drain_errors();
            match ended {
                Ok(Some(status)) => return format!("ended with {status}"),
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
                _ => return "closed its output".to_owned(),
            }
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Appends what a pipe has at the moment, some reads at most; false when its other end is closed.
fn read_available(pipe: &mut impl Read, into: &mut Vec<u8>) -> io::Result<bool> {
    for _ in 0..READS {
        let filled = into.len();
        into.resize(filled + READ_BYTES, 0);
        let read = pipe.read(&mut into[filled..]);
        into.truncate(filled + read.as_ref().map_or(0, |count| *count));
        match read {
            Ok(0) => return Ok(false),
            Ok(count) if count < READ_BYTES => break,
            Ok(_) => {}
            Err(error) if is_passing(&error) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn script(text: &str) -> Lines {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", text]);
        Lines::spawn(command).expect("sh runs")
    }

    /// The reason, which must be the same when asked again.
    fn broken(lines: &mut Lines, request: &[u8], limit: Duration) -> Broken {
        let broken = lines.exchange(request, limit).expect_err("it breaks");
        assert_eq!(lines.exchange(b"again\n", LIMIT), Err(broken.clone()));
        broken
    }

    #[test]
    fn each_line_has_its_answer() {
        let mut lines = script("exec cat");
        for line in ["one\n", "\n", "two\tthree\n"] {
            assert_eq!(lines.exchange(line.as_bytes(), LIMIT), Ok(line.trim_end().into()));
        }
    }

    #[test]
    fn a_large_exchange_does_not_wait_for_itself() {
        // Many times what the pipes hold in each direction: cat stops reading when nobody reads what it wrote.
        let mut line = vec![b'x'; 10_000_000];
        line.push(b'\n');
        let answer = script("exec cat").exchange(&line, LIMIT).expect("an answer");
        assert!(answer == line[..line.len() - 1]);
    }

    #[test]
    fn a_child_that_ends_is_told_with_the_end_of_its_errors() {
        let mut lines = script("read line; seq 1 20000 >&2; echo last words >&2; exit 3");
        let broken = broken(&mut lines, b"hello\n", LIMIT);
        assert_eq!(broken.what, "ended with exit status: 3");
        assert!(broken.errors.ends_with("\n20000\nlast words\n"), "{}", broken.errors);
        assert!(broken.errors.len() <= ERRORS_BYTES);
    }

    #[test]
    fn a_request_to_a_child_that_has_ended_fails() {
        let mut lines = script("exit 0");
        lines.child.wait().expect("it ends");
        let request = [b"x".repeat(1_000_000), b"\n".to_vec()].concat();
        assert_eq!(broken(&mut lines, &request, LIMIT).what, "ended with exit status: 0");
    }

    #[test]
    fn a_child_that_does_not_answer_is_killed() {
        let mut lines = script("echo hm >&2; exec sleep 600");
        lines.wait(false, LIMIT).expect("it has said something");
        let began = Instant::now();
        let request = [b"x".repeat(1_000_000), b"\n".to_vec()].concat();
        let broken = broken(&mut lines, &request, Duration::from_millis(200));
        assert_eq!(
            broken,
            Broken { what: "did not answer within 200ms".to_owned(), errors: "hm\n".to_owned() }
        );
        assert!(!lines.child.wait().expect("it has ended").success());
        assert!(began.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn an_answer_too_many_breaks_the_pairing() {
        let mut at_once = script("read line; printf 'one\\ntwo\\n'; exec sleep 600");
        assert_eq!(broken(&mut at_once, b"hello\n", LIMIT).what, UNASKED);
        let mut later = script("read line; echo one; sleep 0.2; echo two; exec sleep 600");
        assert_eq!(later.exchange(b"hello\n", LIMIT), Ok(b"one".into()));
        later.wait(false, LIMIT).expect("two has come");
        assert_eq!(broken(&mut later, b"hello\n", LIMIT).what, UNASKED);
    }

    #[test]
    fn what_is_dropped_is_gone() {
        let mut lines = script("read line; echo $$; exec sleep 600");
        let answer = lines.exchange(b"pid\n", LIMIT).expect("its pid");
        let pid = String::from_utf8_lossy(&answer).parse().expect("a number");
        let pid = rustix::process::Pid::from_raw(pid).expect("a pid above zero");
        assert!(rustix::process::test_kill_process(pid).is_ok());
        drop(lines);
        assert!(rustix::process::test_kill_process(pid).is_err());
    }
}
