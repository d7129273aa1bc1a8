//! Headers with several values, and the buffer that lua-resty-core's functions share.
//!
//! The library's functions write to one buffer of 4 KB. Setting a header to a table it collects the addresses of the
//! values' bytes there, and meanwhile calls `tostring` for what is no string: code that calls another of its functions
//! overwrites them. A finalizer, which may run wherever memory is taken, does the same to functions that read a list out
//! of the buffer.
//!
//! So the values of such a table are made strings before, and the functions that are concerned have buffers of their own:
//! those that set, a new one each time, since what it points to is the caller's; those that read, one each, since all
//! that any call of theirs leaves there points into the request.

/// The chunk; it runs when the library has been loaded.
pub(crate) const CODE: &[u8] = br#"
local ffi = require "ffi"
local response, request = package.loaded["resty.core.response"], package.loaded["resty.core.request"]
local join, find = debug.upvaluejoin, debug.getupvalue
local type, tostring, new = type, tostring, ffi.new
local bytes = ffi.typeof "char[?]"
local headers = getmetatable(ngx.header)
local SHARED = 4096

-- Makes `f` use `buffer` instead of the library's function, which other functions keep.
local function give(f, buffer)
    for i = 1, type(f) == "function" and join and 60 or 0 do
        local name = find(f, i)
        if name == nil then return end
        if name == "get_string_buf" then return join(f, i, function() return buffer end, 1) end
    end
end

local function fresh(size)
    local buffer = new(bytes, size)
    return buffer
end

local function own()
    local kept
    return function(size)
        if size > SHARED then
            local buffer = new(bytes, size)
            return buffer
        end
        if not kept then kept = new(bytes, SHARED) end
        return kept
    end
end

local function strings(values)
    local copy = {}
    for i = 1, #values do
        local value = values[i]
        if type(value) ~= "string" then
            value = tostring(value)
            values[i] = value
        end
        copy[i] = value
    end
    return copy
end

if type(headers) == "table" then
    local set = headers.__newindex
    give(set, fresh)
    give(headers.__index, own())
    local function set_header(header, key, value, adds)
        if type(value) == "table" then value = strings(value) end
        return set(header, key, value, adds)
    end
    headers.__newindex = set_header
    if type(response) == "table" and response.set_resp_header == set then response.set_resp_header = set_header end
end

local req = ngx.req
if type(req) == "table" then
    give(req.get_headers, own())
    give(req.get_uri_args, own())
end
if type(request) == "table" and type(request.set_req_header) == "function" then
    local set = request.set_req_header
    give(set, fresh)
    function request.set_req_header(name, value, override)
        if type(value) == "table" then value = strings(value) end
        return set(name, value, override)
    end
    local set_header = req.set_header
    function req.set_header(name, value)
        if type(value) == "table" then value = strings(value) end
        return set_header(name, value)
    end
end
"#;
