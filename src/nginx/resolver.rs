//! Host names become addresses, through the `resolver` of the location.
//!
//! Owning a [`Resolution`] is waiting; dropping it is losing interest. nginx walks a list of those that wait
//! for one name while it calls them, so that none of them may be taken out of nginx's hands meanwhile: what
//! is dropped stays with nginx, deaf, until its answer or its time comes.
#![allow(unsafe_code)]
use core::cell::{Cell, RefCell};
use core::ffi::CStr;
use core::fmt;
use core::ptr;
use std::rc::Rc;

use super::address::{Address, Host};
use super::log::Text;
use super::sys::{self, ngx_resolver_ctx_t};
use super::system_resolver::{SystemResolver, preferred};
use super::{Request, guard};

/// Why a name has no address. `Display` is what Lua is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResolveError {
    /// The text is no host at all; nginx's reason.
    Invalid(Box<[u8]>, &'static str),
    /// The location has no `resolver`.
    NoResolver(Box<[u8]>),
    NotStarted,
    /// nginx's resolver did not take the question.
    Refused(Box<[u8]>),
    /// The answer, or that there was none in time.
    Failed {
        name: Box<[u8]>,
        code: isize,
        reason: &'static str,
    },
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(name, reason) => {
                write!(f, "failed to parse host name \"{}\": {reason}", Text(name))
            }
            Self::NoResolver(name) => {
                write!(f, "no resolver defined to resolve \"{}\"", Text(name))
            }
            Self::NotStarted => f.write_str("failed to start the resolver"),
            Self::Refused(name) => write!(f, "{} could not be resolved", Text(name)),
            Self::Failed { name, code, reason } => {
                write!(f, "{} could not be resolved ({code}: {reason})", Text(name))
            }
        }
    }
}

type Answer = Result<Vec<Address>, ResolveError>;

/// What asking for a name gives at once.
pub(crate) enum Lookup<D: Copy> {
    /// At least one address.
    Found(Vec<Address>),
    Pending(Resolution<D>),
}

/// A question that nginx has not answered yet, or whose answer waits to be taken.
pub(crate) struct Resolution<D: Copy>(Rc<Question<D>>);

/// Shared by the [`Resolution`] and, until it calls back, nginx.
struct Question<D: Copy> {
    resolver: *mut sys::ngx_resolver_t,
    timeout: usize,
    /// nginx's own; null while it has none.
    ctx: Cell<*mut ngx_resolver_ctx_t>,
    /// Memory for the name in nginx's context, which changes it to lower case in place.
    name: RefCell<Box<[u8]>>,
    /// What is asked for if there is no such name, the last first.
    others: RefCell<Vec<Box<[u8]>>>,
    /// What was asked for, if the system's rules apply.
    system: Option<Box<[u8]>>,
    port: u16,
    answer: Cell<Option<Answer>>,
    state: Cell<State<D>>,
}

#[derive(Clone, Copy)]
enum State<D: Copy> {
    /// `ngx_resolve_name` runs: an answer that it has at once is a result of the call.
    Asking,
    /// Somebody waits to be told.
    Waiting(fn(D), D),
    Abandoned,
}

/// The address that `host` is in text, `None` if it is a name to be resolved.
pub(crate) fn literal(host: &[u8], port: u16) -> Result<Option<Address>, ResolveError> {
    match Host::read(host, port) {
        Ok(Host::Address(address)) => Ok(Some(address)),
        Ok(Host::Name) => Ok(None),
        Err(reason) => Err(ResolveError::Invalid(host.into(), reason)),
    }
}

/// The addresses of `name` with `port`. If they are not known yet, `done(data)` is called from the event
/// loop when they are, unless the resolution is dropped before. `system` is asked where the location has
/// no `resolver`.
pub(crate) fn resolve<D: Copy>(
    r: Request,
    system: Option<&SystemResolver>,
    name: &[u8],
    port: u16,
    data: D,
    done: fn(D),
) -> Result<Lookup<D>, ResolveError> {
    if let Some(address) = literal(name, port)? {
        return Ok(Lookup::Found(vec![address]));
    }
    // SAFETY: [request-alive]
    let (own, timeout) = unsafe {
        let conf = r.core_loc_conf();
        ((*conf).resolver, (*conf).resolver_timeout)
    };
    // nginx does not complete the `http` level, where Lua without a request runs.
    let timeout = if timeout == UNSET { DEFAULT_TIMEOUT } else { timeout };
    let system = system.filter(|_| !is_defined(own));
    if let Some(found) = system.map(|system| system.in_hosts(name, port)).filter(|f| !f.is_empty())
    {
        return Ok(Lookup::Found(found));
    }
    let question = Rc::new(Question {
        resolver: system.map_or(own, SystemResolver::as_ptr),
        timeout,
        ctx: Cell::new(ptr::null_mut()),
        name: RefCell::default(),
        others: RefCell::new(
            system.map_or_else(|| vec![name.into()], |system| system.candidates(name)),
        ),
        system: system.map(|_| name.into()),
        port,
        answer: Cell::new(None),
        state: Cell::new(State::Asking),
    });
    question.ask()?;
    if let Some(answer) = question.answer.take() {
        return answer.map(Lookup::Found);
    }
    question.state.set(State::Waiting(done, data));
    Ok(Lookup::Pending(Resolution(question)))
}

