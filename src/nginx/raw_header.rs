//! The header of a request as the client sent it.
//!
//! nginx parses headers where it received them and ends names and values with NULs there, so the text
//! is put together from nginx's buffers, and the NULs become what they were.
#![allow(unsafe_code)]
use super::Request;
use super::sys::{self, ngx_buf_t};
use crate::scan::{BLOCK, Set, last_block, mask};

const CR: u8 = b'\r';
const LF: u8 = b'\n';

/// The parts of a raw header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    All,
    /// Everything behind the request line.
    Headers,
}

/// The header of the main request, up to and with the empty line. Nothing if nginx found no request
/// line. Only for protocols that send headers as text.
pub(crate) fn of(r: Request, part: Part) -> Vec<u8> {
    let mut text = Vec::new();
    // SAFETY: [request-alive]; nginx keeps the buffers of a header as long as its request, and
    // `request_line` points into one of them.
    unsafe {
        let r = r.main().as_ptr();
        let line = (*r).request_line;
        if line.len == 0 {
            return text;
        }
        let line_end = line.data.add(line.len);
        let headers = line_end.add(if *line_end == CR { 2 } else { 1 });
        let start = if part == Part::All { line.data } else { headers };
        let buffer = (*(*r).connection).buffer;
        let mut begun = line.data >= (*buffer).start && headers <= (*buffer).pos;
        if begun {
            let tail = if buffer == (*r).header_in { Tail::Whole } else { Tail::Cut };
            if append(&mut text, start, (*buffer).pos, tail) == Progress::Complete {
                return text;
            }
        }
        for b in large_buffers(r) {
            if !begun && (line.data >= (*b).pos || headers <= (*b).start) {
                continue;
            }
            let start = if begun { (*b).start } else { start };
            begun = true;
            let progress = append(&mut text, start, (*b).pos, Tail::Cut);
            if progress == Progress::Complete {
                return text;
            }
            if b == (*r).header_in {
                break;
            }
        }
    }
    cut_behind_header(&mut text);
    text
}

/// The buffers for headers that do not fit the first one, oldest first.
///
/// # Safety
/// `r` is a live main request.
unsafe fn large_buffers(r: *mut sys::ngx_http_request_t) -> Vec<*mut ngx_buf_t> {
    let mut buffers = Vec::new();
    // SAFETY: the caller's contract; nginx puts the newest first.
    unsafe {
        let mut link = (*(*r).http_connection).busy;
        while let Some(l) = link.as_ref() {
            buffers.push(l.buf);
            link = l.next;
        }
    }
    buffers.reverse();
    buffers
}

/// What the end of a buffer may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tail {
    Whole,
    /// The beginning of a line that nginx has moved to the next buffer.
    Cut,
}

/// Whether the empty line has been seen.
#[derive(PartialEq, Eq)]
enum Progress {
    Incomplete,
    Complete,
}

/// # Safety
/// `from..to` lies in one buffer, or is empty.
unsafe fn append(text: &mut Vec<u8>, from: *const u8, to: *const u8, tail: Tail) -> Progress {
    if from >= to {
        return Progress::Incomplete;
    }
    // SAFETY: the caller's contract.
    let mut more = unsafe { core::slice::from_raw_parts(from, to.offset_from_unsigned(from)) };
    if tail == Tail::Cut {
        more = &more[..more.iter().rposition(|b| matches!(*b, LF | 0)).map_or(0, |i| i + 1)];
    }
    let at = text.len();
    if at == 0 {
        // Cheaper than to grow.
        *text = more.to_vec();
    } else {
        text.extend_from_slice(more);
    }
    match restore(&mut text[at..]) {
        Some(end) => {
            text.truncate(at + end);
            Progress::Complete
        }
        None => Progress::Incomplete,
    }
}

/// What nginx writes over the end of a name or a value.
enum Nul {}

impl Set for Nul {
    const RANGES: &'static [(u8, u8)] = &[(0, 0)];
}

/// Puts back what nginx overwrote. Returns where the header ends, if that is seen on the way.
fn restore(text: &mut [u8]) -> Option<usize> {
    let mut is_name = true;
    let mut block_at = 0;
    while let Some(rest) = text.get(block_at..).filter(|rest| !rest.is_empty()) {
        let mut nuls = match rest.first_chunk() {
            Some(block) => mask::<Nul>(block),
            None => mask::<Nul>(&last_block(rest)) & ((1 << rest.len()) - 1),
        };
        while nuls != 0 {
            let at = block_at + nuls.trailing_zeros() as usize;
            nuls &= nuls - 1;
            match &mut text[at..] {
                [nul, LF, CR, LF, ..] => {
                    *nul = CR;
                    return Some(at + 4);
                }
                [nul, LF, ..] => *nul = CR,
                [nul, _, ..] if is_name => *nul = b':',
                [nul, ..] => *nul = LF,
                [] => return None,
            }
            is_name = !is_name;
        }
        block_at += BLOCK;
    }
    None
}

