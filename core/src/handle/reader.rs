//! The reader as users hold it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::client::Client;
use crate::config::ReaderConfig;
use crate::consumer::{self, Batch, Inbox, Message, Next, Opened};
use crate::context::ReaderId;
use crate::error::Error;
use crate::machine::Command;

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
    /// A chunk was read to its end and there is another one: the next call gives way to other tasks first.
    give_way: bool,
    /// Bytes that were read, and that the machine was not told of yet.
    consumed: usize,
    /// For each partition read from: the next offset, and the end of the log when it was fetched.
    progress: BTreeMap<i32, (i64, i64)>,
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

impl Client {
    /// A reader, which starts to fetch at once.
    ///
    /// # Errors
    /// [`Error::Config`]. What goes wrong later comes with the records.
    pub fn reader(&self, config: ReaderConfig) -> Result<Reader, Error> {
        Reader::new(self, config)
    }
}

impl Reader {
    fn new(client: &Client, config: ReaderConfig) -> Result<Self, Error> {
        config.check()?;
        let config = Arc::new(config);
        let inbox = Arc::new(Inbox::default());
        let id = client.shared.gate.open_reader(inbox.clone(), config.clone());
        Ok(Reader {
            client: client.clone(),
            id,
            config,
            inbox,
            open: None,
            give_way: false,
            consumed: 0,
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
    /// Dropped anywhere, it loses nothing and shows nothing twice: the next call returns the record.
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
    /// Dropped anywhere, it loses nothing and shows nothing twice. A batch that was returned counts as read.
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
            // A task that reads on and on would keep the tasks of its thread, the connections' too, from running until
            // all that is fetched is read: once for each chunk they have their turn.
            if std::mem::take(&mut self.give_way) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match self.inbox.poll_next(cx) {
                Poll::Ready(Next::Chunk(chunk)) => self.open = Some(Opened::new(chunk, &self.config)),
                Poll::Ready(Next::End(error)) => return Poll::Ready(error.map(T::from_error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// A chunk is read: its bytes are free for the next fetch. The machine is told when that may make a difference: it fetches no less
    /// than a partition's share.
    fn close_chunk(&mut self) {
        let Some(open) = self.open.take() else { return };
        let more = !self.inbox.is_empty();
        self.give_way = more;
        self.progress.insert(open.partition, (open.position, open.log_end));
        self.consumed += open.bytes();
        if !more || self.consumed >= self.config.least_fetch_bytes() / 2 {
            let consumed = consumer::Command::Consumed(std::mem::take(&mut self.consumed));
            self.client.shared.gate.command(Command::Reader(self.id, consumed));
        }
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
