//! Bytes that another process may be writing while they are read: copies and comparisons by loads that the
//! compiler neither repeats nor leaves out. What has been read may be torn; that is for the caller to find out.
#![allow(unsafe_code)]

/// Sixteen bytes, in one register where the processor has such.
#[cfg(target_arch = "x86_64")]
pub(super) type Part = core::arch::x86_64::__m128i;
#[cfg(not(target_arch = "x86_64"))]
pub(super) type Part = u128;

const PART: usize = size_of::<Part>();

/// A value at any address, read and written by one instruction.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Unaligned<T>(T);

/// # Safety
/// `from` is valid for `T`, which any bytes are.
#[inline(always)]
pub(super) unsafe fn read<T: Copy>(from: *const u8) -> T {
    // SAFETY: the caller's contract.
    unsafe { from.cast::<Unaligned<T>>().read_volatile().0 }
}

/// # Safety
/// `to` is valid for `T`.
#[inline(always)]
pub(super) unsafe fn write<T: Copy>(to: *mut u8, value: T) {
    // SAFETY: the caller's contract.
    unsafe { to.cast::<Unaligned<T>>().write_volatile(Unaligned(value)) }
}

/// Writes where nobody else looks.
///
/// # Safety
/// `to` is valid for `T`.
#[inline(always)]
pub(super) unsafe fn put<T: Copy>(to: *mut u8, value: T) {
    // SAFETY: the caller's contract.
    unsafe { to.cast::<Unaligned<T>>().write(Unaligned(value)) }
}

/// Whether the bytes at `place` are `bytes`.
///
/// # Safety
/// `place` is valid for as many.
#[inline(always)]
pub(super) unsafe fn equal(place: *const u8, bytes: &[u8]) -> bool {
    let (other, len) = (bytes.as_ptr(), bytes.len());
    // SAFETY: the caller's contract; each piece lies within `len` bytes.
    unsafe {
        if len >= 8 {
            let same = |i| read::<u64>(place.add(i)) == read::<u64>(other.add(i));
            let mut at = 0;
            while at + 8 < len && same(at) {
                at += 8;
            }
            at + 8 >= len && same(len - 8)
        } else if len >= 4 {
            let same = |i| read::<u32>(place.add(i)) == read::<u32>(other.add(i));
            same(0) && same(len - 4)
        } else if len >= 2 {
            let same = |i| read::<u16>(place.add(i)) == read::<u16>(other.add(i));
            same(0) && same(len - 2)
        } else {
            len == 0 || read::<u8>(place) == read::<u8>(other)
        }
    }
}

/// Out of the way of short ones.
///
/// # Safety
/// As for [`equal`].
#[inline(never)]
pub(super) unsafe fn equal_long(place: *const u8, bytes: &[u8]) -> bool {
    // SAFETY: the caller's contract.
    unsafe { equal(place, bytes) }
}

/// # Safety
/// As for `ptr::copy_nonoverlapping`, but others may be writing what is read.
#[inline(always)]
pub(super) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller's contract; all pieces lie within `len` bytes.
    unsafe {
        if len > 8 * PART {
            copy_long(from, to, len);
        } else if len > 4 * PART {
            copy_ends::<[Part; 4]>(from, to, len);
        } else if len > 2 * PART {
            copy_ends::<[Part; 2]>(from, to, len);
        } else if len > PART {
            copy_ends::<Part>(from, to, len);
        } else if len >= 8 {
            copy_ends::<u64>(from, to, len);
        } else if len >= 4 {
            copy_ends::<u32>(from, to, len);
        } else if len >= 2 {
            copy_ends::<u16>(from, to, len);
        } else if len == 1 {
            to.write(read::<u8>(from));
        }
    }
}

/// The first and the last piece, which may overlap.
///
/// # Safety
/// As for [`copy`]; at least one piece, at most two.
#[inline(always)]
unsafe fn copy_ends<T: Copy>(from: *const u8, to: *mut u8, len: usize) {
    let last = len - size_of::<T>();
    // SAFETY: the caller's contract.
    unsafe {
        let (one, other) = (read::<T>(from), read::<T>(from.add(last)));
        put(to, one);
        put(to.add(last), other);
    }
}

/// Not libc's `memcpy`: for a caller in Rust nobody writes meanwhile what that reads. And it copies long
/// strings by `rep movsb`, which takes as long as the loop here, and as many instructions as there are bytes.
///
/// # Safety
/// As for [`copy`]; at least four parts.
#[inline(never)]
unsafe fn copy_long(from: *const u8, to: *mut u8, len: usize) {
    let (mut at, last) = (0, len - 4 * PART);
    // SAFETY: the caller's contract; the last four parts may overlap those before.
    unsafe {
        while at < last {
            put(to.add(at), read::<[Part; 4]>(from.add(at)));
            at += 4 * PART;
        }
        put(to.add(last), read::<[Part; 4]>(from.add(last)));
    }
}

#[cfg(test)]
#[allow(clippy::undocumented_unsafe_blocks)]
mod tests {
    use super::*;

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 7 + i / 256) as u8).collect()
    }

    #[test]
    fn copies_are_exact() {
        for len in (0..300).chain([4095, 4096, 4097, 70_000]) {
            let (from, mut to) = (bytes(len), vec![0xee; len + 16]);
            // An odd address on one side.
            unsafe { copy(from.as_ptr(), to.as_mut_ptr().add(7), len) };
            assert_eq!(to[7..7 + len], from, "{len}");
            assert!(to[..7].iter().chain(&to[7 + len..]).all(|byte| *byte == 0xee), "{len}");
        }
    }

    #[test]
    fn a_difference_anywhere_is_seen() {
        for len in 0..70 {
            let one = bytes(len);
            assert!(unsafe { equal(one.as_ptr(), &one) });
            for i in 0..len {
                let mut other = one.clone();
                other[i] ^= 0x80;
                assert!(!unsafe { equal(one.as_ptr(), &other) }, "{len} {i}");
            }
        }
    }
}
