//! Host names become addresses, through the `resolver` of the location.
//!
//! Owning a [`Resolution`] is waiting; dropping it is losing interest. nginx walks a list of those that wait
//! for one name while it calls them, so that none of them may be taken out of nginx's hands meanwhile: what
//! is dropped stays with nginx, deaf, until its answer or its time comes.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::ffi::CStr;
use core::fmt;
use core::ptr::{self, NonNull};
use std::rc::Rc;

use super::address::{Address, Host};
use super::log::Text;
use super::sys::{self, ngx_resolver_ctx_t};
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
    /// nginx's own; null when it has called back.
    ctx: Cell<*mut ngx_resolver_ctx_t>,
    /// nginx changes it to lower case in place.
    name: NonNull<[u8]>,
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
/// loop when they are, unless the resolution is dropped before.
pub(crate) fn resolve<D: Copy>(
    r: Request,
    name: &[u8],
    port: u16,
    data: D,
    done: fn(D),
) -> Result<Lookup<D>, ResolveError> {
    if let Some(address) = literal(name, port)? {
        return Ok(Lookup::Found(vec![address]));
    }
    let question = Rc::new(Question {
        ctx: Cell::new(start(r, name)?),
        name: NonNull::from(Box::leak(Box::<[u8]>::from(name))),
        port,
        answer: Cell::new(None),
        state: Cell::new(State::Asking),
    });
    if !question.clone().ask(r) {
        return Err(ResolveError::Refused(name.into()));
    }
    if let Some(answer) = question.answer.take() {
        return answer.map(Lookup::Found);
    }
    question.state.set(State::Waiting(done, data));
    Ok(Lookup::Pending(Resolution(question)))
}

/// nginx's context for a question about a name.
fn start(r: Request, name: &[u8]) -> Result<*mut ngx_resolver_ctx_t, ResolveError> {
    // SAFETY: [request-alive]; without a name nginx only looks whether there is a resolver.
    let ctx = unsafe {
        let resolver = (*r.core_loc_conf()).resolver;
        sys::ngx_resolve_start(resolver, ptr::null_mut())
    };
    match ctx as isize {
        0 => Err(ResolveError::NotStarted),
        NO_RESOLVER => Err(ResolveError::NoResolver(name.into())),
        _ => Ok(ctx),
    }
}

/// nginx's `NGX_NO_RESOLVER`.
const NO_RESOLVER: isize = -1;

impl<D: Copy> Question<D> {
    /// Hands the question to nginx; `false` if nginx cannot take it.
    fn ask(self: Rc<Self>, r: Request) -> bool {
        let ctx = self.ctx.get();
        // SAFETY: `start` got the context for this; nginx's share of the question is given up by
        // `on_answer`, or here if that will not be called.
        unsafe {
            (*ctx).name = sys::ngx_str_t { len: self.name.len(), data: self.name.as_ptr().cast() };
            (*ctx).timeout = (*r.core_loc_conf()).resolver_timeout;
            (*ctx).handler = Some(on_answer::<D>);
            let share = Rc::into_raw(self);
            (*ctx).data = share.cast_mut().cast();
            if sys::ngx_resolve_name(ctx) == sys::OK {
                return true;
            }
            // nginx has freed the context.
            let question = Rc::from_raw(share);
            question.ctx.set(ptr::null_mut());
        }
        false
    }

    /// What nginx says in its context.
    fn read(&self, ctx: &ngx_resolver_ctx_t) -> Answer {
        if ctx.state != 0 {
            // SAFETY: nginx keeps the name while it calls back; the reasons are static text.
            return unsafe {
                let reason = CStr::from_ptr(sys::ngx_resolver_strerror(ctx.state));
                Err(ResolveError::Failed {
                    name: sys::str_bytes(ctx.name).into(),
                    code: ctx.state,
                    reason: reason.to_str().unwrap_or("Unknown error"),
                })
            };
        }
        // SAFETY: nginx passes so many addresses.
        let found = unsafe { core::slice::from_raw_parts(ctx.addrs, ctx.naddrs) };
        let found = found.iter().filter_map(|a| unsafe {
            // SAFETY: each of them is one of the families' structs.
            Address::from_raw(a.sockaddr, a.socklen)
        });
        Ok(found.map(|address| address.with_port(self.port)).collect())
    }
}

impl<D: Copy> Drop for Question<D> {
    fn drop(&mut self) {
        // SAFETY: leaked by `resolve`; nginx has given up its context.
        drop(unsafe { Box::from_raw(self.name.as_ptr()) });
    }
}

unsafe extern "C" fn on_answer<D: Copy>(ctx: *mut ngx_resolver_ctx_t) {
    guard((), || {
        // SAFETY: `ask` set `data`; nginx calls once, and the context is its until it is done with.
        let question = unsafe { Rc::from_raw((*ctx).data.cast::<Question<D>>().cast_const()) };
        // SAFETY: as above.
        question.answer.set(Some(question.read(unsafe { &*ctx })));
        question.ctx.set(ptr::null_mut());
        // SAFETY: as above; what is kept of the answer is a copy.
        unsafe { sys::ngx_resolve_name_done(ctx) };
        if let State::Waiting(done, data) = question.state.get() {
            done(data);
        }
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
