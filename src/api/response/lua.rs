//! `ngx.resp.get_headers`.
use crate::api::Domain;
use crate::api::request::MAX_HEADERS;
use crate::api::resty_core::Found;
use crate::coroutine::{RequestCtx, request_of};
use crate::nginx::headers::response;
use crate::nginx::log::Text;
use crate::nginx::{Request, debug};
use crate::vm::state::{push_headers_metatable, set_headers_metatable};
use crate::vm::{Call, Error, Kind, Result, Stack, Top, lua_fn};

pub(crate) const DOMAIN: Domain =
    Domain { functions: &[(c"resp", c"get_headers", lua_fn!(get_headers))], setup: Some(setup) };

/// Makes the metatable of header tables.
fn setup(stack: Stack, _: &Found) {
    stack.new_table(0, 1);
    stack.push_function(lua_fn!(in_any_case), 0);
    stack.set_raw_field(-2, b"__index");
    set_headers_metatable(stack);
}

/// `headers[name]` where no header has exactly this name: names are kept in lower case, with dashes.
fn in_any_case(call: &Call<'_>) -> Result<Top> {
    let stack = call.stack();
    let name = call.bytes(2)?;
    let plain = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    let mut room = [0; 64];
    if let Some(room) = room.get_mut(..name.len()) {
        room.iter_mut().zip(name).for_each(|(to, from)| *to = plain(from));
        stack.raw_field(1, room);
    } else {
        stack.raw_field(1, &name.iter().map(plain).collect::<Vec<_>>());
    }
    Ok(Top(1))
}

fn get_headers(call: &Call<'_>) -> Result<Top> {
    let stack = call.stack();
    let max = match call.kind(1) {
        Kind::None | Kind::Nil => MAX_HEADERS,
        _ => call.int(1)?,
    };
    let raw = stack.truth(2);
    let r = request_of(stack).ok_or(Error::raise("no request object found"))?;
    if RequestCtx::of(r).is_none() {
        return Err(Error::raise("no ctx found"));
    }
    if r.is_detached() {
        return Err(Error::raise("API disabled in the current context"));
    }
    let listed = response::count(r);
    stack.new_table(0, (listed + 2) as i32);
    let table = stack.top();
    if !raw {
        push_headers_metatable(stack);
        stack.set_metatable(-2);
    }
    let mut total = listed;
    response::unlisted(r, |name, value| {
        stack.push_bytes(value);
        stack.set_raw_field(table, name);
        total += 1;
    });
    // Reference: one header is given even if those outside of the list reach the limit.
    let (limit, truncated) = match usize::try_from(max) {
        Ok(max @ 1..) if total > max => ((max + listed).saturating_sub(total).max(1), true),
        _ => (usize::MAX, false),
    };
    if truncated {
        debug!(r.log(), "lua exceeding response header limit {total} > {max}");
    }
    add_listed(stack, table, r, raw, limit);
    if truncated {
        stack.push_bytes(b"truncated");
        return Ok(Top(2));
    }
    Ok(Top(1))
}

/// Adds the headers of nginx's list to the table, at most `limit`.
fn add_listed(stack: Stack, table: i32, r: Request, raw: bool, limit: usize) {
    let mut lowercase = Vec::new();
    for (name, value) in response::all(r).take(limit) {
        if raw {
            stack.push_bytes(name);
        } else {
            lowercase.clear();
            lowercase.extend(name.iter().map(u8::to_ascii_lowercase));
            stack.push_bytes(&lowercase);
        }
        stack.push_bytes(value);
        stack.add_field(table);
        debug!(r.log(), "lua response header: \"{}: {}\"", Text(name), Text(value));
    }
}