/// Whether there is a server to ask: nginx has an empty resolver where no directive made one.
fn is_defined(resolver: *mut sys::ngx_resolver_t) -> bool {
    // SAFETY: null, or nginx's, which lives as long as the configuration.
    unsafe { resolver.as_ref() }.is_some_and(|resolver| resolver.connections.nelts > 0)
}

const UNSET: usize = usize::MAX;
/// nginx's own, in milliseconds.
const DEFAULT_TIMEOUT: usize = 30_000;

/// nginx's `NGX_NO_RESOLVER`.
const NO_RESOLVER: isize = -1;

impl<D: Copy> Question<D> {
    /// Hands the next name to nginx.
    fn ask(self: &Rc<Self>) -> Result<(), ResolveError> {
        let name = self.others.borrow_mut().pop().unwrap_or_default();
        if self.resolver.is_null() {
            return Err(ResolveError::NoResolver(name));
        }
        // SAFETY: nginx only looks whether there is a server.
        let ctx = unsafe { sys::ngx_resolve_start(self.resolver, ptr::null_mut()) };
        match ctx as isize {
            0 => return Err(ResolveError::NotStarted),
            NO_RESOLVER => return Err(ResolveError::NoResolver(name)),
            _ => {}
        }
        self.ctx.set(ctx);
        let refused = ResolveError::Refused(name.clone());
        let text = {
            let mut place = self.name.borrow_mut();
            *place = name;
            sys::ngx_str_t { len: place.len(), data: place.as_mut_ptr() }
        };
        // SAFETY: `ngx_resolve_start` made the context for this; the name stays where it is until nginx
        // is done with it. nginx's share of the question is given up by `on_answer`, or here if that
        // will not be called.
        unsafe {
            (*ctx).name = text;
            (*ctx).timeout = self.timeout;
            (*ctx).handler = Some(on_answer::<D>);
            let share = Rc::into_raw(self.clone());
            (*ctx).data = share.cast_mut().cast();
            if sys::ngx_resolve_name(ctx) == sys::OK {
                return Ok(());
            }
            // nginx has freed the context.
            drop(Rc::from_raw(share));
        }
        self.ctx.set(ptr::null_mut());
        Err(refused)
    }

    /// What nginx says in its context.
    fn read(&self, ctx: &ngx_resolver_ctx_t) -> Answer {
        if ctx.state != 0 {
            // SAFETY: nginx keeps the name while it calls back; the reasons are static text.
            return unsafe {
                let reason = CStr::from_ptr(sys::ngx_resolver_strerror(ctx.state));
                Err(ResolveError::Failed {
                    name: self.system.clone().unwrap_or_else(|| sys::str_bytes(ctx.name).into()),
                    code: ctx.state,
                    reason: reason.to_str().unwrap_or("Unknown error"),
                })
            };
        }
        // SAFETY: nginx passes so many addresses.
        let found = unsafe { core::slice::from_raw_parts(ctx.addrs, ctx.naddrs) };
        let found = found.iter().filter_map(|a| {
            // SAFETY: each of them is one of the families' structs.
            unsafe { Address::from_raw(a.sockaddr, a.socklen) }
        });
        let found = found.map(|address| address.with_port(self.port)).collect();
        Ok(if self.system.is_some() { preferred(found) } else { found })
    }

    /// nginx has answered: asks for another name, or tells who waits.
    fn answered(self: &Rc<Self>, answer: Answer) {
        let is_over = matches!(self.state.get(), State::Abandoned);
        let is_unknown = matches!(answer, Err(ResolveError::Failed { code: NO_SUCH_NAME, .. }));
        let has_others = !self.others.borrow().is_empty();
        if is_over || (is_unknown && has_others && self.ask().is_ok()) {
            return;
        }
        self.answer.set(Some(answer));
        if let State::Waiting(done, data) = self.state.get() {
            done(data);
        }
    }
}

const NO_SUCH_NAME: isize = sys::NGX_RESOLVE_NXDOMAIN as isize;

unsafe extern "C" fn on_answer<D: Copy>(ctx: *mut ngx_resolver_ctx_t) {
    guard((), || {
        // SAFETY: `ask` set `data`; nginx calls once, and the context is its until it is done with.
        let question = unsafe { Rc::from_raw((*ctx).data.cast::<Question<D>>().cast_const()) };
        // SAFETY: as above.
        let answer = question.read(unsafe { &*ctx });
        question.ctx.set(ptr::null_mut());
        // SAFETY: as above; what is kept of the answer is a copy.
        unsafe { sys::ngx_resolve_name_done(ctx) };
        question.answered(answer);
    });
}

impl<D: Copy> Resolution<D> {
    /// The answer, once.
    pub(crate) fn result(&self) -> Option<Answer> {
        self.0.answer.take()
    }
}

impl<D: Copy> Drop for Resolution<D> {
    fn drop(&mut self) {
        self.0.state.set(State::Abandoned);
        // SAFETY: null, or nginx's until `on_answer` is called.
        unsafe {
            if let Some(ctx) = self.0.ctx.get().as_ref()
                && let Some(event) = ctx.event.as_mut()
            {
                // A worker that is to end does not wait for it.
                event.set_cancelable(1);
            }
        }
    }
}
