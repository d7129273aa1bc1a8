//! The latest log lines in a buffer of fixed size: a line that does not fit makes the oldest ones go.
//!
//! It knows nothing of where lines come from (see `log_tap`). Each line lies in one piece, so that it
//! can be handed out without a copy; a line is counted with [`OVERHEAD`], as the reference counts it, so
//! that a size holds as many lines here as there.
use std::collections::VecDeque;

use super::Level;

/// What a line takes beside its text.
const OVERHEAD: usize = 24;

#[derive(Clone, Copy)]
struct Place {
    at: usize,
    len: usize,
    level: usize,
    time: f64,
}

impl Place {
    const fn end(&self) -> usize {
        self.at + self.len + OVERHEAD
    }
}

/// A line that has been taken out.
#[derive(Debug, PartialEq)]
pub(crate) struct Line<'a> {
    pub(crate) level: usize,
    /// Seconds since the epoch.
    pub(crate) time: f64,
    /// Its place is used again by the next line.
    pub(crate) text: &'a [u8],
}

pub(crate) struct Ring {
    data: Box<[u8]>,
    /// Oldest first. They lie one behind the other, and go on at the start of the buffer behind the
    /// last one that fits before its end.
    lines: VecDeque<Place>,
    /// Lines of greater numbers are not kept.
    filter_level: usize,
}

impl Ring {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            data: vec![0; size].into_boxed_slice(),
            lines: VecDeque::new(),
            filter_level: Level::Debug as usize,
        }
    }

    pub(crate) fn set_filter_level(&mut self, level: Level) {
        self.filter_level = level as usize;
    }

    /// Keeps a line, unless its level is filtered out or it is longer than the buffer.
    pub(crate) fn push(&mut self, level: usize, time: f64, text: &[u8]) {
        let need = text.len() + OVERHEAD;
        if level > self.filter_level || need > self.data.len() {
            return;
        }
        let at = loop {
            match self.room(need) {
                Some(at) => break at,
                None => self.lines.pop_front(),
            };
        };
        self.data[at..at + text.len()].copy_from_slice(text);
        self.lines.push_back(Place { at, len: text.len(), level, time });
    }

    /// Where `need` bytes are free.
    fn room(&self, need: usize) -> Option<usize> {
        let (Some(first), Some(last)) = (self.lines.front(), self.lines.back()) else {
            return Some(0);
        };
        let free_to = if last.at < first.at { first.at } else { self.data.len() };
        if free_to - last.end() >= need {
            return Some(last.end());
        }
        (last.at >= first.at && first.at >= need).then_some(0)
    }

    /// Takes the oldest line out.
    pub(crate) fn pop(&mut self) -> Option<Line<'_>> {
        let Place { at, len, level, time } = self.lines.pop_front()?;
        Some(Line { level, time, text: &self.data[at..at + len] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(ring: &mut Ring) -> Vec<String> {
        core::iter::from_fn(|| {
            ring.pop().map(|line| String::from_utf8_lossy(line.text).into_owned())
        })
        .collect()
    }

    #[test]
    fn lines_come_out_in_their_order_with_level_and_time() {
        let mut ring = Ring::new(4096);
        ring.push(4, 1.5, b"one");
        ring.push(5, 2.5, b"");
        assert_eq!(ring.pop(), Some(Line { level: 4, time: 1.5, text: b"one" }));
        assert_eq!(ring.pop(), Some(Line { level: 5, time: 2.5, text: b"" }));
        assert_eq!(ring.pop(), None);
    }

    #[test]
    fn the_oldest_make_room() {
        let mut ring = Ring::new(3 * (OVERHEAD + 4));
        for text in ["aaaa", "bbbb", "cccc", "dddd", "eeee"] {
            ring.push(4, 0.0, text.as_bytes());
        }
        assert_eq!(drain(&mut ring), ["cccc", "dddd", "eeee"]);
        ring.push(4, 0.0, &[b'x'; 3 * (OVERHEAD + 4) - OVERHEAD]);
        assert_eq!(drain(&mut ring).len(), 1);
    }

    #[test]
    fn what_can_never_fit_leaves_the_rest_alone() {
        let mut ring = Ring::new(64);
        ring.push(4, 0.0, b"short");
        ring.push(4, 0.0, &[b'x'; 64]);
        assert_eq!(drain(&mut ring), ["short"]);
    }

    #[test]
    fn the_filter_keeps_out_what_is_less_severe() {
        let mut ring = Ring::new(256);
        ring.set_filter_level(Level::Warn);
        ring.push(Level::Notice as usize, 0.0, b"no");
        ring.push(Level::Warn as usize, 0.0, b"yes");
        assert_eq!(drain(&mut ring), ["yes"]);
    }

    #[test]
    fn any_lengths_keep_the_latest_lines_whole() {
        let mut seed = 7u64;
        let mut next = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize % below
        };
        let mut ring = Ring::new(1000);
        let mut kept = VecDeque::new();
        for i in 0..20_000usize {
            let text = format!("{i}:{}", "x".repeat(next(400)));
            ring.push(4, i as f64, text.as_bytes());
            kept.push_back(text);
            while kept.len() > ring.lines.len() {
                kept.pop_front();
            }
            assert!(!kept.is_empty());
            if next(3) == 0 {
                let line = ring.pop().map(|line| line.text.to_vec());
                assert_eq!(line, kept.pop_front().map(String::into_bytes));
            }
        }
    }
}
