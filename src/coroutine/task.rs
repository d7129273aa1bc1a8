//! `Coroutine`: our bookkeeping of one Lua coroutine, and `Co`, the handle to it.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::mem::MaybeUninit;
use core::ops::Deref;
use core::ptr::NonNull;

use super::context::RequestCtx;
use super::foreign::Foreign;
use super::loads;
use super::records;
use super::room::Room;
use crate::vm::stack::NUMBER_OF_ENTRIES;
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

const NO_NUMBER: usize = 0;

/// Who resumes a coroutine.
pub(crate) enum Resumer {
    /// The scheduler, which has this record of it.
    Scheduler(Co),
    /// The scheduler did, but has no record of it any more; or it runs the chunk of another request's phase.
    Nobody,
    /// LuaJIT: the scheduler has never heard of it.
    LuaJit,
}

pub(crate) struct Coroutine {
    /// Its number among the records, if it has one.
    number: Cell<usize>,
    pub(super) thread: Thread,
    pub(super) ctx: Cell<Option<NonNull<RequestCtx>>>,
    pub(super) role: Cell<Role>,
    pub(super) status: Cell<Status>,
    /// Who resumed it.
    pub(super) parent: Cell<Option<Co>>,
    /// How many living coroutines have it as their parent.
    pub(super) children: Cell<u32>,
    /// The number of its newest wait for light threads; earlier ones are over.
    pub(super) waits: Cell<u64>,
    /// The number of the wait of its parent that ends when it does; 0 is none.
    pub(super) awaited: Cell<u64>,
    /// An error of a wrapped child that is to be raised here.
    pub(super) propagates: Cell<bool>,
    /// What other modules hold of it.
    pub(super) foreign: Cell<Option<&'static Foreign>>,
    /// How many modules it is loading.
    pub(super) loads: Cell<u32>,
    /// Values on its stack for the next resume.
    pub(super) results: Cell<i32>,
    /// It is in the queue of those that are ready to run.
    pub(super) is_ready: Cell<bool>,
    /// The next one there.
    pub(super) next_ready: Cell<Option<Co>>,
    /// The next one of the same request, or of its unused records.
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

/// A handle to a coroutine, which is the same one as long as its request's context lives
/// ([ctx-owns-threads]).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Co(NonNull<Record>);

/// A coroutine, and room for what it waits for.
struct Record {
    coroutine: Coroutine,
    room: Room,
}

/// Memory for a record.
pub(super) struct Place {
    _memory: MaybeUninit<Record>,
}

impl Co {
    /// A record of a coroutine that Lua code makes, in the pool of the request of `ctx`: it lives as long as that, or
    /// until it is freed.
    #[inline]
    pub(super) fn new(ctx: &RequestCtx, thread: Thread, role: Role) -> Self {
        let co = Self::place(ctx);
        let number = records::add(co);
        co.begin(ctx, thread, role, number);
        // Lua finds the record by the coroutine from now on.
        thread.stack().set_number_of_record(number);
        co
    }

    /// The same for an entry, which its context finds.
    #[inline]
    pub(super) fn new_entry(ctx: &RequestCtx, thread: Thread) -> Self {
        let co = Self::place(ctx);
        let number = match thread.stack().number_of_record() {
            Some(_) => NO_NUMBER,
            None => records::add(co),
        };
        co.begin(ctx, thread, Role::Entry, number);
        co
    }

    /// Who resumes the coroutine `stack`. `ctx` is that of the request which asks.
    pub(crate) fn resumer_of(ctx: Option<&RequestCtx>, stack: Stack) -> Resumer {
        let record = match stack.number_of_record() {
            Some(NO_NUMBER) => return Resumer::LuaJit,
            Some(NUMBER_OF_ENTRIES) => ctx.and_then(|ctx| ctx.entry.get()),
            Some(number) => records::get(number),
            None => match records::find(|co| co.stack() == stack) {
                Some(co) => Some(co),
                None => return Resumer::LuaJit,
            },
        };
        match record.filter(|co| co.stack() == stack) {
            Some(co) if co.ctx.get() == ctx.map(NonNull::from) => Resumer::Scheduler(co),
            _ => Resumer::Nobody,
        }
    }

    /// Whether LuaJIT has run to its end what the scheduler has left idle.
    pub(crate) fn has_ended_elsewhere(self) -> bool {
        self.is_idle() && self.thread.has_ended(0)
    }

    /// Whether it has yielded to whoever resumed it, and can be resumed by anybody of its request.
    pub(crate) fn is_idle(self) -> bool {
        self.status() == Status::Suspended
            && matches!(self.role(), Role::User | Role::Wrapped)
            && !self.room().is_taken()
    }

    #[inline]
    fn begin(self, ctx: &RequestCtx, thread: Thread, role: Role, number: usize) {
        let record = Coroutine {
            number: Cell::new(number),
            thread,
            ctx: Cell::new(Some(NonNull::from(ctx))),
            role: Cell::new(role),
            status: Cell::new(Status::Suspended),
            parent: Cell::new(None),
            children: Cell::new(0),
            waits: Cell::new(1),
            awaited: Cell::new(0),
            propagates: Cell::new(false),
            foreign: Cell::new(None),
            loads: Cell::new(0),
            results: Cell::new(0),
            is_ready: Cell::new(false),
            next_ready: Cell::new(None),
            next: Cell::new(None),
            previous: Cell::new(None),
        };
        // SAFETY: nobody else's, and nobody looks at it before.
        unsafe {
            (&raw mut (*self.0.as_ptr()).coroutine).write(record);
            Room::make(&raw mut (*self.0.as_ptr()).room);
        }
    }

