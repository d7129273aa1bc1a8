//! The addresses that Lua code has been given by C functions, and gives back to them.
//!
//! Lua code can put any pointer it has in the place of another: a session for a semaphore, or one whose finalizer has
//! run before that of what still uses it. What is not here, or of another kind, is not looked at.
//!
//! Reference: takes any pointer for what it should be.
use core::cell::RefCell;
use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;

/// What the address is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Semaphore,
    /// The Lua object of a child process.
    Process,
    /// A TLS session.
    Session,
    /// Certificates.
    Chain,
    /// A private key.
    Key,
}

/// Spreads addresses, which differ in their middle.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_usize(usize::from(*byte));
        }
    }

    #[inline]
    fn write_usize(&mut self, n: usize) {
        self.0 = (self.0 ^ n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// The kind of each address, and how often it has been given.
type Map = HashMap<usize, (Kind, u32), BuildHasherDefault<Spread>>;

struct Given(RefCell<Map>);

static GIVEN: Given = Given(RefCell::new(Map::with_hasher(BuildHasherDefault::new())));

#[allow(unsafe_code)]
// SAFETY: [single-thread]: other threads are kept out by `of_this_thread`.
unsafe impl Sync for Given {}

#[inline]
fn of_this_thread() -> Option<&'static RefCell<Map>> {
    #[cfg(ngx_feature = "threads")]
    if super::pool_thread::is_foreign() {
        return None;
    }
    Some(&GIVEN.0)
}

/// Notes that an address has been given; `false` in a VM for other threads, where nothing can be.
pub(crate) fn note<T>(kind: Kind, pointer: *const T) -> bool {
    let Some(given) = of_this_thread() else { return false };
    given.borrow_mut().entry(pointer.addr()).or_insert((kind, 0)).1 += 1;
    true
}

/// Whether the address has been given, as one of that kind.
#[inline]
pub(crate) fn is<T>(kind: Kind, pointer: *const T) -> bool {
    kind_of(pointer) == Some(kind)
}

/// What the address is known to be of.
#[inline]
pub(crate) fn kind_of<T>(pointer: *const T) -> Option<Kind> {
    of_this_thread()?.borrow().get(&pointer.addr()).map(|(kind, _)| *kind)
}

/// Takes back an address; `false` if it had not been given as one of that kind.
pub(crate) fn take_back<T>(kind: Kind, pointer: *const T) -> bool {
    let Some(given) = of_this_thread() else { return false };
    let mut given = given.borrow_mut();
    let Some((known, count)) = given.get_mut(&pointer.addr()) else { return false };
    if *known != kind {
        return false;
    }
    *count -= 1;
    if *count == 0 {
        given.remove(&pointer.addr());
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_known_as_long_as_it_is_out() {
        let (one, other) = (&raw const GIVEN, core::ptr::without_provenance::<u8>(64));
        assert!(!is(Kind::Session, one) && !take_back(Kind::Session, one));
        assert!(note(Kind::Session, one) && note(Kind::Session, one));
        assert!(is(Kind::Session, one) && !is(Kind::Key, one) && !is(Kind::Session, other));
        assert!(!take_back(Kind::Key, one));
        assert!(take_back(Kind::Session, one) && is(Kind::Session, one));
        assert!(take_back(Kind::Session, one) && kind_of(one).is_none());
        assert!(!take_back(Kind::Session, one));
    }
}
