//! One connection between a client and a broker: two directions that keep their order, and the client's end of it.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use milena_core::CloseReason;
use milena_core::drive::Stream;
use milena_core::protocol::{ApiKey, BrokerId};
use milena_core::wire::Framer;

use super::lock;
use super::network::Shared;
use super::plan::ProcessId;
use super::stuck::Wait;
use super::trace::digest;
use crate::cluster::ConnectionId;
use crate::random::Random;

/// `socket.request.max.bytes`: Kafka's default, 100 MiB.
const MAX_REQUEST_BYTES: usize = 100 << 20;
/// Bytes on their way from a client to a broker, at most: as small as a slow network's send buffer, so that writes have
/// to wait.
const WINDOW_BYTES: usize = 64 << 10;
/// Most pieces are small, but large data should not take an event for each few bytes: up to 2 to the power of this.
pub(super) const PIECE_BITS: u64 = 15;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Connecting,
    Open,
    Refused,
    Reset,
}

/// One direction of a link.
#[derive(Default)]
pub(super) struct Pipe {
    /// What is under way; `None` is the end. Each has its event, or is among those held.
    pub(super) pieces: VecDeque<Option<Bytes>>,
    pub(super) bytes: usize,
    /// When the last of it arrives.
    pub(super) last: Duration,
    /// When a link of limited bandwidth has sent all that was to be sent.
    pub(super) free: Duration,
    /// Pieces that would have arrived, but for a partition.
    pub(super) held: usize,
}

pub(super) struct Link {
    pub(super) process: ProcessId,
    /// Whose it is: the client's number in the whole world.
    pub(super) client: u32,
    pub(super) broker: BrokerId,
    pub(super) conn: Option<ConnectionId>,
    pub(super) phase: Phase,
    pub(super) up: Pipe,
    pub(super) down: Pipe,
    pub(super) framer: Framer,
    /// What it carried within the present second.
    pub(super) asked_again: Repeats,
    /// What the broker was asked and has not answered, with the correlation ids.
    pub(super) asked: VecDeque<(i32, ApiKey)>,
    pub(super) received: BytesMut,
    pub(super) ended: bool,
    /// The client has let go of it.
    pub(super) abandoned: bool,
    /// The broker's end is gone, and the client does not hear of it.
    pub(super) deaf: bool,
    /// The step of the connect that a partition holds up: its way there, or back.
    pub(super) stopped: Option<Step>,
    /// Its own chance, so that what happens on one link changes nothing on another.
    pub(super) random: Random,
    waiting: Vec<Waker>,
}

/// How often each request came within a second: one connection asks again only when it was answered, so the network
/// can't bring repetitions closer together than a client without a pause had them.
#[derive(Default)]
pub(super) struct Repeats {
    second: u64,
    times: BTreeMap<u64, u32>,
}

impl Repeats {
    /// Fetches of a reader at the end of the log come as often as its shortest long poll ends: each 10 ms.
    const MOST_FETCHES: u32 = 250;
    /// Everything else is asked again after a back-off of 100 ms or more.
    const MOST: u32 = 20;

    /// Counts a request; true when there are just too many of it.
    pub(super) fn are_too_many(&mut self, now: Duration, key: ApiKey, frame: &[u8]) -> bool {
        if std::mem::replace(&mut self.second, now.as_secs()) != now.as_secs() {
            self.times.clear();
        }
        // All but the correlation id.
        let times = self.times.entry(digest((&frame[..4], &frame[8..]))).or_default();
        *times += 1;
        *times == 1 + if key == ApiKey::FETCH { Self::MOST_FETCHES } else { Self::MOST }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Knock,
    Welcome,
}

impl Link {
    pub(super) fn new(process: ProcessId, client: u32, broker: BrokerId, random: Random) -> Self {
        Link {
            process,
            client,
            broker,
            conn: None,
            phase: Phase::Connecting,
            up: Pipe::default(),
            down: Pipe::default(),
            framer: Framer::new(MAX_REQUEST_BYTES),
            asked_again: Repeats::default(),
            asked: VecDeque::new(),
            received: BytesMut::new(),
            ended: false,
            abandoned: false,
            deaf: false,
            stopped: None,
            random,
            waiting: Vec::new(),
        }
    }

    pub(super) fn pipe(&mut self, up: bool) -> &mut Pipe {
        if up { &mut self.up } else { &mut self.down }
    }

    /// A request was answered; those before it wanted no answer.
    pub(super) fn answered(&mut self, correlation_id: i32) {
        let done = self.asked.iter().position(|(asked, _)| *asked == correlation_id);
        self.asked.drain(..done.map_or(0, |index| index + 1));
    }

    pub(super) fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }

    fn wait(&mut self, cx: &Context<'_>) {
        if !self.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
    }

    pub(super) fn reset(&mut self) {
        self.phase = Phase::Reset;
        self.up = Pipe::default();
        self.down = Pipe::default();
        self.conn = None;
        self.wake();
    }
}

/// The client's end of a link.
pub(super) struct SimStream {
    pub(super) shared: Arc<Shared>,
    pub(super) link: u64,
}

impl SimStream {
    pub(super) fn poll_connected(&self, cx: &Context<'_>) -> Poll<Result<(), CloseReason>> {
        let mut state = lock(&self.shared.state);
        let refused = || CloseReason::connect(&io::ErrorKind::ConnectionRefused.into());
        let Some(link) = state.links.get_mut(&self.link) else { return Poll::Ready(Err(refused())) };
        match link.phase {
            Phase::Connecting => {
                link.wait(cx);
                self.shared.inbox.wait(Wait::Connect(link.broker));
                Poll::Pending
            }
            Phase::Open => Poll::Ready(Ok(())),
            Phase::Refused | Phase::Reset => Poll::Ready(Err(refused())),
        }
    }
}

impl Stream for SimStream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut state = lock(&self.shared.state);
        let reset = || Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        let Some(link) = state.links.get_mut(&self.link) else { return reset() };
        if link.phase == Phase::Reset {
            return reset();
        }
        if !link.received.is_empty() {
            let count = link.received.len().min(buffer.len());
            assert!(count > 0, "the driver reads into an empty buffer");
            link.received.copy_to_slice(&mut buffer[..count]);
            return Poll::Ready(Ok(count));
        }
        if link.ended {
            return Poll::Ready(Ok(0));
        }
        link.wait(cx);
        self.shared.inbox.wait(Wait::Data(link.broker, self.link));
        Poll::Pending
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, segments: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut state = lock(&self.shared.state);
        let state = &mut *state;
        let Some(link) = state.links.get_mut(&self.link).filter(|link| link.phase == Phase::Open) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        let room = WINDOW_BYTES.saturating_sub(link.up.bytes);
        if room == 0 {
            link.wait(cx);
            self.shared.inbox.wait(Wait::Room(link.broker));
            return Poll::Pending;
        }
        let offered: usize = segments.iter().map(|segment| segment.len()).sum();
        let mut taken = offered.min(room);
        // Sockets may always take less.
        if link.random.percent(20) {
            taken = link.random.of_any_size(PIECE_BITS).min(taken);
        }
        let mut data = BytesMut::with_capacity(taken);
        for segment in segments {
            data.extend_from_slice(&segment[..segment.len().min(taken - data.len())]);
        }
        state.send_in_pieces(self.link, true, data.freeze());
        Poll::Ready(Ok(taken))
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        lock(&self.shared.state).abandon(self.link);
    }
}
