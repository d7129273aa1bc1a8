//! The filters that take the response of a captured subrequest.
#![allow(unsafe_code)]
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::Captured;
use crate::nginx::log::Text;
use crate::nginx::sys::{self, ngx_chain_t, ngx_http_request_t, ngx_int_t};
use crate::nginx::{Request, capture, debug, guard};

/// Adds the filters if some location has Lua code that can capture, now or in an earlier configuration
/// of this process.
pub(crate) fn install(needed: bool) {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if INSTALLED.fetch_or(needed, Relaxed) || needed {
        capture::add_filters(on_headers, on_body);
    }
}

/// # Safety
/// Called by nginx as a header filter.
unsafe extern "C" fn on_headers(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: [request-alive]: nginx filters the responses of live requests only.
    let Some(r) = (unsafe { Request::from_raw(r) }) else { return sys::ERROR };
    if concerns(r) { capture_headers(r) } else { capture::next_header(r) }
}

/// Nearly always the filters have nothing to do: what they do lies apart from them.
#[inline]
fn concerns(r: Request) -> bool {
    Captured::of(r).is_some() || r.log().debugs()
}

#[cold]
fn capture_headers(r: Request) -> ngx_int_t {
    debug!(r.log(), "lua capture header filter, uri \"{}\"", Text(r.uri()));
    if Captured::of(r).is_none() {
        return capture::next_header(r);
    }
    debug!(r.log(), "lua capturing response body");
    r.capture_output();
    sys::OK
}

/// # Safety
/// Called by nginx as a body filter.
unsafe extern "C" fn on_body(r: *mut ngx_http_request_t, chain: *mut ngx_chain_t) -> ngx_int_t {
    // SAFETY: [request-alive]: nginx filters the responses of live requests only.
    let Some(r) = (unsafe { Request::from_raw(r) }) else { return sys::ERROR };
    if concerns(r) { capture_body(r, chain) } else { capture::next_body(r, chain) }
}

#[cold]
fn capture_body(r: Request, chain: *mut ngx_chain_t) -> ngx_int_t {
    debug!(r.log(), "lua capture body filter, uri \"{}\"", Text(r.uri()));
    let note = if chain.is_null() { None } else { Captured::of(r) };
    let Some(note) = note else { return capture::next_body(r, chain) };
    guard(sys::ERROR, || {
        take(r, note, chain);
        sys::OK
    })
}

fn take(r: Request, note: &Captured, chain: *mut ngx_chain_t) {
    if note.done.get() {
        debug!(r.log(), "lua body filter skipped because post subrequest already run");
    } else {
        debug!(
            r.log(),
            "lua capture body filter capturing response body, uri \"{}\"",
            Text(r.uri())
        );
    }
    let answer = note.group().filter(|_| !note.done.get()).map(|group| &group.answers[note.index]);
    // SAFETY: nginx hands us the chain.
    let last = unsafe {
        capture::take_chain(chain, |data| {
            if let Some(answer) = answer {
                answer.append(data);
            }
        })
    };
    if let Some(answer) = answer.filter(|_| last) {
        answer.complete.set(true);
    }
}
