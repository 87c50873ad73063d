//! Topics and partitions, as administrators see and change them.

mod create;
