//! Modules that coroutines are loading: a module's code may wait, and meanwhile others may ask for the module.
//!
//! A [`Load`] stands for a call of `require` that runs a module's code. It lasts while the call is on its coroutine's
//! stack: that is looked up whenever the coroutine has yielded, since code that fails leaves without a word. Who asks
//! for the module meanwhile waits, unless the two would wait for each other.
#![allow(unsafe_code)]
use core::cell::RefCell;
use core::ptr::NonNull;

use super::suspension::{Suspension, Waker};
use super::task::{Co, Role};
use crate::nginx::event::Delay;
use crate::nginx::{Log, Timer};
use crate::vm::traceback::Frame;
use crate::vm::{Stack, Vm};

/// A module that is being loaded.
struct Load {
    vm: Vm,
    name: Box<[u8]>,
    co: Co,
    /// The call of `require`.
    call: Frame,
    waiting: Vec<NonNull<Await>>,
}

struct Loads(RefCell<Vec<Load>>);

static LOADS: Loads = Loads(RefCell::new(Vec::new()));

// SAFETY: [single-thread]
unsafe impl Sync for Loads {}

/// What becomes of a wish to load a module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Claim {
    /// Nobody else loads it.
    Granted,
    /// Who asks is in the course of loading it or would wait for itself, or loading it has failed.
    Circular,
    /// Another coroutine loads it.
    Taken,
}

/// Asks to load module `name`, for the call of `require` at `call` of `co`. `is_marked`: `package.loaded` says that it is
/// being loaded, or that this has failed.
pub(crate) fn claim(vm: Vm, co: Co, name: &[u8], call: Frame, is_marked: bool) -> Claim {
    let mut loads = LOADS.0.borrow_mut();
    // A call that is as deep as this one cannot be there any more.
    let stale = take_if(&mut loads, |load| load.co == co && !load.call.is_below(call));
    let claim = match loads.iter().find(|load| load.is_of(vm, name)) {
        Some(load) if waits_for(&loads, load.co, co) => Claim::Circular,
        Some(_) => Claim::Taken,
        None if is_marked => Claim::Circular,
        None => {
            let name = name.into();
            loads.push(Load { vm, name, co, call, waiting: Vec::new() });
            Claim::Granted
        }
    };
    count(&loads, co);
    drop(loads);
    stale.into_iter().for_each(Load::end);
    claim
}

/// Whether somebody loads module `name`.
pub(crate) fn is_loading(vm: Vm, name: &[u8]) -> bool {
    LOADS.0.borrow().iter().any(|load| load.is_of(vm, name))
}

/// The coroutine has loaded module `name`.
pub(crate) fn finish(vm: Vm, co: Co, name: &[u8]) {
    end_those(co, |load| load.is_of(vm, name));
}

/// The coroutine has yielded, ended or failed: loads whose call is gone have failed.
#[cold]
pub(super) fn review(co: Co, is_alive: bool) {
    end_those(co, |load| !is_alive || !load.call.is_on(co.stack()));
}

/// The coroutine goes, whatever it was doing: what it was loading has never been loaded.
#[cold]
pub(super) fn cut(co: Co) {
    for load in end_those(co, |_| true) {
        load.0.forget_loading(&load.1);
    }
}

fn end_those(co: Co, which: impl Fn(&Load) -> bool) -> Vec<(Vm, Box<[u8]>)> {
    let mut loads = LOADS.0.borrow_mut();
    let ended = take_if(&mut loads, |load| load.co == co && which(load));
    count(&loads, co);
    drop(loads);
    ended
        .into_iter()
        .map(|load| {
            let module = (load.vm, load.name.clone());
            load.end();
            module
        })
        .collect()
}

fn take_if(loads: &mut Vec<Load>, which: impl Fn(&Load) -> bool) -> Vec<Load> {
    let (taken, left) = core::mem::take(loads).into_iter().partition(|load| which(load));
    *loads = left;
    taken
}

/// Lets the coroutine know how many loads are its own.
fn count(loads: &[Load], co: Co) {
    co.loads.set(loads.iter().filter(|load| load.co == co).count() as u32);
}

/// Whether `co`, or who resumed it and so on, is `other`; or `co` waits, by way of other loads, for that.
fn waits_for(loads: &[Load], co: Co, other: Co) -> bool {
    let (mut reached, mut next) = (vec![co], 0);
    while let Some(owner) = reached.get(next).copied() {
        next += 1;
        if other.ancestry().any(|ancestor| ancestor == owner) {
            return true;
        }
        let holds_up = |load: &&Load| load.waiting.iter().any(|waiter| is_held_up(owner, *waiter));
        for load in loads.iter().filter(holds_up) {
            if !reached.contains(&load.co) {
                reached.push(load.co);
            }
        }
    }
    false
}

/// Whether `owner` is the coroutine that waits, or one that cannot go on before that does.
fn is_held_up(owner: Co, waiter: NonNull<Await>) -> bool {
    // SAFETY: what is registered is alive.
    let mut co = unsafe { waiter.as_ref() }.co;
    loop {
        if co == owner {
            return true;
        }
        let is_resumed = matches!(co.role(), Role::User | Role::Wrapped);
        match co.parent().filter(|parent| is_resumed || co.is_awaited_by(*parent)) {
            Some(parent) => co = parent,
            None => return false,
        }
    }
}

impl Load {
    fn is_of(&self, vm: Vm, name: &[u8]) -> bool {
        self.vm == vm && *self.name == *name
    }

    /// Lets those go on that wait for it.
    fn end(self) {
        for mut waiter in self.waiting {
            // SAFETY: what is registered is alive.
            unsafe { waiter.as_mut() }.timer.arm(Delay::NextRound);
        }
    }
}

/// A coroutine that waits for another one to load a module. The call returns `true`: the module is to be looked up
/// again.
pub(crate) struct Await {
    vm: Vm,
    name: Box<[u8]>,
    co: Co,
    timer: Timer<Waker>,
}

impl Await {
    pub(crate) fn new(vm: Vm, name: &[u8], co: Co, waker: Waker) -> Self {
        Self { vm, name: name.into(), co, timer: Timer::new(Log::cycle(), waker, Waker::wake) }
    }
}

impl Suspension for Await {
    fn arm(&mut self) {
        let this = NonNull::from(&mut *self);
        let mut loads = LOADS.0.borrow_mut();
        match loads.iter_mut().find(|load| load.is_of(self.vm, &self.name)) {
            Some(load) => load.waiting.push(this),
            None => self.timer.arm(Delay::NextRound),
        }
    }

    fn results(&mut self, stack: Stack) -> i32 {
        stack.push_boolean(true);
        1
    }
}

impl Drop for Await {
    fn drop(&mut self) {
        let this = NonNull::from(&mut *self);
        for load in LOADS.0.borrow_mut().iter_mut() {
            load.waiting.retain(|waiter| *waiter != this);
        }
    }
}
