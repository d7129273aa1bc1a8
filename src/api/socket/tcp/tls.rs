//! The TLS handshake of a socket, as lua-resty-core asks for it.
//!
//! Its results are fetched by a call of their own: what they are is kept with the socket until then. A session
//! that nobody fetches is freed with it.
use core::cell::Cell;
use core::ffi::{CStr, c_void};
use core::ptr::{self, NonNull};
use std::rc::Rc;

use super::{Operation, Socket, Use};
use crate::api::given::{self, Kind};
use crate::conf::LocConf;
use crate::coroutine::{RequestCtx, Suspension};
use crate::nginx::connection::Connection;
use crate::nginx::log::Text;
use crate::nginx::tls::client::{self, Distrust, Handshaker, Session, Step, TrustedStore, Wishes};
use crate::nginx::{Level, debug};
use crate::vm::Stack;

/// What is known of a socket's last handshake.
pub(crate) struct State {
    /// The certificate must be good, and for this name unless that is empty.
    verify: Cell<Option<Box<[u8]>>>,
    /// Lua wants the session.
    wants_session: Cell<bool>,
    session: Cell<Option<Session>>,
    /// The session that Lua has been given.
    given: Cell<*mut c_void>,
    /// Why the handshake failed, with OpenSSL's code if it is about the certificate.
    failure: Cell<Option<Failed>>,
    /// What the next handshake is to trust.
    trusted: Cell<Option<TrustedStore>>,
}

impl State {
    fn new() -> Self {
        Self {
            verify: Cell::new(None),
            wants_session: Cell::new(false),
            session: Cell::new(None),
            given: Cell::new(ptr::null_mut()),
            failure: Cell::new(None),
            trusted: Cell::new(None),
        }
    }
}

