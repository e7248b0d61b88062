//! Access logs: the format is compiled once, a line is written into a per-worker buffer, one thread writes files.

mod format;
mod writer;

pub(crate) use format::{Captured, ISTIO_DEFAULT, LogFields, LogFormat};
pub(crate) use writer::{LogSink, LogWriter};
