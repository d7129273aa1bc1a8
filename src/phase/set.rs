//! `set_by_lua*`: Lua that computes the value of an nginx variable, among the directives of the rewrite
//! module.
#![allow(unsafe_code)]
use super::direct;
use crate::api::output::flatten;
use crate::conf::SetVar;
use crate::nginx::script::{Script, Values};
use crate::nginx::sys::{self, ngx_http_script_engine_t, ngx_str_t};
use crate::nginx::{Phase, Request, guard};
use crate::vm::Kind;

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
    let ctx = direct::context(r).ok()?;
    ctx.reset();
    let outer = ctx.set_args.replace(args);
    let value = direct::run(
        ctx,
        Phase::Set,
        &set.chunk,
        |stack| args.iter().map(|arg| stack.push_bytes(arg)).count() as i32,
        |stack| match stack.kind(-1) {
            Kind::Number => {
                flatten::number(stack.number(-1).unwrap_or_default(), |text| r.pool().copy(text))
            }
            Kind::String => r.pool().copy(stack.bytes(-1).unwrap_or_default()),
            _ => Some(sys::str_of(b"")),
        },
    );
    ctx.set_args.set(outer);
    value.ok()?
}
