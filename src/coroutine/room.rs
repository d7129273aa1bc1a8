//! Where a coroutine keeps what it waits for: in its own record, or in a box if that is too big.
//!
//! Owning a suspension is waiting; emptying the room drops it, which cancels the wait. A worker that exits gracefully
//! stays until all rooms are empty, whatever is waited for (`nginx::grace`).
#![allow(unsafe_code)]
use core::cell::{Cell, UnsafeCell};
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use super::suspension::Suspension;
use crate::nginx::grace;
use crate::vm::Stack;

/// Enough for a timer and a few words beside it.
type Place = MaybeUninit<[usize; 20]>;

pub(super) struct Room {
    place: UnsafeCell<Place>,
    /// The place holds a suspension, perhaps one that is being dropped.
    taken: Cell<bool>,
    held: Cell<Option<NonNull<dyn Suspension>>>,
}

impl Room {
    /// Makes an empty room of the memory at `this`, whose place needs not be written for that.
    ///
    /// # Safety
    /// The memory is nobody else's.
    #[inline]
    pub(super) unsafe fn make(this: *mut Self) {
        // SAFETY: the caller's contract.
        unsafe {
            (&raw mut (*this).taken).write(Cell::new(false));
            (&raw mut (*this).held).write(Cell::new(None));
        }
    }

    #[cfg(test)]
    const fn new() -> Self {
        Self {
            place: UnsafeCell::new(MaybeUninit::uninit()),
            taken: Cell::new(false),
            held: Cell::new(None),
        }
    }

    /// Holds the suspension that `make` makes in the place of any other, and starts its wait.
    #[inline]
    pub(super) fn begin<S: Suspension + 'static>(&self, make: impl FnOnce() -> S) {
        self.empty();
        grace::begin();
        let fits = size_of::<S>() <= size_of::<Place>() && align_of::<S>() <= align_of::<Place>();
        let mut at: NonNull<S> = if fits && !self.taken.replace(true) {
            NonNull::from(&self.place).cast()
        } else {
            NonNull::from(Box::leak(Box::<S>::new_uninit())).cast()
        };
        // SAFETY: it fits, and nobody else uses the place or the box.
        unsafe { at.write(make()) };
        self.held.set(Some(at));
        // SAFETY: just written; `arm` knows nothing of the room.
        unsafe { at.as_mut() }.arm();
    }

    /// Whether a suspension is held.
    #[inline]
    pub(super) fn is_taken(&self) -> bool {
        self.held.get().is_some()
    }

    /// Drops what is held.
    #[inline]
    pub(super) fn empty(&self) {
        drop(self.take());
    }

    /// Ends the wait, if there is one: the number of values that the call returns, which are on `stack`.
    #[inline]
    pub(super) fn finish(&self, stack: Stack) -> Option<i32> {
        Some(self.take()?.get().results(stack))
    }

    /// Asks the suspension that is held. It is kept.
    pub(super) fn ask<T>(&self, question: impl FnOnce(&dyn Suspension) -> T) -> Option<T> {
        let held = self.held.take()?;
        // SAFETY: what is held is alive, and nobody else finds it meanwhile.
        let answer = question(unsafe { held.as_ref() });
        self.held.set(Some(held));
        Some(answer)
    }

    #[inline]
    fn take(&self) -> Option<Taken<'_>> {
        self.held.take().map(|held| Taken { room: self, held })
    }
}

/// A suspension on its way out: dropped with this.
struct Taken<'a> {
    room: &'a Room,
    held: NonNull<dyn Suspension>,
}

impl Taken<'_> {
    fn get(&mut self) -> &mut (dyn Suspension + 'static) {
        // SAFETY: made by `begin`, and only here now.
        unsafe { self.held.as_mut() }
    }
}

impl Drop for Taken<'_> {
    #[inline]
    fn drop(&mut self) {
        let place = NonNull::from(&self.room.place).cast::<()>();
        // SAFETY: made by `begin`, in the place or in a box, and dropped once.
        unsafe {
            if self.held.cast() == place {
                self.held.drop_in_place();
                self.room.taken.set(false);
            } else {
                drop(Box::from_raw(self.held.as_ptr()));
            }
        }
        grace::end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    /// Counts in `alive` while it is held; `N` words make it big.
    struct Held<const N: usize> {
        alive: Rc<Cell<u32>>,
        armed: bool,
        _words: [usize; N],
    }

    impl<const N: usize> Held<N> {
        fn new(alive: &Rc<Cell<u32>>) -> Self {
            alive.set(alive.get() + 1);
            Self { alive: alive.clone(), armed: false, _words: [0; N] }
        }
    }

    impl<const N: usize> Suspension for Held<N> {
        fn arm(&mut self) {
            self.armed = true;
        }

        fn results(&mut self, _: Stack) -> i32 {
            i32::from(self.armed) + N as i32
        }

        fn on_body_read(&self) -> bool {
            self.armed
        }
    }

    impl<const N: usize> Drop for Held<N> {
        fn drop(&mut self) {
            self.alive.set(self.alive.get() - 1);
        }
    }

    const NOWHERE: Stack = Stack::from_raw(core::ptr::null_mut());

    #[test]
    fn what_is_held_is_dropped_once() {
        let (room, alive) = (Room::new(), Rc::new(Cell::new(0)));
        room.begin(|| Held::<1>::new(&alive));
        assert!(room.taken.get());
        room.begin(|| Held::<100>::new(&alive));
        assert!(!room.taken.get());
        assert_eq!(alive.get(), 1);
        assert_eq!(room.ask(|held| held.on_body_read()), Some(true));
        assert_eq!(room.finish(NOWHERE), Some(101));
        assert_eq!((room.finish(NOWHERE), alive.get()), (None, 0));
        room.begin(|| Held::<2>::new(&alive));
        assert_eq!(room.finish(NOWHERE), Some(3));
        room.begin(|| Held::<2>::new(&alive));
        room.empty();
        room.empty();
        assert_eq!((room.ask(|_| ()), alive.get()), (None, 0));
    }

    /// Begins another wait while it is dropped.
    struct Restless {
        room: Rc<Room>,
        alive: Rc<Cell<u32>>,
    }

    impl Suspension for Restless {}

    impl Drop for Restless {
        fn drop(&mut self) {
            self.room.begin(|| Held::<1>::new(&self.alive));
            self.alive.set(self.alive.get() + 10);
        }
    }

    #[test]
    fn a_wait_can_begin_while_another_is_dropped() {
        let (room, alive) = (Rc::new(Room::new()), Rc::new(Cell::new(0)));
        room.begin(|| Restless { room: room.clone(), alive: alive.clone() });
        room.empty();
        assert_eq!(alive.get(), 11);
        assert_eq!(room.finish(NOWHERE), Some(2));
        assert_eq!((alive.get(), room.taken.get()), (10, false));
    }
}
