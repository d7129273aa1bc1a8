//! What Lua calls without lua-resty-core.
use core::ffi::c_int;

use super::{args, sql};
use crate::api::Domain;
use crate::nginx::{Log, debug, digest};
use crate::vm::{Call, Error, Kind, Result, Stack, Top, lua_fn};

pub(crate) const DOMAIN: Domain = Domain {
    functions: &[
        (c"", c"encode_args", lua_fn!(encode_args)),
        (c"", c"decode_args", lua_fn!(decode_args)),
        (c"", c"quote_sql_str", lua_fn!(quote_sql_str)),
        (c"", c"hmac_sha1", lua_fn!(hmac_sha1)),
    ],
    setup: None,
};

fn encode_args(call: &Call<'_>) -> Result<Vec<u8>> {
    let count = call.count();
    if count != 1 {
        return Err(Error::Raise(format!("expecting 1 argument but seen {count}").into()));
    }
    if call.kind(1) != Kind::Table {
        return Err(Error::BadArg { index: 1, expected: c"table" });
    }
    args::encode_table(call.stack(), 1)
}

fn decode_args(call: &Call<'_>) -> Result<Top> {
    let count = call.count();
    if count != 1 && count != 2 {
        return Err(Error::Raise(format!("expecting 1 or 2 arguments but seen {count}").into()));
    }
    let query = call.bytes(1)?;
    let max = if count == 2 { call.int(2)? } else { args::MAX_ARGS };
    Ok(arg_table(call.stack(), query, max))
}

fn quote_sql_str(call: &Call<'_>) -> Result<Vec<u8>> {
    if call.count() != 1 {
        return Err(Error::raise("expecting one argument"));
    }
    Ok(sql::quote(call.bytes(1)?))
}

fn hmac_sha1(call: &Call<'_>) -> Result<digest::Sha1> {
    let count = call.count();
    if count != 2 {
        return Err(Error::Raise(format!("expecting 2 arguments, but got {count}").into()));
    }
    Ok(digest::hmac_sha1(call.bytes(1)?, call.bytes(2)?))
}

/// The arguments in `query` as results of a Lua function: a table, and `"truncated"` if there are
/// more than `max` (0 or less: no limit). stack: [-0, +(1|2), m]
pub(crate) fn arg_table(stack: Stack, query: &[u8], max: c_int) -> Top {
    if !args::push_table(stack, query, max) {
        return Top(1);
    }
    debug!(Log::cycle(), "lua hit query args limit {max}");
    stack.push_bytes(b"truncated");
    Top(2)
}
