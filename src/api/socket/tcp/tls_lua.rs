//! Methods about TLS that lua-resty-core has since later releases than the one this module is measured against, for those
//! who have an earlier one.
//!
//! They are written with the library's means, as its own are, and found behind the methods of 0.10.23, whose entries users
//! count.

/// stack of the chunk: [-0, +0, e]
pub(super) const METHODS: &[u8] = br#"
local ffi, base = require "ffi", require "resty.core.base"
local methods = debug.getregistry().__tcp_cosocket_mt
ffi.cdef[[
int ngx_http_lua_ffi_socket_tcp_get_ssl_pointer(void *r, void *u, void **pssl, char **errmsg);
int ngx_http_lua_ffi_socket_tcp_get_ssl_ctx(void *r, void *u, void **pctx, char **errmsg);
int ngx_http_lua_socket_tcp_get_ssl_session(void *r, void *u, void **sess, char **errmsg);
int ngx_http_lua_ffi_socket_tcp_settrustedstore(void *r, void *u, void *store, char **errmsg);
]]
local C, text, type, error, tostring = ffi.C, ffi.string, type, error, tostring
local typeof, find = ffi.typeof, string.find
local request, message, place = base.get_request, base.get_errmsg_ptr(), ffi.new("void *[1]")
local no_store = ffi.new("void *")
local HANDLE, STORE = 1, 10

local function check(socket, name)
    if not socket then error("ngx.socket " .. name .. ": expecting the cosocket object, but seen none", 3) end
    local r = request()
    if not r then error("no request found", 3) end
    local handle = socket[HANDLE]
    if not handle then error("socket is never created nor connected", 3) end
    return r, handle
end

local later = {}

function later.getsslpointer(socket)
    local r, handle = check(socket, "getsslpointer")
    if C.ngx_http_lua_ffi_socket_tcp_get_ssl_pointer(r, handle, place, message) ~= 0 then return nil, text(message[0]) end
    return place[0]
end

function later.getsslctx(socket)
    local r, handle = check(socket, "getsslctx")
    if C.ngx_http_lua_ffi_socket_tcp_get_ssl_ctx(r, handle, place, message) ~= 0 then return nil, text(message[0]) end
    return place[0]
end

function later.getsslsession(socket)
    local r, handle = check(socket, "getsslsession")
    if C.ngx_http_lua_socket_tcp_get_ssl_session(r, handle, place, message) ~= 0 then return nil, text(message[0]) end
    return ffi.gc(place[0], C.ngx_http_lua_ffi_ssl_free_session)
end

function later.settrustedstore(socket, store)
    if store ~= nil and type(store) ~= "cdata" then return nil, "bad store arg: cdata expected, got " .. type(store) end
    local kind = store ~= nil and tostring(typeof(store)) or "void *"
    if not find(kind, "void *", 1, true) and not find(kind, "x509_store_st", 1, true) then
        return nil, "bad store arg: X509_STORE expected, got " .. kind
    end
    local r, handle = check(socket, "settrustedstore")
    if C.ngx_http_lua_ffi_socket_tcp_settrustedstore(r, handle, store or no_store, message) ~= 0 then
        return nil, text(message[0])
    end
    socket[STORE] = store
    return true
end

setmetatable(methods, { __index = later })
"#;
