-- Reads whatever a request has, each call protected: it is the module that must hold.
local _M = {}

local function try(f, ...)
    local ok, a, b = pcall(f, ...)
    return ok and a or b
end

function _M.headers()
    local req, resp = ngx.req, ngx.resp
    try(req.get_headers)
    try(req.get_headers, 0, true)
    try(req.get_headers, 3)
    try(resp.get_headers, 0)
    for name, value in pairs(try(req.get_headers, 0) or {}) do
        try(function() return ngx.req.get_headers()[name] end)
        try(function() return ngx.var["http_" .. tostring(name):lower():gsub("-", "_")] end)
        try(function() ngx.header["X-" .. tostring(name)] = value end)
    end
end

function _M.change()
    local req = ngx.req
    try(req.read_body)
    for name, value in pairs(try(req.get_headers, 20) or {}) do
        try(req.set_header, name, { value, "another" })
        try(req.clear_header, name)
        try(req.set_header, "X-" .. tostring(name), value)
    end
    try(req.set_uri_args, try(req.get_uri_args, 0))
    try(req.set_body_data, try(req.get_body_data))
    try(req.set_method, ngx.HTTP_POST)
end

function _M.body()
    local req = ngx.req
    local args = try(req.get_uri_args)
    if args and args.a then try(req.discard_body) end
    try(req.read_body)
    try(req.get_body_data)
    try(req.get_body_file)
    local post = try(req.get_post_args, 0)
    try(ngx.say, try(ngx.encode_args, post))
    try(req.init_body)
    try(req.append_body, ("x"):rep(20000))
    try(req.finish_body)
    try(ngx.say, #(try(req.get_body_data) or ""))
end

function _M.rewrite()
    _M.change()
    local uri = ngx.unescape_uri(ngx.var.args or "")
    try(ngx.req.set_uri, "/" .. uri)
    if #uri % 7 == 0 then ngx.req.set_uri("/echo", true) end
end

function _M.all()
    local req = ngx.req
    -- First of all: nginx itself complains about a bad body behind a response that has begun.
    if try(req.get_method) == "POST" then
        _M.body()
    end
    _M.headers()
    for _, name in ipairs { "get_method", "http_version", "raw_header", "start_time", "is_internal" } do
        try(req[name])
    end
    try(ngx.say, try(req.raw_header, true))
    local args = try(req.get_uri_args, 0)
    try(ngx.say, try(ngx.encode_args, args))
    for key, value in pairs(args or {}) do
        try(function() return ngx.var["arg_" .. key] end)
        try(ngx.quote_sql_str, key)
        try(ngx.decode_base64, key)
        try(ngx.parse_http_time, tostring(value))
        try(ngx.say, try(ngx.escape_uri, key), try(ngx.unescape_uri, key), try(ngx.md5, key))
    end
    local to = ngx.var.args or ""
    if #to % 31 == 30 then try(ngx.location.capture, "/body?" .. to, { method = ngx.HTTP_PUT, body = to }) end
    if #to % 41 == 40 then ngx.exec("/body", to) end
    if #to % 43 == 42 then ngx.redirect("/" .. to) end
end

return _M
