//! `ngx.semaphore`: who waits for which resources. The core knows neither Lua nor nginx: what it calls a
//! waiter is whatever the face wakes.
//!
//! First come, first served: nobody takes a resource past one who waits.
mod ffi;

use core::cell::{Cell, RefCell};
use std::collections::VecDeque;

/// The place of a waiter in the queue; later ones have greater numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Ticket(u64);

struct Semaphore<W> {
    resources: Cell<i32>,
    /// In the order of their tickets.
    queue: RefCell<VecDeque<(Ticket, W)>>,
    next: Cell<u64>,
}

impl<W: Copy> Semaphore<W> {
    fn new(resources: i32) -> Self {
        Self {
            resources: Cell::new(resources),
            queue: RefCell::new(VecDeque::new()),
            next: Cell::new(0),
        }
    }

    fn resources(&self) -> i32 {
        self.resources.get()
    }

    fn is_awaited(&self) -> bool {
        !self.queue.borrow().is_empty()
    }

    /// Resources less waiters.
    fn count(&self) -> i32 {
        self.resources.get().wrapping_sub(self.queue.borrow().len() as i32)
    }

    fn post(&self, n: i32) {
        self.resources.set(self.resources.get().wrapping_add(n));
    }

    /// Takes a resource, if there is one and nobody waits for it.
    fn take(&self) -> bool {
        let free = self.resources.get() > 0 && !self.is_awaited();
        if free {
            self.resources.set(self.resources.get() - 1);
        }
        free
    }

    fn join(&self, waiter: W) -> Ticket {
        let ticket = Ticket(self.next.get());
        self.next.set(ticket.0 + 1);
        self.queue.borrow_mut().push_back((ticket, waiter));
        ticket
    }

    /// Gives up waiting; `false` if the waiter has been served.
    fn leave(&self, ticket: Ticket) -> bool {
        let mut queue = self.queue.borrow_mut();
        if queue.is_empty() {
            return false;
        }
        match queue.binary_search_by_key(&ticket, |(ticket, _)| *ticket) {
            Ok(at) => queue.remove(at).is_some(),
            Err(_) => false,
        }
    }

    /// Gives a resource to the one who has waited longest.
    fn serve(&self) -> Option<W> {
        if self.resources.get() <= 0 {
            return None;
        }
        let (_, waiter) = self.queue.borrow_mut().pop_front()?;
        self.resources.set(self.resources.get() - 1);
        Some(waiter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_taken_until_there_are_none() {
        let semaphore = Semaphore::<u8>::new(1);
        assert!(semaphore.take());
        assert!(!semaphore.take());
        semaphore.post(2);
        assert_eq!((semaphore.count(), semaphore.serve()), (2, None));
        assert!(semaphore.take() && semaphore.take() && !semaphore.take());
    }

    #[test]
    fn the_longest_wait_is_served_first() {
        let semaphore = Semaphore::new(0);
        let tickets = ['a', 'b', 'c', 'd'].map(|waiter| semaphore.join(waiter));
        assert_eq!((semaphore.count(), semaphore.serve()), (-4, None));
        semaphore.post(2);
        assert!(!semaphore.take(), "not past those who wait");
        assert!(semaphore.leave(tickets[1]));
        assert_eq!(semaphore.serve(), Some('a'));
        assert_eq!(semaphore.serve(), Some('c'));
        assert_eq!((semaphore.serve(), semaphore.count()), (None, -1));
        assert!(!semaphore.leave(tickets[0]) && !semaphore.leave(tickets[1]));
        assert!(semaphore.leave(tickets[3]) && !semaphore.is_awaited());
    }
}
