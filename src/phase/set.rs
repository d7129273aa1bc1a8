//! `set_by_lua*`: Lua that computes the value of an nginx variable, among the directives of the rewrite
//! module.
#![allow(unsafe_code)]
use super::direct;
use crate::conf::SetVar;
use crate::nginx::script::{Script, Values};
use crate::nginx::sys::{self, ngx_http_script_engine_t, ngx_str_t};
use crate::nginx::{Phase, Request, guard};

/// The longest value that nginx's variables hold.
const MAX_LEN: usize = (1 << 28) - 1;

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
        |stack| match stack.bytes(-1) {
            None | Some([]) => Some(sys::str_of(b"")),
            Some(value) if value.len() > MAX_LEN => None,
            Some(value) => r.pool().copy(value),
        },
    );
    ctx.set_args.set(outer);
    value.ok()?
}
