//! Reading: a line, so many bytes, all there is, what there is, or up to a pattern.
//!
//! What is received stays in the socket's buffer until it is whole, and is pushed to Lua from there: only then
//! it is taken. A read that fails delivers what has come.
use std::rc::Rc;

use super::pattern::{Pattern, Piece};
use super::{Failure, Kind, Progress, Socket, Use, note, request};
use crate::nginx::connection::{Connection, Received};
use crate::nginx::log::Text;
use crate::nginx::time::monotonic_msec as now;
use crate::nginx::{Level, Msec};
use crate::scan::{BLOCK, Set, mask};
use crate::vm::Stack;

/// What a read is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Up to a line feed; carriage returns are left out.
    Line,
    /// Up to the end.
    All,
    /// So many bytes.
    Exactly(usize),
    /// What comes first, at most so many bytes.
    Any(usize),
    /// Up to the socket's pattern; in pieces of so many bytes, or 0.
    Until(usize),
}

/// What a read has found: so many bytes are handed over, and so many taken from the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    deliver: usize,
    take: usize,
    /// There are no carriage returns to leave out.
    is_clean: bool,
}

impl Delivery {
    pub(super) const NOTHING: Self = Self { deliver: 0, take: 0, is_clean: true };

    const fn all(n: usize) -> Self {
        Self { deliver: n, take: n, is_clean: true }
    }
}

/// The most that is made room for at once: what is announced need not come.
const LARGEST_STEP: usize = 64 * 1024;

/// A buffer that has grown beyond this is given back when it is empty.
const LARGEST_KEPT: usize = 16 * 1024;

impl Socket {
    /// Reads; if that has to wait, [`Waiting`](super::Waiting) owns the wait.
    pub(super) fn receive(&self, format: Format) -> Progress {
        self.format.set(format);
        self.scanned.set(0);
        if self.kind.is_client() {
            request::listen(self);
        } else if !self.buffer.is_empty()
            && !self.debugs.get()
            && let Some(delivery) = self.scan()
        {
            // What has been received already takes no look at the connection.
            self.delivery.set(delivery);
            return Progress::Done;
        }
        self.advance()
    }

    /// As [`Socket::receive`], up to a pattern.
    pub(super) fn receive_until(&self, pattern: Rc<Pattern>, size: usize) -> Progress {
        self.pattern.set(Some(pattern));
        self.receive(Format::Until(size))
    }

    /// Goes on with the read, as far as the connection gives.
    pub(super) fn advance(&self) -> Progress {
        let Some(c) = self.connection.get() else { return self.fail_read(Failure::Closed) };
        note!(self, "lua tcp socket read data: wait:{}", self.waits_to_read());
        if c.is_to_close() && c.has_error() {
            // The worker's `worker_shutdown_timeout` has passed.
            self.ended.set(true);
        }
        let mut received = false;
        loop {
            if let Some(delivery) = self.scan() {
                return self.succeed(c, delivery);
            }
            if self.ended.get() {
                return self.end(c);
            }
            if received && !c.is_read_ready() {
                break;
            }
            match self.fill(c) {
                Filled::Some { from_peer } => received |= from_peer,
                Filled::Nothing => break,
                Filled::Failed(failure) => return self.fail_read(failure),
            }
        }
        if !c.expect_read() {
            return self.fail_read(Failure::System(0));
        }
        if c.is_read_active() {
            self.limit_wait(c);
        } else {
            c.clear_read_timer();
        }
        Progress::Waits
    }

    /// What the read is for, if it has come.
    #[inline(always)]
    fn scan(&self) -> Option<Delivery> {
        let data = self.buffer.bytes();
        if data.is_empty() {
            return None;
        }
        let known = self.scanned.replace(data.len());
        match self.format.get() {
            Format::Line => Self::scan_line(data, known),
            format => self.scan_for(format, data, known),
        }
    }

    #[inline(never)]
    fn scan_for(&self, format: Format, data: &[u8], known: usize) -> Option<Delivery> {
        match format {
            Format::Line => Self::scan_line(data, known),
            Format::Exactly(n) => (data.len() >= n).then(|| Delivery::all(n)),
            Format::Any(most) => Some(Delivery::all(data.len().min(most))),
            Format::All => None,
            Format::Until(size) => self.scan_until(data, known, size),
        }
    }

    /// A line: most end with the first carriage return or line feed that there is.
    #[inline]
    fn scan_line(data: &[u8], known: usize) -> Option<Delivery> {
        let new = &data[known..];
        let first = line_end(new)?;
        let at = known + first;
        // What was looked at before has no line feed, but may have carriage returns.
        let is_clean = known == 0;
        match (new[first], new.get(first + 1)) {
            (b'\n', _) => Some(Delivery { deliver: at, take: at + 1, is_clean }),
            (_, Some(b'\n')) => Some(Delivery { deliver: at, take: at + 2, is_clean }),
            _ => {
                let end = at + memchr::memchr(b'\n', &new[first..])?;
                Some(Delivery { deliver: end, take: end + 1, is_clean: false })
            }
        }
    }

