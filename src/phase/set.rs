//! `set_by_lua*`: Lua that computes the value of an nginx variable, among the directives of the rewrite
//! module.
#![allow(unsafe_code)]
use super::{boot, direct};
use crate::api::output::flatten;
use crate::conf::SetVar;
use crate::coroutine::RequestCtx;
use crate::nginx::script::{Script, Values};
use crate::nginx::sys::{self, ngx_http_script_engine_t, ngx_str_t};
use crate::nginx::{Phase, Request, guard};
use crate::vm::{Kind, Stack};

/// # Safety
/// Called by nginx as the code of a `set_by_lua*` directive.
pub(crate) unsafe extern "C" fn on_set(engine: *mut ngx_http_script_engine_t) {
    // SAFETY: the directive gave its code a `SetVar`; [request-alive].
    let (script, set) = unsafe {
        let script = Script::from_raw(engine);
        (script, script.take_data::<SetVar>())
    };
    let value = guard(None, || {
        let args = script.evaluate(&set.args)?;
        compute(script.request(), set, args)
    });
    match value {
        Some(value) => script.push(value),
        None => script.fail(),
    }
}

fn compute(r: Request, set: &SetVar, args: Values) -> Option<ngx_str_t> {
    let ctx = match RequestCtx::for_phase(r) {
        Some(ctx) => {
            ctx.reset();
            ctx
        }
        None => boot::create_context(r).ok()?,
    };
    let outer = ctx.set_args.replace(args);
    let value = direct::run(
        ctx,
        Phase::Set,
        &set.chunk,
        |stack| args.iter().map(|arg| stack.push_bytes(arg)).count() as i32,
        |stack, result| value_of(r, stack, result),
    );
    ctx.set_args.set(outer);
    value.ok()?.unwrap_or(Some(NOTHING))
}

const NOTHING: ngx_str_t = sys::str_of(b"");

/// The text that the variable gets.
fn value_of(r: Request, stack: Stack, result: i32) -> Option<ngx_str_t> {
    if stack.is_string(result) {
        return r.pool().copy(stack.bytes(result).unwrap_or_default());
    }
    match stack.kind(result) {
        Kind::Number => {
            let number = stack.number(result).unwrap_or_default();
            flatten::number(number, |text| r.pool().copy(text))
        }
        _ => Some(NOTHING),
    }
}
