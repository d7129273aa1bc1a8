//! A short way to patterns that lua-resty-core has in its cache.
//!
//! Its own way joins pattern and options to a new string for every call, looks that up, and moves the entry to
//! the head of a list: some 200 instructions (docs/decisions/0029). The chunk here puts a function in front of the
//! library's `re_match_compile` that finds a pattern by its options and itself. What it does not know it leaves to
//! the library, whose errors come from where they always do; a library that has no such function stays as it is.
//!
//! It keeps as many patterns as the library's cache, and forgets them all when there would be more.

/// The chunk; it runs when the library has been loaded.
pub(crate) const CODE: &[u8] = br#"
local core = package.loaded["resty.core.regex"]
local compile = type(core) == "table" and core.re_match_compile
local find, match = string.find, ngx.re and rawget(ngx.re, "match")
if not compile or not match then return end

local function upvalue(f, wanted)
    for i = 1, 60 do
        local name, value = debug.getupvalue(f, i)
        if name == nil then return end
        if name == wanted then return value, i end
    end
end

local helper = upvalue(match, "re_match_helper")
local most = upvalue(compile, "get_max_regex_cache_size")
if type(helper) ~= "function" or type(most) ~= "function" then return end
local _, place = upvalue(helper, "re_match_compile")
if not place then return end

-- Patterns by options and pattern; false for options without "o". The flags of options.
local known, flags_of, count = {}, {}, 0

local function short_way(regex, opts)
    local patterns = known[opts]
    if patterns == false then return compile(regex, opts) end
    if patterns then
        local compiled = patterns[regex]
        if compiled then return compiled, true, flags_of[opts] end
    elseif type(opts) ~= "string" or find(opts, "[^adDijJmosuUx]") then
        return compile(regex, opts)
    elseif not find(opts, "o", 1, true) then
        known[opts] = false
        return compile(regex, opts)
    end

    local compiled, once, flags = compile(regex, opts)
    if compiled ~= nil and once == true then
        if count >= most() then known, count = {}, 0 end
        patterns = known[opts] or {}
        known[opts], flags_of[opts] = patterns, flags
        patterns[regex], count = compiled, count + 1
    end
    return compiled, once, flags
end

debug.setupvalue(helper, place, short_way)
core.re_match_compile = short_way
"#;
