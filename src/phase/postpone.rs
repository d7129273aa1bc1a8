//! Lua of the rewrite, access and precontent phases runs behind the handlers of other modules.
//!
//! nginx orders handlers by module; ours moves to the end of its phase when the first request comes
//! by, unless `*_by_lua_no_postpone` is on.
#![allow(unsafe_code)]
use crate::conf::MainConf;
use crate::nginx::sys::ngx_http_phase_handler_t;
use crate::nginx::{Phase, Request};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Turn {
    Now,
    /// The handlers behind ours come first.
    Later,
}

/// Whether it is our turn in this phase.
pub(super) fn take_turn(r: Request, phase: Phase) -> Turn {
    // The slots between our phase's last handler and the next phase: access ends in nginx's own
    // post-access checker.
    let trailing = match phase {
        Phase::Rewrite | Phase::Precontent => 1,
        Phase::Access => 2,
        _ => return Turn::Now,
    };
    let conf = MainConf::of(r);
    if conf.postponed.get().contains(phase) {
        return Turn::Now;
    }
    conf.postponed.set(conf.postponed.get().and(&[phase]));
    move_to_end(r, trailing)
}

fn move_to_end(r: Request, trailing: usize) -> Turn {
    // SAFETY: [request-alive]; `phase_handler` is the index of the running handler, whose `next` is
    // the index of the next phase's first one.
    unsafe {
        let handlers = (*r.core_main_conf()).phase_engine.handlers;
        let position = (*r.as_ptr()).phase_handler;
        let Ok(own) = usize::try_from(position) else { return Turn::Now };
        let last = ((*handlers.add(own)).next).saturating_sub(trailing);
        if own >= last {
            return Turn::Now;
        }
        let moved: ngx_http_phase_handler_t = *handlers.add(own);
        core::ptr::copy(handlers.add(own + 1), handlers.add(own), last - own);
        *handlers.add(last) = moved;
        // The handler that took our place runs next.
        (*r.as_ptr()).phase_handler = position - 1;
    }
    Turn::Later
}
