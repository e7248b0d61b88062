//! Bodies in both directions. Frames are passed on as they come; nothing is collected unless a retry or a mirror may
//! need the request again.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::record::Record;
use crate::upstream::{ActiveRequest, UpstreamConnection};

/// What is sent to an endpoint.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// No body, or one that has been replayed to its end.
    Empty,
    /// The client's body, counted, and kept for another attempt as long as `keep` allows.
    Client { incoming: Incoming, received: Rc<Received>, keep: Option<Rc<RefCell<Kept>>> },
    /// A kept body, sent again.
    Replay(Bytes),
}

/// How much of a request's body has come.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) bytes: Cell<u64>,
    /// The route's timeout starts here (`PROXY-TIME-01`).
    pub(crate) ended: Cell<bool>,
}

/// A request body that may be needed again (`PROXY-RETRY-04`).
#[derive(Debug)]
pub(crate) struct Kept {
    data: BytesMut,
    limit: usize,
    state: KeptState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeptState {
    Filling,
    Complete,
    /// The limit was passed: no further attempt is possible.
    Overflowed,
}

impl Kept {
    pub(crate) fn new(limit: usize) -> Self {
        Self { data: BytesMut::new(), limit, state: KeptState::Filling }
    }

    fn push(&mut self, data: &Bytes) {
        if self.state != KeptState::Filling {
            return;
        }
        if self.data.len().saturating_add(data.len()) > self.limit {
            self.state = KeptState::Overflowed;
            self.data = BytesMut::new();
        } else {
            self.data.extend_from_slice(data);
        }
    }

    fn end(&mut self) {
        if self.state == KeptState::Filling {
            self.state = KeptState::Complete;
        }
    }

    /// The whole body, if it has been received and fitted.
    pub(crate) fn replay(&mut self) -> Option<Bytes> {
        (self.state == KeptState::Complete).then(|| {
            let whole = std::mem::take(&mut self.data).freeze();
            self.data = BytesMut::from(&whole[..]);
            whole
        })
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Client { incoming, received, keep } => {
                let frame = std::task::ready!(Pin::new(&mut *incoming).poll_frame(cx));
                match &frame {
                    Some(Ok(frame)) => {
                        if let Some(data) = frame.data_ref() {
                            received.bytes.update(|bytes| bytes + data.len() as u64);
                            if let Some(keep) = keep {
                                keep.borrow_mut().push(data);
                            }
                        }
                        received.ended.set(incoming.is_end_stream());
                    }
                    None => received.ended.set(true),
                    Some(Err(_)) => {}
                }
                if received.ended.get()
                    && let Some(keep) = keep
                {
                    keep.borrow_mut().end();
                }
                Poll::Ready(frame)
            }
            Self::Replay(data) => {
                let data = std::mem::take(data);
                *self = Self::Empty;
                Poll::Ready((!data.is_empty()).then(|| Ok(Frame::data(data))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Client { incoming, .. } => incoming.is_end_stream(),
            Self::Replay(data) => data.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Client { incoming, .. } => incoming.size_hint(),
            Self::Replay(data) => SizeHint::with_exact(data.len() as u64),
        }
    }
}

/// What is sent to the client. Dropping it, finished or not, emits the request's record.
pub(crate) struct ResponseBody {
    content: Content,
    /// `None` when the exchange goes on after the response: an upgrade keeps the record.
    record: Option<Record>,
}

enum Content {
    /// Nothing, or all of it has been sent.
    Done,
    /// A reply made here.
    Local(Bytes),
    /// An endpoint's body, with the connection that delivers it.
    Upstream(Box<UpstreamStream>),
}

struct UpstreamStream {
    incoming: Incoming,
    /// `None` once the connection has gone back to its pool or ended.
    connection: Option<Box<UpstreamConnection>>,
    /// Held until the response is through: least request and circuit breakers count whole exchanges.
    _active: ActiveRequest,
}

impl ResponseBody {
    pub(crate) fn empty(mut record: Record) -> Self {
        record.complete();
        Self { content: Content::Done, record: Some(record) }
    }

    pub(crate) fn local(text: Bytes, record: Record) -> Self {
        if text.is_empty() {
            return Self::empty(record);
        }
        Self { content: Content::Local(text), record: Some(record) }
    }

    /// An empty body of a response that nobody records, or that an upgrade records when it ends.
    pub(crate) fn without_record() -> Self {
        Self { content: Content::Done, record: None }
    }

    /// An endpoint's response. `cx` is the task's, so that a body that is already there ends the use of the
    /// connection at once.
    pub(crate) fn upstream(
        incoming: Incoming,
        connection: Box<UpstreamConnection>,
        active: ActiveRequest,
        record: Record,
        cx: &mut Context<'_>,
    ) -> Self {
        if incoming.is_end_stream() {
            connection.release(cx, std::time::Instant::now());
            return Self::empty(record);
        }
        let stream = UpstreamStream { incoming, connection: Some(connection), _active: active };
        Self { content: Content::Upstream(Box::new(stream)), record: Some(record) }
    }
}

impl UpstreamStream {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        // The first poll also tells the connection that somebody wants the body.
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        if let Some(connection) = &mut self.connection {
            connection.drive(cx);
        }
        Pin::new(&mut self.incoming).poll_frame(cx)
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        match &mut this.content {
            Content::Done => Poll::Ready(None),
            Content::Local(text) => {
                let text = std::mem::take(text);
                this.content = Content::Done;
                if let Some(record) = &mut this.record {
                    record.add_sent(text.len());
                    record.complete();
                }
                Poll::Ready(Some(Ok(Frame::data(text))))
            }
            Content::Upstream(stream) => {
                let frame = std::task::ready!(stream.poll_frame(cx));
                let Some(record) = &mut this.record else { return Poll::Ready(frame) };
                let ended = match &frame {
                    Some(Ok(frame)) => {
                        if let Some(data) = frame.data_ref() {
                            record.add_sent(data.len());
                        } else if let Some(trailers) = frame.trailers_ref() {
                            record.trailers(trailers);
                        }
                        stream.incoming.is_end_stream()
                    }
                    None => true,
                    Some(Err(error)) => {
                        record.body_failed(error);
                        this.content = Content::Done;
                        return Poll::Ready(frame);
                    }
                };
                if ended {
                    let now = record.complete();
                    if let Some(connection) = stream.connection.take() {
                        connection.release(cx, now);
                    }
                    this.content = Content::Done;
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Done => true,
            Content::Local(text) => text.is_empty(),
            Content::Upstream(stream) => stream.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Done => SizeHint::with_exact(0),
            Content::Local(text) => SizeHint::with_exact(text.len() as u64),
            Content::Upstream(stream) => stream.incoming.size_hint(),
        }
    }
}