/// Cuts off what follows the empty line: nginx moves the buffer's `pos` when it reads the body.
fn cut_behind_header(text: &mut Vec<u8>) {
    for end in [b"\r\n\r\n".as_slice(), b"\r\n\n", b"\n\r\n"] {
        if let Some(at) = text.windows(end.len()).position(|w| w == end) {
            text.truncate(at + end.len());
            return;
        }
    }
    // The LF of a last line without CR was taken for the one of a CRLF.
    for i in (2..text.len()).rev() {
        if text[i] == LF && matches!(text[i - 1], CR | LF) {
            text[i - 1] = LF;
            text.truncate(i + 1);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::rounds;

    /// The text of one buffer that nginx has parsed.
    fn restored(parsed: &str) -> String {
        let mut text = Vec::new();
        let bytes = parsed.as_bytes().as_ptr_range();
        // SAFETY: the bytes of one string.
        if unsafe { append(&mut text, bytes.start, bytes.end, Tail::Whole) } == Progress::Incomplete
        {
            cut_behind_header(&mut text);
        }
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn nuls_become_what_they_were() {
        for (parsed, header) in [
            ("G\r\nA\0 b\0\nC\0\0\n\r\nbody\r\n\r\n", "G\r\nA: b\r\nC:\r\n\r\n"),
            ("G\nA\0 b\0C\0 d\0\n", "G\nA: b\nC: d\n\n"),
            ("G\nA\0 b\0\nbody", "G\nA: b\n\n"),
            ("A\0 b\0C\0 d\0\n\nbody", "A: b\nC: d\r\n\n"),
            ("A\0 b\0\nC\0 d\0\r\nbody", "A: b\r\nC: d\n\r\n"),
            ("A\0 b\0\nnot valid\r\n\r\nx", "A: b\r\nnot valid\r\n\r\n"),
            ("\r\n", "\r\n"),
            ("", ""),
        ] {
            assert_eq!(restored(parsed), header, "{parsed:?}");
        }
    }

    #[test]
    fn a_line_that_was_moved_on_is_left_out() {
        let mut text = Vec::new();
        let bytes = b"A\0 b\0\nHalf: a li".as_ptr_range();
        // SAFETY: the bytes of one string.
        unsafe { append(&mut text, bytes.start, bytes.end, Tail::Cut) };
        assert_eq!(text, b"A: b\r\n");
    }

    /// `header` as nginx leaves it: each name and value ends with a NUL.
    fn parsed(header: &[u8]) -> Vec<u8> {
        let mut text = header.to_vec();
        let mut in_name = true;
        for at in header.iter().position(|b| *b == b'\n').map_or(0, |at| at + 1)..text.len() - 2 {
            match header[at] {
                b':' if in_name => {
                    text[at] = 0;
                    in_name = false;
                }
                b'\r' if !in_name => {
                    text[at] = 0;
                    in_name = true;
                }
                _ => {}
            }
        }
        text
    }

    #[test]
    fn any_header_comes_back() {
        rounds(|random| {
            let mut header = b"GET / HTTP/1.1\r\n".to_vec();
            for _ in 0..random.below(8) {
                let mut value = random.bytes(30, b":: ,;=\xff");
                value.retain(|b| !b"\0\r\n".contains(b));
                header.extend([b"Name: ", &*value, b"\r\n"].concat());
            }
            header.extend(b"\r\n");
            let mut text = Vec::new();
            let from = [&*parsed(&header), b"body\0\r\n\r\n"].concat();
            let bytes = from.as_ptr_range();
            // SAFETY: the bytes of one vector.
            if unsafe { append(&mut text, bytes.start, bytes.end, Tail::Whole) }
                == Progress::Incomplete
            {
                cut_behind_header(&mut text);
            }
            assert_eq!(String::from_utf8_lossy(&text), String::from_utf8_lossy(&header));
        });
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        rounds(|random| {
            let from = random.bytes(60, b"\0\0\0\n\r:");
            for tail in [Tail::Whole, Tail::Cut] {
                let (mut text, bytes) = (Vec::new(), from.as_ptr_range());
                // SAFETY: the bytes of one vector.
                unsafe { append(&mut text, bytes.start, bytes.end, tail) };
                cut_behind_header(&mut text);
                assert!(text.len() <= from.len());
            }
        });
    }
}