    fn scan_until(&self, data: &[u8], known: usize, size: usize) -> Option<Delivery> {
        if data.len() == known {
            return None;
        }
        let pattern = self.pattern.take()?;
        let found = if size == 0 {
            pattern.find(data, known).map(Piece::Match)
        } else {
            Some(pattern.piece(data, size))
        };
        let delivery = match found {
            None | Some(Piece::More) => None,
            Some(Piece::Full(n)) => Some(Delivery::all(n)),
            Some(Piece::Match(at)) => {
                pattern.ended.set(size > 0);
                let take = at + pattern.len();
                let deliver = if pattern.inclusive { take } else { at };
                Some(Delivery { deliver, take, is_clean: true })
            }
        };
        self.pattern.set(Some(pattern));
        delivery
    }

    /// Gets more bytes into the buffer.
    fn fill(&self, c: Connection) -> Filled {
        let limit = match self.kind {
            Kind::Upstream => usize::MAX,
            Kind::Body | Kind::Raw => match request::preread(self) {
                request::Preread::Some => return Filled::Some { from_peer: false },
                request::Preread::End => {
                    self.ended.set(true);
                    return Filled::Some { from_peer: false };
                }
                request::Preread::Nothing { limit } => limit,
            },
        };
        if c.is_read_active() && !c.is_read_ready() {
            return Filled::Nothing;
        }
        let (to, room) = self.room();
        let room = room.min(limit);
        note!(self, "lua tcp socket try to recv data {room}: \"{}\"", self.target());
        #[allow(unsafe_code)]
        // SAFETY: that is what `room` gave.
        let received = unsafe { c.receive(to, room) };
        match received {
            Received::Bytes(n) => {
                #[allow(unsafe_code)]
                // SAFETY: so many bytes have been written there.
                unsafe {
                    self.buffer.filled(n);
                }
                request::received(self, n);
                Filled::Some { from_peer: true }
            }
            Received::Nothing => Filled::Nothing,
            Received::End => match request::client_end(self) {
                Some(failure) => Filled::Failed(failure),
                None => {
                    note!(self, "lua tcp socket closed");
                    self.ended.set(true);
                    Filled::Some { from_peer: true }
                }
            },
            Received::Failed(errno) => Filled::Failed(Failure::System(errno)),
        }
    }

    fn room(&self) -> (*mut u8, usize) {
        let size = self.conf().map_or(4096, |conf| conf.buffer_size);
        let len = self.buffer.len();
        let wanted = match self.format.get() {
            Format::Exactly(n) => (n - len).min(LARGEST_STEP.max(len)),
            _ => 1,
        };
        let memory = self.buffer.capacity();
        if len == 0 && memory > 0 {
            note!(self, "lua reuse free buf memory {memory} >= {wanted}");
        }
        self.buffer.room(wanted, size)
    }

    /// The read ends well.
    fn succeed(&self, c: Connection, delivery: Delivery) -> Progress {
        note!(
            self,
            "lua tcp socket receive done: wait:{}, eof:{}, uri:\"{}\"",
            self.waits_to_read(),
            u8::from(self.ended.get()),
            self.target()
        );
        self.delivery.set(delivery);
        let is_last = delivery.take == self.buffer.len();
        match request::check_client(self, is_last) {
            Some(Ok(())) => Progress::Done,
            Some(Err(failure)) => self.fail_read(failure),
            None if !c.expect_read() => self.fail_read(Failure::System(0)),
            None => Progress::Done,
        }
    }

    /// Nothing more will come.
    fn end(&self, c: Connection) -> Progress {
        match self.format.get() {
            Format::All => self.succeed(c, Delivery::all(self.buffer.len())),
            _ => self.fail_read(Failure::Closed),
        }
    }

    fn fail_read(&self, failure: Failure) -> Progress {
        note!(self, "lua tcp socket handle read error");
        self.read_failure.set(Some(failure));
        Progress::Failed
    }

    /// An event of a connection that is read from.
    pub(super) fn on_readable(&self) {
        if self.read_on() {
            self.finish(&self.reading);
        }
    }

    /// Goes on after an event; whether the read has ended.
    pub(super) fn read_on(&self) -> bool {
        note!(self, "lua tcp socket read handler");
        let Some(c) = self.connection.get() else { return false };
        if c.take_read_timeout() {
            if self.is_early(c) {
                return false;
            }
            if self.logs_errors() {
                self.log().write(Level::Error, b"lua tcp socket read timed out");
            }
            self.fail_read(Failure::Timeout);
            return true;
        }
        if self.kind.is_client() {
            c.clear_read_timer();
        }
        self.advance() != Progress::Waits
    }

