//! What Lua calls of `ngx.req` without lua-resty-core.
use crate::api::Domain;
use crate::api::control::PENDING;
use crate::api::text::args::{self, MAX_ARGS};
use crate::api::text::escape::{self, RawArgs};
use crate::api::text::lua::arg_table;
use crate::coroutine::{Leave, RequestCtx, in_phase, request_of};
use crate::nginx::body::Body;
use crate::nginx::log::Text;
use crate::nginx::raw_header::{self, Part};
use crate::nginx::uri::{printable, unsafe_byte};
use crate::nginx::{Phase, Phases, Request, debug};
use crate::vm::{Call, Error, Kind, Result, Top, Yield, lua_fn};

pub(crate) const DOMAIN: Domain = Domain {
    functions: &[
        (c"req", c"is_internal", lua_fn!(is_internal)),
        (c"req", c"http_version", lua_fn!(http_version)),
        (c"req", c"raw_header", lua_fn!(raw_header)),
        (c"req", c"set_uri", lua_fn!(set_uri)),
        (c"req", c"set_uri_args", lua_fn!(set_uri_args)),
        (c"req", c"get_post_args", lua_fn!(get_post_args)),
    ],
    setup: None,
};

const NO_REQUEST: &str = "no request object found";

/// The caller's request, which must have a client.
pub(super) fn client(call: &Call<'_>, missing: &'static str) -> Result<Request> {
    let r = request_of(call.stack()).ok_or(Error::raise(missing))?;
    if r.is_detached() {
        return Err(Error::raise("API disabled in the current context"));
    }
    Ok(r)
}

fn is_internal(call: &Call<'_>) -> Result<bool> {
    Ok(request_of(call.stack()).ok_or(Error::raise(NO_REQUEST))?.is_internal())
}

fn http_version(call: &Call<'_>) -> Result<Top> {
    let stack = call.stack();
    match client(call, NO_REQUEST)?.http_version() {
        9 => stack.push_number(0.9),
        1000 => stack.push_number(1.0),
        1001 => stack.push_number(1.1),
        2000 => stack.push_number(2.0),
        3000 => stack.push_number(3.0),
        _ => stack.push_nil(),
    }
    Ok(Top(1))
}

fn raw_header(call: &Call<'_>) -> Result<Vec<u8>> {
    let part = if call.stack().truth(1) { Part::Headers } else { Part::All };
    let r = client(call, NO_REQUEST)?;
    match r.http_version() {
        2000 => Err(Error::raise("http2 requests not supported yet")),
        3000 => Err(Error::raise("http3 requests not supported yet")),
        _ => Ok(raw_header::of(r, part)),
    }
}

fn set_uri(call: &Call<'_>) -> Result<core::result::Result<(), Yield>> {
    let args = call.count();
    if !(1..=3).contains(&args) {
        let message = format!("expecting 1, 2 or 3 arguments but seen {args}");
        return Err(Error::Raise(message.into()));
    }
    let r = client(call, "no request found")?;
    let uri = call.bytes(1)?;
    if uri.is_empty() {
        return Err(Error::raise("attempt to use zero-length uri"));
    }
    let binary = args >= 3 && call.boolean(3)?;
    if let Some(byte) = unsafe_byte(uri).filter(|_| !binary) {
        let uri = printable(uri);
        let message = format!(
            "unsafe byte \"0x{byte:02x}\" in uri \"{uri}\" \
             (maybe you want to set the 'binary' argument?)"
        );
        return Err(Error::Raise(message.into()));
    }
    let no_memory = Error::raise("no memory");
    if args == 1 || !call.boolean(2)? {
        return r.set_uri(uri).map(Ok).ok_or(no_memory);
    }
    let ctx = RequestCtx::of(r).ok_or(Error::raise("no ctx found"))?;
    let ctx = in_phase(ctx, Phases::of(&[Phase::ServerRewrite, Phase::Rewrite]))?;
    if ctx.has_captures() {
        return Err(Error::raise(PENDING));
    }
    ctx.waiter(call.stack())?;
    debug!(r.log(), "lua set uri jump to \"{}\"", Text(uri));
    r.change_uri(uri).ok_or(no_memory)?;
    ctx.set_leave(Leave::Jump);
    Ok(Err(Yield::NOTHING))
}

fn set_uri_args(call: &Call<'_>) -> Result<()> {
    let count = call.count();
    if count != 1 {
        return Err(Error::Raise(format!("expecting 1 argument but seen {count}").into()));
    }
    let r = client(call, NO_REQUEST)?;
    let done = match call.kind(1) {
        Kind::Number => r.set_args(call.bytes(1)?),
        Kind::String => r.set_args(&escape::escaped::<RawArgs>(call.bytes(1)?)),
        Kind::Table => r.set_args(&args::encode_table(call.stack(), 1)?),
        kind => {
            let message = format!("string, number, or table expected, but got {}", kind.name());
            return Err(Error::arg(1, message));
        }
    };
    done.ok_or(Error::raise("no memory"))
}

fn get_post_args(call: &Call<'_>) -> Result<Top> {
    let count = call.count();
    if count > 1 {
        return Err(Error::Raise(format!("expecting 0 or 1 arguments but seen {count}").into()));
    }
    let max = if count == 1 { call.int(1)? } else { MAX_ARGS };
    match Body::of(client(call, NO_REQUEST)?) {
        Body::Unread => Err(Error::raise(
            "no request body found; maybe you should turn on lua_need_request_body?",
        )),
        Body::InFile => Err(Error::fail("request body in temp file not supported")),
        Body::Discarded => Ok(arg_table(call.stack(), b"", max)),
        Body::InMemory(body) => Ok(arg_table(call.stack(), &body, max)),
    }
}
