//! Strings copied out of a zone, for a caller that holds the zone's lock and must not stay.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::fmt;
use core::mem::MaybeUninit;
use core::ops::Deref;
use core::ptr::NonNull;
use std::alloc::{Layout, alloc};

use super::{Slab, Span, bytes};

/// One string; a short one needs no memory of its own.
pub(crate) struct Text(Place);

enum Place {
    Short(u8, [MaybeUninit<u8>; Text::SHORT]),
    Long(Vec<u8>),
}

impl Text {
    const SHORT: usize = 46;
}

impl<const N: usize> Span<N> {
    /// A copy of `len` bytes; `None` without memory for it, or if they cannot lie in the zone.
    #[inline]
    pub(crate) fn text_behind<const AT: usize>(self, skip: usize, len: usize) -> Option<Text> {
        let from = self.behind::<AT>(skip, len)?;
        if len > Text::SHORT {
            // SAFETY: [zone-bytes]; within the zone.
            return unsafe { long(from, len) };
        }
        let mut short = [const { MaybeUninit::uninit() }; Text::SHORT];
        // SAFETY: [zone-bytes]; within the zone, and there is room.
        unsafe { bytes::copy(from, short.as_mut_ptr().cast(), len) };
        Some(Text(Place::Short(len as u8, short)))
    }
}

/// # Safety
/// `from` is valid for `len` bytes, which are more than none.
#[inline(never)]
unsafe fn long(from: *const u8, len: usize) -> Option<Text> {
    let layout = Layout::array::<u8>(len).ok()?;
    // SAFETY: the caller's contract; the vector gets memory of its allocator, with bytes in it.
    unsafe {
        let copy = NonNull::new(alloc(layout))?.as_ptr();
        bytes::copy(from, copy, len);
        Some(Text(Place::Long(Vec::from_raw_parts(copy, len, len))))
    }
}

impl Deref for Text {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            // SAFETY: as many have been written.
            Place::Short(len, bytes) => unsafe {
                core::slice::from_raw_parts(bytes.as_ptr().cast(), (*len).into())
            },
            Place::Long(bytes) => bytes,
        }
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Self(Place::Long(bytes.to_vec()))
    }
}

impl Clone for Text {
    fn clone(&self) -> Self {
        (**self).into()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.escape_ascii().fmt(f)
    }
}

thread_local! {
    /// Memory that [`Strings`] had, for the next ones.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Drop for Strings {
    fn drop(&mut self) {
        const MOST: usize = 64 << 10;
        if self.bytes.capacity() <= MOST {
            let _ = SPARE.try_with(|spare| spare.set(core::mem::take(&mut self.bytes)));
        }
    }
}

/// Many strings, one after the other, each behind its length.
pub(crate) struct Strings {
    bytes: Vec<u8>,
    count: usize,
}

impl Strings {
    const LENGTH: usize = size_of::<u16>();
    /// What is copied at once, whatever the length of the string.
    const PIECE: usize = size_of::<bytes::Part>();

    /// With room for `count` strings of usual length; without memory for it, with none.
    pub(crate) fn with_room_for(count: usize) -> Self {
        let mut bytes = SPARE.try_with(Cell::take).unwrap_or_default();
        bytes.clear();
        let _ = bytes.try_reserve(count.saturating_mul(Self::LENGTH + 2 * Self::PIECE));
        Self { bytes, count: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Where [`Strings::cut`] may come back to.
    pub(crate) fn mark(&self) -> (usize, usize) {
        (self.bytes.len(), self.count)
    }

    pub(crate) fn cut(&mut self, (bytes, count): (usize, usize)) {
        self.bytes.truncate(bytes);
        self.count = count;
    }

    /// Adds strings, each of some length behind the first `AT` bytes of its span. Without memory for them
    /// they are left out.
    #[inline(never)]
    pub(crate) fn extend<const AT: usize, const N: usize>(
        &mut self,
        spans: impl Iterator<Item = (Span<N>, u16)>,
    ) {
        const { assert!(AT + Self::PIECE <= N) };
        let (mut used, mut count, mut limit) = (self.bytes.len(), self.count, self.limit());
        for (span, len) in spans {
            let len = usize::from(len);
            // SAFETY: [zone-bytes]; the span has the bytes, `used` have been written, and there is room.
            unsafe {
                if len > Self::PIECE || used >= limit {
                    self.bytes.set_len(used);
                    count += usize::from(self.push_long(span.slab, span.at + AT, len));
                    (used, limit) = (self.bytes.len(), self.limit());
                    continue;
                }
                let from = span.slab.base.as_ptr().add(span.at + AT);
                let place = self.bytes.as_mut_ptr().add(used);
                bytes::put(place, (len as u16).to_ne_bytes());
                bytes::put::<bytes::Part>(place.add(Self::LENGTH), bytes::read(from));
            }
            used += Self::LENGTH + len;
            count += 1;
        }
        // SAFETY: as many have been written.
        unsafe { self.bytes.set_len(used) };
        self.count = count;
    }

    /// From where on there is no room for a short string.
    fn limit(&self) -> usize {
        (self.bytes.capacity() + 1).saturating_sub(Self::LENGTH + Self::PIECE)
    }

    #[inline(never)]
    fn push_long(&mut self, slab: Slab, at: usize, len: usize) -> bool {
        let wanted = Self::LENGTH + len.max(Self::PIECE);
        if !slab.contains(at, len) || self.bytes.try_reserve(wanted).is_err() {
            return false;
        }
        let used = self.bytes.len();
        // SAFETY: [zone-bytes]; the zone has the bytes, and there is room for them.
        unsafe {
            let to = self.bytes.as_mut_ptr().add(used);
            bytes::put(to, (len as u16).to_ne_bytes());
            bytes::copy(slab.base.as_ptr().add(at), to.add(Self::LENGTH), len);
            self.bytes.set_len(used + Self::LENGTH + len);
        }
        true
    }

    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut at = 0;
        core::iter::from_fn(move || {
            if at >= self.bytes.len() {
                return None;
            }
            // SAFETY: here stands a length, and as many bytes behind it.
            let string = unsafe {
                let place = self.bytes.as_ptr().add(at);
                let len = u16::from_ne_bytes(place.cast::<[u8; 2]>().read());
                core::slice::from_raw_parts(place.add(Self::LENGTH), len.into())
            };
            at += Self::LENGTH + string.len();
            Some(string)
        })
    }
}
