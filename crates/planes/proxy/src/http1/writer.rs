//! A response on its way to an HTTP/1.1 client: what is ready goes out together, and what is not is not waited for.

use super::io::Io;
use super::print::{self, Framing};
use crate::limits;
use crate::message::{Chunk, Fields};
use crate::respond::Download;
use http::{Method, StatusCode};
use std::cell::RefCell;
use std::io;
use std::task::{Context, Poll, ready};

/// A response that is written.
#[derive(Debug)]
pub(super) struct Writer {
    download: Download,
    framing: Framing,
    /// Nothing of the body is written, to HEAD for example.
    silent: bool,
    ended: bool,
    /// Not with the connection yet.
    out: Vec<u8>,
}

impl Writer {
    /// Writes the head. `close` says so to the client, and is added where the end of the connection is the end of the body.
    pub(super) fn new(mut download: Download, method: &Method, http11: bool, close: &mut bool) -> Self {
        let status = download.head.status;
        let bodiless =
            status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
        let silent = bodiless || method == Method::HEAD;
        let framing = match download.length() {
            _ if silent => Framing::None, // a length that was said stays among the fields
            Some(length) => Framing::Length(length),
            None if http11 => Framing::Chunked,
            None => Framing::Close,
        };
        *close |= framing == Framing::Close || download.close;
        if !silent {
            download.head.fields.remove("content-length");
        }
        if !http11 && !*close {
            download.head.fields.set("connection", b"keep-alive");
        }
        let mut out = Vec::with_capacity(2 << 10);
        print::response(&mut out, status, &download.head.fields, framing, *close);
        Self { download, framing, silent, ended: false, out }
    }

    /// Ready once all is written. The connection is not borrowed while the body is asked: it may be read for that, to echo
    /// a request for example.
    pub(super) fn poll(&mut self, io: &RefCell<Io>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let waiting = io.borrow().waiting();
            let taken = self.take_what_is_there(waiting, cx);
            io.borrow_mut().write_later(&mut self.out);
            let written = io.borrow_mut().poll_write_out(cx);
            // Where the body broke, the client has to see that it is not whole: what was there goes out, and no end.
            let pending = taken?;
            ready!(written)?;
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            if pending {
                return Poll::Pending; // the body has the waker
            }
        }
    }

    /// Takes pieces of the body that are there. True where the next one has to be waited for.
    fn take_what_is_there(&mut self, waiting: usize, cx: &mut Context<'_>) -> io::Result<bool> {
        while !self.ended && waiting + self.out.len() < limits::WRITE_AHEAD_BYTES {
            match self.download.poll_chunk(cx) {
                Poll::Pending => return Ok(true),
                Poll::Ready(Some(Ok(Chunk::Data(_)))) if self.silent => {}
                Poll::Ready(Some(Ok(Chunk::Data(data)))) => print::data(&mut self.out, &data, self.framing),
                Poll::Ready(Some(Ok(Chunk::Trailers(fields)))) => self.end(&fields),
                Poll::Ready(None) => self.end(&Fields::default()),
                Poll::Ready(Some(Err(trouble))) => return Err(io::Error::other(trouble)),
            }
        }
        Ok(false)
    }

    fn end(&mut self, trailers: &Fields) {
        print::end(&mut self.out, trailers, if self.silent { Framing::None } else { self.framing });
        self.ended = true;
    }
}
