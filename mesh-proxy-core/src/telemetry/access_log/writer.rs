//! The thread that writes access logs, and the buffers that workers hand to it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// Handed to the writer when full; also what a worker holds at most (`PROXY-LOG-07`).
const BUFFER_BYTES: usize = 64 * 1024;

/// Buffers in flight before lines are dropped: 16 MiB.
const QUEUE: usize = 256;

enum Message {
    Lines(Vec<u8>),
    Reopen,
    Stop,
}

/// The writer thread. Dropping it writes what has been handed over and ends the thread.
#[derive(Debug)]
pub(crate) struct LogWriter {
    sender: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl LogWriter {
    /// Opens `path` for appending (`/dev/stdout` and `/dev/stderr` mean this process's own) and starts the thread.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened or the thread cannot be started.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let target = Target::open(path)?;
        let (sender, receiver) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write_all(target, &receiver))?;
        Ok(Self { sender, dropped: Arc::new(AtomicU64::new(0)), thread: Some(thread) })
    }

    /// One worker's end.
    pub(crate) fn sink(&self) -> LogSink {
        LogSink {
            buffer: Vec::with_capacity(BUFFER_BYTES / 8),
            lines: 0,
            sender: self.sender.clone(),
            dropped: Arc::clone(&self.dropped),
        }
    }

    /// Opens the file anew, after something rotated it.
    pub(crate) fn reopen(&self) {
        // A full queue means that the writer is behind; the next rotation will tell it again.
        let _ = self.sender.try_send(Message::Reopen);
    }

    /// Counts lines lost because the writer could not keep up.
    pub(crate) fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.dropped)
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        let _ = self.sender.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A worker's buffer.
#[derive(Debug)]
pub(crate) struct LogSink {
    buffer: Vec<u8>,
    lines: u64,
    sender: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl LogSink {
    /// Appends one line through `write`, and hands the buffer over when it is full.
    pub(crate) fn line(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.buffer);
        self.lines += 1;
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush();
        }
    }

    /// Hands over what is there. Never blocks: with a full queue the lines are dropped and counted.
    pub(crate) fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        // The next buffer starts at the size of this one: a busy worker grows once, an idle one stays small.
        // The slack is for the line that fills it, which would otherwise make it grow by half a buffer.
        let next = Vec::with_capacity((self.buffer.len() + 4096).min(BUFFER_BYTES + 16 * 1024));
        let full = std::mem::replace(&mut self.buffer, next);
        match self.sender.try_send(Message::Lines(full)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(self.lines, Ordering::Relaxed);
            }
        }
        self.lines = 0;
    }
}

impl Drop for LogSink {
    fn drop(&mut self) {
        self.flush();
    }
}

enum Target {
    Stdout,
    Stderr,
    File(PathBuf, File),
}

impl Target {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(match path.to_str() {
            Some("/dev/stdout") => Self::Stdout,
            Some("/dev/stderr") => Self::Stderr,
            _ => Self::File(path.to_owned(), append(path)?),
        })
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => io::stdout().write_all(lines).and_then(|()| io::stdout().flush()),
            Self::Stderr => io::stderr().write_all(lines),
            Self::File(_, file) => file.write_all(lines),
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn write_all(mut target: Target, receiver: &Receiver<Message>) {
    let mut failing = false;
    while let Ok(message) = receiver.recv() {
        let result = match message {
            Message::Lines(lines) => target.write(&lines),
            Message::Reopen => match &mut target {
                Target::File(path, file) => append(path).map(|new| *file = new),
                Target::Stdout | Target::Stderr => Ok(()),
            },
            Message::Stop => return,
        };
        // Once per outage, not once per buffer.
        match result {
            Err(error) if !failing => {
                failing = true;
                tracing::error!("access log: {error}; lines are lost until writing works again");
            }
            Err(_) => {}
            Ok(()) => failing = false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PROXY-LOG-07
    #[test]
    fn lines_reach_the_file_and_survive_rotation() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("access.log");
        let writer = LogWriter::open(&path).expect("a writer");
        let mut sink = writer.sink();
        sink.line(|out| out.extend_from_slice(b"one\n"));
        sink.flush();
        // The rename happens after the first line has been written, so that the test does not race the thread.
        while std::fs::read(&path).expect("readable").is_empty() {
            std::thread::yield_now();
        }
        std::fs::rename(&path, dir.path().join("old")).expect("renamed");
        writer.reopen();
        sink.line(|out| out.extend_from_slice(b"two\n"));
        drop(sink);
        drop(writer);
        assert_eq!(std::fs::read_to_string(dir.path().join("old")).expect("old"), "one\n");
        assert_eq!(std::fs::read_to_string(&path).expect("new"), "two\n");
    }

    /// PROXY-LOG-07: a writer that is gone or behind costs lines, never time.
    #[test]
    fn a_full_queue_drops_and_counts() {
        let (sender, receiver) = sync_channel(1);
        let dropped = Arc::new(AtomicU64::new(0));
        let mut sink = LogSink { buffer: Vec::new(), lines: 0, sender, dropped: Arc::clone(&dropped) };
        for _ in 0..3 {
            sink.line(|out| out.extend_from_slice(b"x\n"));
            sink.flush();
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 2);
        drop(receiver);
    }
}
