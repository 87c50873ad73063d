//! The way back to the gate, for what it hands out.

use crate::context::OpId;
use crate::error::Error;
use crate::producer::Worked;

pub(super) trait Back: Send + Sync {
    /// Nobody waits for this operation any more.
    fn cancel(&self, op: OpId);

    /// A job is done.
    fn worked(&self, worked: Worked);

    /// A job will never be done.
    fn lost(&self, error: Error);
}
