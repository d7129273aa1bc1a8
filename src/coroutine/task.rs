//! `Coroutine`: our bookkeeping of one Lua coroutine, and `Co`, the handle to it.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::ops::Deref;
use core::ptr::NonNull;

use super::context::RequestCtx;
use super::foreign::Foreign;
use super::loads;
use super::suspension::Suspension;
use crate::vm::{Stack, Thread};

/// What a coroutine is to its request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// Runs the chunk of a phase.
    Entry,
    /// Made by `coroutine.create`; an error ends it and is returned to whoever resumed it.
    User,
    /// Made by `coroutine.wrap`; an error is raised in whoever resumed it.
    Wrapped,
    /// Made by `ngx.thread.spawn`: runs beside its parent, which may wait for its results.
    Light,
}

/// As `coroutine.status` tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    Running,
    Suspended,
    /// Has resumed another one and waits for it.
    Normal,
    Dead,
    /// A light thread that has ended, with results that its parent has not taken.
    Zombie,
}

impl Status {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Normal => "normal",
            Self::Dead => "dead",
            Self::Zombie => "zombie",
        }
    }
}

pub(crate) struct Coroutine {
    pub(super) thread: Thread,
    pub(super) ctx: Cell<Option<NonNull<RequestCtx>>>,
    pub(super) role: Cell<Role>,
    pub(super) status: Cell<Status>,
    /// Who resumed it.
    pub(super) parent: Cell<Option<Co>>,
    /// How many living coroutines have it as their parent.
    pub(super) children: Cell<u32>,
    /// Its parent waits for it.
    pub(super) awaited: Cell<bool>,
    /// An error of a wrapped child that is to be raised here.
    pub(super) propagates: Cell<bool>,
    pub(super) waiting: Cell<Option<Box<dyn Suspension>>>,
    /// What other modules hold of it.
    pub(super) foreign: Cell<Option<&'static Foreign>>,
    /// How many modules it is loading.
    pub(super) loads: Cell<u32>,
    /// Values on its stack for the next resume.
    pub(super) results: Cell<i32>,
    /// The next one that is ready to run.
    pub(super) next_ready: Cell<Option<Co>>,
    /// The next one of the same request, or of the pool of unused ones.
    pub(super) next: Cell<Option<Co>>,
    /// The one before it of the same request.
    pub(super) previous: Cell<Option<Co>>,
}

impl Coroutine {
    /// What other modules hold of it leads nowhere from now on.
    pub(super) fn disclaim(&self) {
        if let Some(foreign) = self.foreign.take() {
            foreign.forget();
        }
    }
}

/// A handle to a coroutine, which lives as long as its request's context ([ctx-owns-threads]).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Co(NonNull<Coroutine>);

impl Co {
    pub(super) fn new(thread: Thread, role: Role) -> Self {
        let co = Coroutine {
            thread,
            ctx: Cell::new(None),
            role: Cell::new(role),
            status: Cell::new(Status::Suspended),
            parent: Cell::new(None),
            children: Cell::new(0),
            awaited: Cell::new(false),
            propagates: Cell::new(false),
            waiting: Cell::new(None),
            foreign: Cell::new(None),
            loads: Cell::new(0),
            results: Cell::new(0),
            next_ready: Cell::new(None),
            next: Cell::new(None),
            previous: Cell::new(None),
        };
        Self(NonNull::from(Box::leak(Box::new(co))))
    }

    /// A new entry coroutine of `vm`, which belongs to no request yet.
    pub(crate) fn entry(vm: crate::vm::Vm) -> Self {
        super::recycle::take_for(vm)
    }

    pub(crate) fn role(self) -> Role {
        self.role.get()
    }

    pub(crate) fn parent(self) -> Option<Self> {
        self.parent.get()
    }

    pub(super) fn set_parent(self, parent: Option<Self>) {
        let earlier = self.parent.replace(parent);
        if let Some(earlier) = earlier {
            earlier.children.set(earlier.children.get() - 1);
        }
        if let Some(parent) = parent {
            parent.children.set(parent.children.get() + 1);
        }
    }

    pub(super) fn is_alive(self) -> bool {
        !matches!(self.status(), Status::Dead | Status::Zombie)
    }

    pub(super) fn free(self) {
        self.disclaim();
        self.cut_loads();
        // SAFETY: made by `new`; the owner frees it once.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }

    pub(crate) fn stack(self) -> Stack {
        self.thread.stack()
    }

    /// The bookkeeping of the coroutine `stack`, if it belongs to the request of `ctx`.
    pub(crate) fn of(ctx: &RequestCtx, stack: Stack) -> Option<Self> {
        ctx.coroutines().find(|co| co.stack() == stack)
    }

    pub(crate) fn status(self) -> Status {
        self.status.get()
    }

    pub(crate) fn set_status(self, status: Status) {
        self.status.set(status);
    }

    /// What the coroutine is loading has not been loaded.
    pub(super) fn cut_loads(self) {
        if self.loads.get() > 0 {
            loads::cut(self);
        }
    }

    /// Cancels what the coroutine waits for.
    pub(crate) fn cancel(self) {
        drop(self.waiting.take());
    }

    /// Why the coroutine cannot be killed now, if it cannot.
    pub(crate) fn stays(self) -> Option<&'static str> {
        let waiting = self.waiting.take()?;
        let reason = waiting.refuses_kill();
        self.waiting.set(Some(waiting));
        reason
    }

    /// The coroutine, who resumed it, and so on outwards.
    pub(crate) fn ancestry(self) -> impl Iterator<Item = Self> {
        core::iter::successors(Some(self), |co| {
            co.parent.get().filter(|parent| parent.status() != Status::Dead || parent.failed())
        })
    }
}

impl Deref for Co {
    type Target = Coroutine;

    fn deref(&self) -> &Coroutine {
        // SAFETY: [ctx-owns-threads]
        unsafe { self.0.as_ref() }
    }
}
