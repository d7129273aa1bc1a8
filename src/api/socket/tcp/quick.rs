//! Reads of what has been received already, which need nothing but the buffer: no look at the connection, no event, no
//! timer; and which writes can be made at once. Whatever is not plain is left to `receive` and `send`.
#![allow(unsafe_code)]
use core::ffi::c_void;
use core::ptr::NonNull;

use super::Socket;
use super::pattern::Pattern;
use super::receive::{Format, LARGEST_KEPT, line_end};
use crate::vm::{IntoResults, Stack};

/// The front of a socket's buffer, to be handed over. Its socket's userdata is on the stack until then, or an upvalue.
pub(super) struct Front {
    socket: NonNull<Socket>,
    deliver: usize,
    take: usize,
}

impl IntoResults for Front {
    #[inline]
    fn push(self, stack: Stack) -> i32 {
        // SAFETY: whoever made this has found the socket through its userdata, which the running call holds.
        let buffer = unsafe { &self.socket.as_ref().buffer };
        stack.push_bytes(&buffer.bytes()[..self.deliver]);
        buffer.take(self.take);
        if buffer.is_empty() && buffer.capacity() > LARGEST_KEPT {
            buffer.release();
        }
        1
    }
}

impl Socket {
    /// What has been received, if a read for the request `owner` may take it as it is.
    #[inline(always)]
    pub(super) fn at_hand(&self, owner: *mut c_void) -> Option<&[u8]> {
        let r = self.request.get()?;
        let plain = r.as_ptr().cast() == owner
            && self.is_plain.get()
            && self.reading.get().is_idle()
            && self.connecting.get().is_idle();
        plain.then(|| self.buffer.bytes())
    }

    /// Lets a line that is asked for come, if there is nothing at all and only an event can bring it.
    #[inline(always)]
    pub(super) fn expects_line(&self) -> bool {
        let quiet = self.readable().filter(|c| c.is_quiet() && !self.ended.get());
        if let Some(c) = quiet {
            self.begin_read(Format::Line);
            self.limit_wait(c);
        }
        quiet.is_some()
    }

    /// Whether a write for the request `owner` needs nothing but the connection.
    #[inline(always)]
    pub(super) fn takes_writes(&self, owner: *mut c_void) -> bool {
        self.request.get().is_some_and(|r| r.as_ptr().cast() == owner)
            && self.is_plain.get()
            && self.writing.get().is_idle()
            && self.connecting.get().is_idle()
            && self.writable().is_some_and(|c| !c.delays())
    }

    fn front(&self, deliver: usize, take: usize) -> Front {
        Front { socket: NonNull::from(self), deliver, take }
    }
}

/// A line, if there is one.
#[inline(always)]
pub(super) fn line(socket: &Socket, data: &[u8]) -> Option<Front> {
    let end = line_end(data)?;
    match (data[end], data.get(end + 1)) {
        (b'\n', _) => Some(socket.front(end, end + 1)),
        (_, Some(b'\n')) => Some(socket.front(end, end + 2)),
        _ => None,
    }
}

/// What is there up to the pattern.
#[inline(always)]
pub(super) fn piece(stack: Stack, socket: &Socket, pattern: &Pattern) -> Option<Front> {
    let data = socket.at_hand(stack.owner())?;
    let at = pattern.find(data, 0)?;
    let take = at + pattern.len();
    Some(socket.front(if pattern.inclusive { take } else { at }, take))
}