    /// The read timer has been left armed since an earlier read: it fires too early for this one, and is
    /// armed anew.
    fn is_early(&self, c: Connection) -> bool {
        let left = self.read_until.get().wrapping_sub(now()).cast_signed();
        if self.kind.is_client() || left <= 0 {
            return false;
        }
        c.set_read_timer(Msec(left.unsigned_abs()));
        true
    }

    /// Limits the wait for data. The timer of an earlier read is left as it is, if it fires early enough:
    /// putting it into nginx's tree and taking it out again costs more than a read.
    fn limit_wait(&self, c: Connection) {
        let timeout = self.timeouts.get().read;
        if self.kind.is_client() {
            c.set_read_timer(timeout);
            return;
        }
        self.read_until.set(now().wrapping_add(timeout.0));
        if !c.fires_before(self.read_until.get()) {
            c.clear_read_timer();
            c.set_read_timer(timeout);
        }
    }

    fn waits_to_read(&self) -> u8 {
        u8::from(matches!(self.reading.get(), Use::Waiting(_)))
    }

    /// The request's URI and query, for debug lines.
    fn target(&self) -> String {
        self.request
            .get()
            .map_or_else(String::new, |r| format!("{}?{}", Text(r.uri()), Text(r.args())))
    }

    /// Pushes what `receive` returns, and ends the read. stack: [-0, +n, m]
    pub(super) fn push_received(&self, stack: Stack) -> i32 {
        note!(self, "lua tcp socket receive return value handler");
        if self.kind.is_client()
            && let Some(ctx) = self.context()
        {
            request::stop_listening(ctx);
        }
        let values = match self.read_failure.take() {
            None => {
                let Delivery { deliver, take, is_clean } = self.delivery.get();
                let bytes = match is_clean {
                    true => &self.buffer.bytes()[..deliver],
                    false => self.line(deliver),
                };
                stack.push_bytes(bytes);
                self.buffer.take(take);
                1
            }
            Some(failure) => self.push_failed_read(&failure, stack),
        };
        if self.buffer.is_empty() && self.buffer.capacity() > LARGEST_KEPT {
            self.buffer.release();
        }
        self.reading.set(Use::Idle);
        values
    }

    /// The first `len` bytes as Lua is to get them.
    #[inline]
    fn line<'a>(&self, len: usize) -> &'a [u8] {
        let bytes = &self.buffer.bytes()[..len];
        if self.format.get() != Format::Line || memchr::memchr(b'\r', bytes).is_none() {
            return bytes;
        }
        self.buffer.squeeze(len, b'\r')
    }

    /// Pushes `nil`, the message, and what has come. stack: [-0, +3, m]
    #[cold]
    fn push_failed_read(&self, failure: &Failure, stack: Stack) -> i32 {
        let values = failure.push(stack);
        let mut len = self.buffer.len();
        if let Some(pattern) = self.pattern.take().filter(|_| self.is_until()) {
            // What may be the pattern's beginning is neither data nor lost.
            len -= pattern.begun(self.buffer.bytes());
        }
        stack.push_bytes(self.line(len));
        self.buffer.take(len);
        if *failure != Failure::Timeout {
            self.close_reads();
        }
        values + 1
    }

    fn is_until(&self) -> bool {
        matches!(self.format.get(), Format::Until(_))
    }
}

/// What a line may end with.
enum LineEnds {}

impl Set for LineEnds {
    const RANGES: &'static [(u8, u8)] = &[(b'\n', b'\n'), (b'\r', b'\r')];
}

/// Where the first carriage return or line feed is. Most lines are short: a call of memchr costs more than to
/// look at some blocks here.
#[inline]
fn line_end(data: &[u8]) -> Option<usize> {
    const SHORT: usize = 4 * BLOCK;
    let (blocks, rest) = data[..data.len().min(SHORT)].as_chunks::<BLOCK>();
    for (n, block) in blocks.iter().enumerate() {
        let found = mask::<LineEnds>(block);
        if found != 0 {
            return Some(n * BLOCK + found.trailing_zeros() as usize);
        }
    }
    let at = blocks.len() * BLOCK;
    let rest = match data.len() > SHORT {
        true => memchr::memchr2(b'\n', b'\r', &data[at..]),
        false => rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')),
    };
    rest.map(|n| at + n)
}

/// What an attempt to get bytes gave.
enum Filled {
    Some { from_peer: bool },
    Nothing,
    Failed(Failure),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_line_is_found_wherever_it_is() {
        for len in 0..100 {
            let line = vec![b'x'; len];
            assert_eq!(line_end(&line), None);
            for at in 0..len {
                for end in [b'\n', b'\r'] {
                    let mut line = line.clone();
                    line[at] = end;
                    assert_eq!(line_end(&line), Some(at));
                    line[len - 1] = b'\n';
                    assert_eq!(line_end(&line), Some(at));
                }
            }
        }
        assert_eq!(line_end(b"\x0b\x09\x8a\x8d\x0c\x00\xff\x0e"), None);
    }
}
