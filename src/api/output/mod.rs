//! `ngx.say`, `ngx.print`, `ngx.flush`, `ngx.eof`, `ngx.send_headers`, and the end of a response.
pub(crate) mod flatten;
mod flush;
mod lua;

pub(crate) use lua::DOMAIN;

use crate::coroutine::RequestCtx;
use crate::nginx::output::Stopped;

/// Statuses that end the connection without a response of their own.
const SILENT: [isize; 3] = [408, 499, 444];

/// Completes the response after `ngx.exit(code)`, as far as that is Lua's part, and returns the code
/// to end the phase with.
///
/// Reference: sets the status of responses that nginx makes as well. nginx does so itself when it sends one, and by then
/// another location may have made a better one: `slice`, for instance, looks whether a status is set.
pub(crate) fn complete_exit(ctx: &RequestCtx, code: isize) -> Result<isize, Stopped> {
    let (r, output) = (ctx.request, &ctx.output);
    if output.is_buffering() && r.status() != 0 && code != -1 && !SILENT.contains(&code) {
        output.finish(r)?;
        return Ok(if code >= 200 { 200 } else { code });
    }
    let own_response =
        (code == 0 && ctx.entered_content()) || ((200..300).contains(&code) && code != 204);
    if own_response {
        if !ctx.headers_sent() && r.status() == 0 && code >= 200 {
            r.set_status(code.unsigned_abs());
        }
        output.finish(r)?;
    } else {
        output.send(r)?;
    }
    if ctx.headers_sent() && code > 0 && !SILENT.contains(&code) {
        return Ok(if ctx.entered_content() { 0 } else { 200 });
    }
    Ok(code)
}
