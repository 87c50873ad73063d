//! The reader as users hold it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::client::Command;
use crate::config::ReaderConfig;
use crate::consumer::{Batch, Chunk, Message, Opened};
use crate::context::ReaderId;
use crate::error::Error;
use crate::handle::Client;
use crate::producer::lock;

/// Reads a topic: all of its partitions or chosen ones, without a consumer group.
///
/// Records of one partition come in order. The next ones are fetched while these are read, within
/// [`buffer_bytes`](ReaderConfig::buffer_bytes). Dropping the reader ends it.
pub struct Reader {
    client: Client,
    id: ReaderId,
    config: Arc<ReaderConfig>,
    inbox: Arc<Inbox>,
    open: Option<Opened>,
    /// A chunk was read to its end: the next call gives way to other tasks first.
    give_way: bool,
    /// For each partition read from: the next offset, and the end of the log when it was fetched.
    progress: BTreeMap<i32, (i64, i64)>,
}

/// What the machine fetched for a reader.
#[derive(Default)]
pub(crate) struct Inbox(Mutex<Fetched>);

#[derive(Default)]
struct Fetched {
    chunks: VecDeque<Chunk>,
    /// Nothing will come behind the chunks; perhaps an error.
    ended: Option<Option<Error>>,
    waiting: Option<Waker>,
}

impl Inbox {
    pub(crate) fn on_chunk(&self, chunk: Chunk, wakers: &mut Vec<Waker>) {
        let mut fetched = lock(&self.0);
        fetched.chunks.push_back(chunk);
        wakers.extend(fetched.waiting.take());
    }

    pub(crate) fn on_end(&self, error: Option<Error>, wakers: &mut Vec<Waker>) {
        let mut fetched = lock(&self.0);
        fetched.ended.get_or_insert(error);
        wakers.extend(fetched.waiting.take());
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.client.shared.gate.close_reader(self.id);
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("topic", &self.config.topic).finish_non_exhaustive()
    }
}

impl Reader {
    pub(crate) fn new(client: &Client, config: ReaderConfig) -> Result<Self, Error> {
        config.check()?;
        let config = Arc::new(config);
        let inbox = Arc::new(Inbox::default());
        let id = client
            .shared
            .gate
            .open_reader(inbox.clone(), |reader| Command::OpenReader { reader, config: config.clone() });
        Ok(Reader {
            client: client.clone(),
            id,
            config,
            inbox,
            open: None,
            give_way: false,
            progress: BTreeMap::new(),
        })
    }

    /// The next record; `None` at the end ([`Until::End`](crate::Until::End)), and behind an error that ended the reader.
    ///
    /// # Errors
    /// [`Error::CorruptBatch`] for a batch that can't be read: calling again goes on behind it, unless its very header
    /// makes no sense (or is of another format), so that nothing tells where the next one would begin. Any other error
    /// ends the reader: the topic or partition does not exist or may not be read, its offset is not in the log
    /// ([`Reset::Error`](crate::Reset::Error)), an answer can't be decoded, or no broker was ever reached.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the next call returns the record.
    pub async fn next(&mut self) -> Option<Result<Message, Error>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`next`](Reader::next) by hand: `Pending` wakes the context's task when there is more.
    #[inline]
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        self.poll_with(cx, Opened::next_message)
    }

    /// The next batch, whose records are read in place: the fastest way to read. Errors and end are those of
    /// [`next`](Reader::next); the two can be mixed, a batch then holds what of it was not read yet.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing. A batch that was returned counts as read.
    pub async fn next_batch(&mut self) -> Option<Result<Batch, Error>> {
        poll_fn(|cx| self.poll_with(cx, Opened::next_batch)).await
    }

    #[inline]
    fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut next: impl FnMut(&mut Opened) -> Option<T>,
    ) -> Poll<Option<T>>
    where
        T: FromError,
    {
        loop {
            if let Some(open) = &mut self.open {
                if let Some(item) = next(open) {
                    return Poll::Ready(Some(item));
                }
                self.close_chunk();
            }
            let mut fetched = lock(&self.inbox.0);
            let give_way = std::mem::take(&mut self.give_way);
            // A task that reads on and on would keep the tasks of its thread, the connections' too, from running until
            // all that is fetched is read: once for each chunk they have their turn.
            if give_way && !fetched.chunks.is_empty() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Some(chunk) = fetched.chunks.pop_front() {
                self.open = Some(Opened::new(chunk, &self.config));
                continue;
            }
            match &mut fetched.ended {
                Some(error) => return Poll::Ready(error.take().map(T::from_error)),
                None => {
                    fetched.waiting = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        }
    }

    /// A chunk is read: its bytes are free for the next fetch.
    fn close_chunk(&mut self) {
        let Some(open) = self.open.take() else { return };
        self.give_way = true;
        self.progress.insert(open.partition, (open.position, open.log_end));
        self.client.shared.gate.command(Command::Consumed { reader: self.id, bytes: open.bytes });
    }

    /// The offset of the next record of a partition; `None` before anything was read of it.
    pub fn position(&self, partition: i32) -> Option<i64> {
        let open = self.open.as_ref().filter(|open| open.partition == partition).map(|open| open.position);
        open.or_else(|| self.progress.get(&partition).map(|(position, _)| *position))
    }

    /// How many offsets lie between what was read of a partition and its end, as of the last fetch: up to the last
    /// stable offset when reading committed records, else to the high watermark. `None` before anything was read of it.
    pub fn lag(&self, partition: i32) -> Option<u64> {
        let open = self.open.as_ref().filter(|open| open.partition == partition);
        let log_end = match open {
            Some(open) => open.log_end,
            None => self.progress.get(&partition)?.1,
        };
        Some(log_end.saturating_sub(self.position(partition)?).max(0) as u64)
    }
}

#[cfg(feature = "stream")]
impl futures_core::Stream for Reader {
    type Item = Result<Message, Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, Error>>> {
        Reader::poll_next(&mut self, cx)
    }
}

/// An item that can be an error.
trait FromError {
    fn from_error(error: Error) -> Self;
}

impl<T> FromError for Result<T, Error> {
    fn from_error(error: Error) -> Self {
        Err(error)
    }
}
