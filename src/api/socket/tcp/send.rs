//! Writing: at once from where the data lies, the rest from a copy when there is room again.
use super::{Failure, Progress, Socket, Use, note};
use crate::nginx::connection::{Connection, Sent};
use crate::nginx::{Level, Request};
use crate::vm::Stack;

/// What is still to be sent.
#[derive(Default)]
pub(crate) struct Unsent {
    rest: Vec<u8>,
    sent: usize,
    /// The length of the whole.
    total: usize,
}

impl Unsent {
    pub(super) fn is_pending(&self) -> bool {
        self.sent < self.rest.len()
    }
}

impl Socket {
    /// Sends; if that has to wait, [`Waiting`](super::Waiting) owns the wait.
    #[inline]
    pub(super) fn send(&self, data: &[u8]) -> Progress {
        let Some(c) = self.writable() else { return self.fail_write(Failure::Closed) };
        match self.write(c, data) {
            Ok(n) if n == data.len() => Progress::Done,
            Ok(n) => {
                let rest = data[n..].to_vec();
                self.unsent.set(Unsent { rest, sent: 0, total: data.len() });
                self.wait_to_write(c)
            }
            Err(failure) => self.fail_write(failure),
        }
    }

    /// Sees to it that small packets are sent at once, where the location wants that; `false` if the
    /// system refuses.
    #[inline]
    pub(super) fn stop_delaying(&self, r: Request) -> bool {
        match self.connection.get() {
            Some(c) if c.delays() && r.wants_nodelay() => {
                note!(self, "lua socket tcp_nodelay");
                let Err(errno) = c.set_nodelay() else { return true };
                if self.logs_errors() {
                    c.log_error(errno, c"setsockopt(TCP_NODELAY) failed");
                }
                false
            }
            _ => true,
        }
    }

    /// Writes as much as there is room for; how much that was.
    #[inline]
    fn write(&self, c: Connection, data: &[u8]) -> Result<usize, Failure> {
        note!(self, "lua tcp socket send data");
        let mut done = 0;
        while done < data.len() {
            match c.send(&data[done..]) {
                Sent::Bytes(n) => done += n,
                Sent::Nothing => return Ok(done),
                Sent::Failed(errno) => return Err(Failure::System(errno)),
            }
        }
        note!(self, "lua tcp socket sent all the data");
        c.clear_write_timer();
        if c.expect_write(0) { Ok(done) } else { Err(Failure::System(0)) }
    }

    fn wait_to_write(&self, c: Connection) -> Progress {
        if self.kind.is_client() {
            super::request::listen_to_room(self);
        }
        c.set_write_timer(self.timeouts.get().send);
        let lowat = self.conf().map_or(0, |conf| conf.send_lowat);
        if c.expect_write(lowat) { Progress::Waits } else { self.fail_write(Failure::System(0)) }
    }

    fn fail_write(&self, failure: Failure) -> Progress {
        note!(self, "lua tcp socket handle write error");
        self.write_failure.set(Some(failure));
        Progress::Failed
    }

    /// An event of a connection that is written to.
    pub(super) fn on_writable(&self) {
        if self.write_on() {
            self.finish(&self.writing);
        }
    }

    /// Goes on after an event; whether the send has ended.
    pub(super) fn write_on(&self) -> bool {
        note!(self, "lua tcp socket send handler");
        let Some(c) = self.connection.get() else { return false };
        if c.take_write_timeout() {
            if self.logs_errors() {
                self.log().write(Level::Error, b"lua tcp socket write timed out");
            }
            self.fail_write(Failure::Timeout);
            return true;
        }
        let mut unsent = self.unsent.take();
        let progress = match self.write(c, &unsent.rest[unsent.sent..]) {
            Err(failure) => self.fail_write(failure),
            Ok(n) => {
                unsent.sent += n;
                if unsent.is_pending() { self.wait_to_write(c) } else { Progress::Done }
            }
        };
        self.unsent.set(unsent);
        progress != Progress::Waits
    }

    /// Pushes why a send has failed, and ends writing. stack: [-0, +2, m]
    pub(super) fn push_write_failure(&self, stack: Stack) -> i32 {
        let failure = self.write_failure.take().unwrap_or(Failure::System(0));
        self.close_writes();
        failure.push(stack)
    }

    /// Pushes what a `send` that has waited returns. stack: [-0, +n, m]
    pub(super) fn push_sent(&self, stack: Stack) -> i32 {
        note!(self, "lua tcp socket send return value handler");
        let failure = self.write_failure.take();
        let failed = failure.is_some();
        self.write_failure.set(failure);
        let values = if failed {
            self.push_write_failure(stack)
        } else {
            let unsent = self.unsent.take();
            stack.push_integer(unsent.total.cast_signed());
            1
        };
        self.writing.set(Use::Idle);
        values
    }
}