    /// The unused record that `place` becomes.
    ///
    /// # Safety
    /// The memory is nobody else's, and lives as long as the record.
    pub(super) unsafe fn unused(place: *mut Place) -> Self {
        let record = place.cast::<Record>();
        // SAFETY: the caller's contract; of an unused record only `next` is read.
        unsafe {
            (&raw mut (*record).coroutine.next).write(Cell::new(None));
            Self(NonNull::new_unchecked(record))
        }
    }

    /// Where the record lies.
    pub(super) fn address(self) -> NonNull<()> {
        self.0.cast()
    }

    /// # Safety
    /// `address` is that of a record that is not freed.
    pub(super) const unsafe fn from_address(address: NonNull<()>) -> Self {
        Self(address.cast())
    }

    /// Memory for a record: that of one that was freed, whose room is empty, or new.
    #[inline]
    fn place(ctx: &RequestCtx) -> Self {
        if let Some(unused) = ctx.unused_records.get() {
            ctx.unused_records.set(unused.next.get());
            return unused;
        }
        Self::place_new(ctx)
    }

    #[inline(never)]
    fn place_new(ctx: &RequestCtx) -> Self {
        match ctx.request.pool().place_raw() {
            Some(place) => Self(place),
            // As where Rust itself needs memory.
            None => std::alloc::handle_alloc_error(core::alloc::Layout::new::<Record>()),
        }
    }

    pub(crate) fn role(self) -> Role {
        self.role.get()
    }

    pub(crate) fn parent(self) -> Option<Self> {
        self.parent.get()
    }

    pub(super) fn set_parent(self, parent: Option<Self>) {
        let earlier = self.parent.get();
        if earlier == parent {
            return;
        }
        self.parent.set(parent);
        if let Some(earlier) = earlier {
            earlier.children.set(earlier.children.get() - 1);
        }
        if let Some(parent) = parent {
            parent.children.set(parent.children.get() + 1);
        }
    }

    pub(crate) fn is_alive(self) -> bool {
        !matches!(self.status(), Status::Dead | Status::Zombie)
    }

    /// Gives up the record, for another coroutine of the request. It stays what it was until then.
    #[inline(always)]
    pub(super) fn free(self, ctx: &RequestCtx) {
        self.cut_loads();
        self.cancel();
        self.disclaim();
        let number = self.number.replace(NO_NUMBER);
        if number != NO_NUMBER {
            records::remove(number);
        }
        self.ctx.set(None);
        self.next.set(ctx.unused_records.replace(Some(self)));
    }

    /// Makes an entry that has ended normally ready for another run.
    pub(super) fn renew(self) {
        self.stack().set_top(0);
        self.cut_loads();
        self.cancel();
        self.disclaim();
        self.results.set(0);
    }

    #[inline]
    pub(super) fn room<'a>(self) -> &'a Room {
        // SAFETY: [ctx-owns-threads]
        &unsafe { self.0.as_ref() }.room
    }

    #[inline]
    pub(crate) fn stack(self) -> Stack {
        self.thread.stack()
    }

    /// The record of the coroutine `stack`, if `parent` is its parent.
    #[inline]
    pub(crate) fn child_of(parent: Self, stack: Stack) -> Option<Self> {
        let co = records::get(stack.number_of_record()?)?;
        (co.stack() == stack && co.parent.get() == Some(parent)).then_some(co)
    }

    /// The record of the coroutine `stack`, if it belongs to the request of `ctx`.
    #[inline]
    pub(crate) fn of(ctx: &RequestCtx, stack: Stack) -> Option<Self> {
        if ctx.entry.get().is_some_and(|entry| entry.stack() == stack) {
            return ctx.entry.get();
        }
        let Some(number) = stack.number_of_record() else {
            return ctx.coroutines().find(|co| co.stack() == stack);
        };
        let co = records::get(number)?;
        (co.stack() == stack && co.ctx.get() == Some(NonNull::from(ctx))).then_some(co)
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
    #[inline]
    pub(crate) fn cancel(self) {
        self.room().empty();
    }

    /// Why the coroutine cannot be killed now, if it cannot.
    pub(crate) fn stays(self) -> Option<&'static str> {
        self.room().ask(|suspension| suspension.refuses_kill())?
    }

    /// It begins to wait for light threads, or ceases to: those awaited so far are not any more. The number of the
    /// wait that begins.
    pub(crate) fn next_wait(self) -> u64 {
        let wait = self.waits.get() + 1;
        self.waits.set(wait);
        wait
    }

    /// The wait of that number, its parent's, ends when it does.
    pub(crate) fn await_in(self, wait: u64) {
        self.awaited.set(wait);
    }

    /// Whether its parent waits for it.
    pub(super) fn is_awaited_by(self, parent: Self) -> bool {
        self.awaited.get() == parent.waits.get()
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
        &unsafe { self.0.as_ref() }.coroutine
    }
}