/// A message, and OpenSSL's code or 0.
pub(crate) type Failed = (&'static CStr, i32);

/// How `sslhandshake` went on at once.
pub(crate) enum Shaken {
    Done,
    /// The connection speaks TLS already, and a session to go on with was given.
    Already,
    Waits,
    Failed(&'static CStr),
}

/// What `sslhandshake` was called with besides [`Wishes`].
pub(crate) struct Terms {
    pub(crate) wants_session: bool,
    pub(crate) verify: bool,
}

impl Socket {
    fn tls(&self) -> &State {
        self.tls.get_or_init(|| Box::new(State::new()))
    }

    /// Why there can be no handshake, if there cannot.
    fn refuses_tls(&self, ctx: &RequestCtx) -> Option<&'static CStr> {
        if self.request() != Some(ctx.request) {
            return Some(c"bad request");
        }
        for (operation, message) in [
            (Operation::Connect, c"socket busy connecting"),
            (Operation::Read, c"socket busy reading"),
            (Operation::Write, c"socket busy writing"),
        ] {
            if self.busy_with(operation).is_some() {
                return Some(message);
            }
        }
        self.kind().is_client().then_some(c"not supported for downstream sockets")
    }

    /// Shakes hands; if that has to wait, the running coroutine is suspended.
    pub(super) fn shake_hands(
        self: &Rc<Self>,
        ctx: &RequestCtx,
        wishes: &Wishes<'_>,
        terms: &Terms,
    ) -> Shaken {
        let both = self.readable().filter(|_| self.writable().is_some());
        let Some(c) = both else { return Shaken::Failed(c"closed") };
        if let Some(message) = self.refuses_tls(ctx) {
            return Shaken::Failed(message);
        }
        let tls = self.tls();
        tls.failure.set(None);
        let is_resumed = !wishes.session.is_null();
        tls.wants_session.set(is_resumed || terms.wants_session);
        if client::is_established(c) {
            if is_resumed {
                return Shaken::Already;
            }
            self.save_session(c);
            return Shaken::Done;
        }
        let context = self.conf.get().and_then(|conf| conf.tls.context());
        let Some(context) = context else {
            return Shaken::Failed(c"failed to create ssl connection");
        };
        let trusted = tls.trusted.take();
        if let Err(message) = client::prepare(c, context, wishes, trusted.as_ref()) {
            return Shaken::Failed(message);
        }
        self.trace_wishes(ctx, wishes);
        let name = wishes.server_name.map_or(&b""[..], CStr::to_bytes);
        tls.verify.set(terms.verify.then(|| name.into()));
        self.begin_handshake(ctx, c)
    }

    /// Sets what the next handshake is to trust; `None` for what the location's settings say.
    pub(super) fn trust(
        &self,
        ctx: &RequestCtx,
        store: Option<TrustedStore>,
    ) -> Result<(), &'static CStr> {
        let both = self.readable().filter(|_| self.writable().is_some());
        let c = both.ok_or(c"closed")?;
        if self.request() != Some(ctx.request) {
            return Err(c"bad request");
        }
        if client::is_established(c) {
            return Err(c"ssl handshake already done; trusted store cannot be changed on an established TLS connection");
        }
        self.tls().trusted.set(store);
        Ok(())
    }

    /// A share of the connection's session as it is now, by which a later handshake may go on.
    pub(super) fn session(&self) -> Result<Session, &'static CStr> {
        let c = self.open().ok_or(c"closed")?;
        let session = client::is_established(c).then(|| Session::of(c)).flatten();
        let session = session.ok_or(c"no session")?;
        if session.is_resumable() { Ok(session) } else { Err(c"not resumable") }
    }

    /// A connection belongs to the socket no more: nor does what is about its next handshake.
    pub(super) fn forget_trust(&self) {
        if let Some(tls) = self.tls.get() {
            tls.trusted.set(None);
        }
    }

    fn trace_wishes(&self, ctx: &RequestCtx, wishes: &Wishes<'_>) {
        let log = ctx.log();
        if !wishes.session.is_null() {
            debug!(log, "lua ssl set session: {:016X}", wishes.session.addr());
        }
        if let Some(name) = wishes.server_name {
            debug!(log, "lua ssl server name: \"{}\"", Text(name.to_bytes()));
        }
    }

    fn begin_handshake(self: &Rc<Self>, ctx: &RequestCtx, c: Connection) -> Shaken {
        let (step, code) = client::shake_hands::<Self>(c);
        debug!(ctx.log(), "ngx_ssl_handshake returned: {code}");
        if step == Step::Waits {
            c.clear_write_timer();
            c.clear_read_timer();
            c.set_read_timer(self.timeouts.get().connect);
            match ctx.can_suspend() {
                Ok(true) => {}
                Ok(false) => {
                    // The caller's yield raises.
                    self.close();
                    return Shaken::Waits;
                }
                Err(_) => return self.break_off((c"no co ctx found", 0)),
            }
            let suspended = ctx.suspend_on_yield(|waker| {
                self.connecting.set(Use::Waiting(waker));
                Ok(Handshake { socket: self.clone() })
            });
            debug_assert!(suspended.is_ok());
            return Shaken::Waits;
        }
        match self.conclude(c) {
            Ok(()) => Shaken::Done,
            Err(failed) => self.break_off(failed),
        }
    }

    /// The handshake has failed: the connection is of no use.
    fn break_off(&self, failed: Failed) -> Shaken {
        self.tls().failure.set(Some(failed));
        self.close();
        Shaken::Failed(failed.0)
    }

    /// The handshake has ended, well or not.
    fn conclude(&self, c: Connection) -> Result<(), Failed> {
        // nginx has put handlers of its own in the place of the socket's.
        c.attach(NonNull::from(self), self.log());
        if c.take_read_timeout() {
            return Err((c"timeout", 0));
        }
        c.clear_read_timer();
        if !client::is_established(c) {
            return Err((c"handshake failed", 0));
        }
        if let Some(name) = self.tls().verify.take() {
            client::verify(c, &name).map_err(|distrust| self.report(&distrust, &name))?;
        }
        self.save_session(c);
        Ok(())
    }

    fn report(&self, distrust: &Distrust, name: &[u8]) -> Failed {
        let log = self.log();
        let logs = self.request().is_some_and(|r| LocConf::of(r).socket.log_errors != 0);
        match distrust {
            Distrust::Invalid(code, text) => {
                if logs {
                    let text = Text(text.to_bytes());
                    let message =
                        format_args!("lua ssl certificate verify error: ({code}: {text})");
                    log.print(Level::Error, message);
                }
                (text, i32::try_from(*code).unwrap_or(-1))
            }
            Distrust::OtherHost => {
                if logs {
                    let message =
                        format_args!("lua ssl certificate does not match host \"{}\"", Text(name));
                    log.print(Level::Error, message);
                }
                (c"certificate host mismatch", 0)
            }
        }
    }

    fn save_session(&self, c: Connection) {
        let tls = self.tls();
        tls.session.set(None);
        tls.given.set(ptr::null_mut());
        if tls.wants_session.get()
            && let Some(session) = Session::of(c)
        {
            debug!(self.log(), "lua ssl save session: {:016X}", session.as_ptr().addr());
            tls.session.set(Some(session));
        }
    }

    /// What the last handshake has come to: a session that the caller owns, null if there is none.
    /// lua-resty-core asks twice, and keeps the second answer.
    pub(super) fn handshake_result(&self) -> Result<*mut c_void, Failed> {
        let tls = self.tls();
        if let Some(failed) = tls.failure.get() {
            return Err(failed);
        }
        if let Some(session) = tls.session.take() {
            let session = session.into_raw();
            given::note(Kind::Session, session);
            tls.given.set(session);
        }
        Ok(tls.given.get())
    }
}

impl Handshaker for Socket {
    #[allow(unsafe_code)]
    unsafe fn on_handshake(this: NonNull<Self>) {
        // SAFETY: the caller's contract; nothing of the socket is touched after the wake-up.
        let socket = unsafe { this.as_ref() };
        if let Some(r) = socket.request() {
            r.enter_log();
        }
        let Some(c) = socket.connection() else { return };
        if let Err(failed) = socket.conclude(c) {
            socket.break_off(failed);
        }
        socket.finish(&socket.connecting);
    }
}

/// A coroutine that waits for a handshake. Dropped before that has ended, it takes the connection with it.
struct Handshake {
    socket: Rc<Socket>,
}

impl Suspension for Handshake {
    fn results(&mut self, _: Stack) -> i32 {
        self.socket.connecting.set(Use::Idle);
        0
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let socket = &self.socket;
        if matches!(socket.connecting.get(), Use::Waiting(_)) {
            socket.connecting.set(Use::Idle);
            socket.close();
        }
    }
}

/// The address that debug lines call the upstream.
pub(super) fn trace_result(ctx: &RequestCtx, socket: &Socket) {
    let address = ptr::from_ref(socket).addr();
    debug!(ctx.log(), "lua cosocket get SSL handshake result for upstream: {address:016X}");
}
