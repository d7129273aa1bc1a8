//! What has come out of a process, and how much of it a reader wants.

/// What a reader waits for; the numbers are lua-resty-core's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wanted {
    All,
    /// So many bytes, not fewer.
    Bytes(usize),
    /// Up to a line feed, which is not returned; nor are carriage returns.
    Line,
    /// What there is, but no more than that.
    Any(usize),
}

impl Wanted {
    pub(super) const fn from_number(kind: i32, length: usize) -> Option<Self> {
        match kind {
            0 => Some(Self::All),
            1 => Some(Self::Bytes(length)),
            2 => Some(Self::Line),
            3 => Some(Self::Any(length)),
            _ => None,
        }
    }
}

#[derive(Default)]
pub(super) struct Input {
    data: Vec<u8>,
    /// No line feed lies before.
    searched: usize,
    at_end: bool,
}

/// Nothing more will come, and the reader wants more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closed;

impl Input {
    /// Room for `n` bytes to be read; `filled` says how many were.
    pub(super) fn room(&mut self, n: usize) -> &mut [u8] {
        let len = self.data.len();
        self.data.resize(len + n, 0);
        &mut self.data[len..]
    }

    /// Of the `room` bytes that there was room for, `n` were read.
    pub(super) fn filled(&mut self, room: usize, n: usize) {
        self.data.truncate(self.data.len() - room + n);
    }

    pub(super) fn end(&mut self) {
        self.at_end = true;
    }

    /// What the reader wants, if it is there.
    pub(super) fn take(&mut self, wanted: Wanted) -> Result<Option<Vec<u8>>, Closed> {
        let len = self.data.len();
        let found = match wanted {
            Wanted::All => self.at_end.then(|| self.remove(len)),
            Wanted::Bytes(n) => (len >= n).then(|| self.remove(n)),
            Wanted::Line => self.take_line(),
            Wanted::Any(max) => (len > 0).then(|| self.remove(len.min(max))),
        };
        if found.is_none() && self.at_end { Err(Closed) } else { Ok(found) }
    }

    /// Whatever has come, for a reader that gets nothing better.
    pub(super) fn take_rest(&mut self, wanted: Wanted) -> Vec<u8> {
        let rest = self.remove(self.data.len());
        if wanted == Wanted::Line { without_returns(rest) } else { rest }
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let Some(at) = self.data[self.searched..].iter().position(|b| *b == b'\n') else {
            self.searched = self.data.len();
            return None;
        };
        let mut line = self.remove(self.searched + at + 1);
        line.pop();
        Some(without_returns(line))
    }

    fn remove(&mut self, n: usize) -> Vec<u8> {
        self.searched = 0;
        if n == self.data.len() {
            return std::mem::take(&mut self.data);
        }
        let rest = self.data.split_off(n);
        std::mem::replace(&mut self.data, rest)
    }
}

fn without_returns(mut line: Vec<u8>) -> Vec<u8> {
    line.retain(|b| *b != b'\r');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(data: &[u8]) -> Input {
        let mut input = Input::default();
        input.room(data.len() + 3)[..data.len()].copy_from_slice(data);
        input.filled(data.len() + 3, data.len());
        input
    }

    fn text(taken: Result<Option<Vec<u8>>, Closed>) -> Option<String> {
        taken.unwrap().map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn lines_end_at_line_feeds() {
        let mut input = input(b"one\r\n\nth");
        assert_eq!(text(input.take(Wanted::Line)).as_deref(), Some("one"));
        assert_eq!(text(input.take(Wanted::Line)).as_deref(), Some(""));
        assert_eq!(text(input.take(Wanted::Line)), None);
        input.room(4).copy_from_slice(b"r\ree");
        assert_eq!(text(input.take(Wanted::Line)), None);
        input.end();
        assert_eq!(input.take(Wanted::Line), Err(Closed));
        assert_eq!(input.take_rest(Wanted::Line), b"three");
        assert_eq!(input.take(Wanted::Line), Err(Closed));
    }

    #[test]
    fn a_line_found_late_is_whole() {
        let mut input = input(b"abc");
        assert_eq!(text(input.take(Wanted::Line)), None);
        input.room(3).copy_from_slice(b"d\ne");
        assert_eq!(text(input.take(Wanted::Line)).as_deref(), Some("abcd"));
        assert_eq!(text(input.take(Wanted::Any(10))).as_deref(), Some("e"));
    }

    #[test]
    fn bytes_come_all_or_not_at_all() {
        let mut input = input(b"abcde");
        assert_eq!(text(input.take(Wanted::Bytes(3))).as_deref(), Some("abc"));
        assert_eq!(text(input.take(Wanted::Bytes(3))), None);
        input.end();
        assert_eq!(input.take(Wanted::Bytes(3)), Err(Closed));
        assert_eq!(text(input.take(Wanted::Bytes(2))).as_deref(), Some("de"));
    }

    #[test]
    fn any_is_limited_and_all_waits_for_the_end() {
        let mut input = input(b"abcde");
        assert_eq!(text(input.take(Wanted::Any(2))).as_deref(), Some("ab"));
        assert_eq!(text(input.take(Wanted::All)), None);
        input.end();
        assert_eq!(text(input.take(Wanted::All)).as_deref(), Some("cde"));
        assert_eq!(text(input.take(Wanted::All)).as_deref(), Some(""));
        assert_eq!(input.take(Wanted::Any(2)), Err(Closed));
    }
}
