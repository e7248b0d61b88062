//! A socket that sends a short message in one piece.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Longer messages are cheaper to send as they lie than to copy.
const COPIED: usize = 4096;

thread_local! {
    /// Where the pieces are put together; they leave again before the write returns.
    static PIECES: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(COPIED));
}

/// A socket of HTTP/1. The engine hands a message over as a head and a body; for a short one, copying both together
/// and one `send` costs less than `writev`.
pub(crate) struct Joined(pub(crate) TcpStream);

impl AsyncRead for Joined {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Joined {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let socket = Pin::new(&mut self.0);
        match bufs {
            [only] => socket.poll_write(cx, only),
            _ if bufs.iter().map(|piece| piece.len()).sum::<usize>() > COPIED => {
                socket.poll_write_vectored(cx, bufs)
            }
            _ => PIECES.with_borrow_mut(|pieces| {
                pieces.clear();
                for piece in bufs {
                    pieces.extend_from_slice(piece);
                }
                socket.poll_write(cx, pieces)
            }),
        }
    }
}
