//! `ngx.arg`: the arguments of `set_by_lua*`, and what a body filter sees and changes of the body.
//!
//! lua-resty-core reads it, through the C functions; assignments come here.
#![allow(unsafe_code)]
use core::ffi::c_int;

use super::Domain;
use super::ffi::{self, Out, Rc};
use super::output::flatten;
use super::resty_core::Found;
use crate::coroutine::{RequestCtx, in_phase, request_of};
use crate::nginx::filtered::{Data, NoMemory};
use crate::nginx::sys::ngx_http_request_t;
use crate::nginx::{Phase, Phases};
use crate::vm::{Call, Error, Kind, Result, Stack, lua_fn};

pub(crate) const DOMAIN: Domain = Domain { functions: &[], setup: Some(setup) };

/// lua-resty-core completes the metatable.
fn setup(stack: Stack, _: &Found) {
    stack.new_table(0, 0);
    stack.new_table(0, 2);
    stack.push_function(lua_fn!(assign), 0);
    stack.set_raw_field(-2, b"__newindex");
    stack.set_metatable(-2);
    stack.set_raw_field(-2, b"arg");
}

impl From<NoMemory> for Error {
    fn from(_: NoMemory) -> Self {
        Self::raise("no memory")
    }
}

/// `ngx.arg[index] = value`
fn assign(call: &Call<'_>) -> Result<()> {
    let Some(r) = request_of(call.stack()) else { return Ok(()) };
    let ctx = RequestCtx::of(r).ok_or(Error::raise("ctx not found"))?;
    let ctx = in_phase(ctx, Phases::of(&[Phase::BodyFilter]))?;
    match call.int(2)? {
        1 => assign_body(ctx, call),
        2 => Ok(ctx.body.set_last(r, call.stack().truth(VALUE))?),
        index => Err(Error::Raise(format!("bad index: {index}").into())),
    }
}

/// The assigned value's place among the arguments of `__newindex`.
const VALUE: c_int = 3;

fn assign_body(ctx: &RequestCtx, call: &Call<'_>) -> Result<()> {
    let kind = call.kind(VALUE);
    match kind {
        Kind::String | Kind::Number => ctx.body.replace(ctx.request, call.bytes(VALUE)?)?,
        Kind::Nil => ctx.body.replace(ctx.request, b"")?,
        Kind::Table => {
            let mut data = Vec::new();
            flatten::strings(&mut data, call.stack(), VALUE, VALUE)?;
            ctx.body.replace(ctx.request, &data)?;
        }
        _ => {
            let kind = kind.name();
            return Err(Error::Raise(format!("bad chunk data type: {kind}").into()));
        }
    }
    Ok(())
}

/// Argument `index` (from 1) of the running `set_by_lua*`; one that is not there has the length 0.
///
/// # Safety
/// `r` as in [`ffi::request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_get_setby_param(
    r: *mut ngx_http_request_t,
    index: c_int,
    data: Out<*const u8>,
    len: Out<usize>,
) {
    ffi::call(None, || {
        len.set(0);
        // SAFETY: the caller's contract.
        let args = unsafe { ffi::context(r) }?.set_args.get();
        let index = usize::try_from(index).ok().and_then(|i| i.checked_sub(1));
        if let Some(value) = index.and_then(|i| args.get(i)) {
            data.set(value.as_ptr());
            len.set(value.len());
        }
        Ok(Rc::Ok)
    });
}

/// Whether the body ends with what the body filter sees: 1 or 0.
///
/// # Safety
/// `r` as in [`ffi::request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_get_body_filter_param_eof(
    r: *mut ngx_http_request_t,
) -> c_int {
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let ctx = unsafe { ffi::context(r) }?;
        Ok(c_int::from(ctx.body.is_last()))
    })
}

/// What the body filter sees. Data that lies in several places has its length returned, with `Again`,
/// to be copied.
///
/// # Safety
/// `r` as in [`ffi::request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_get_body_filter_param_body(
    r: *mut ngx_http_request_t,
    data: Out<*const u8>,
    len: Out<usize>,
) -> c_int {
    ffi::call(None, || {
        len.set(0);
        // SAFETY: the caller's contract.
        Ok(match unsafe { ffi::context(r) }?.body.data() {
            Data::Whole(bytes) => {
                data.set(bytes.as_ptr());
                len.set(bytes.len());
                Rc::Ok
            }
            Data::Spread(total) => {
                len.set(total);
                Rc::Again
            }
        })
    })
}

/// Copies what the body filter sees.
///
/// # Safety
/// `r` as in [`ffi::request`]; `data` has room for the length that `…_param_body` gave.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_copy_body_filter_param_body(
    r: *mut ngx_http_request_t,
    data: *mut u8,
) -> c_int {
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        unsafe {
            let mut end = data;
            for piece in ffi::context(r)?.body.pieces() {
                end.copy_from_nonoverlapping(piece.as_ptr(), piece.len());
                end = end.add(piece.len());
            }
        }
        Ok(Rc::Ok)
    })
}
