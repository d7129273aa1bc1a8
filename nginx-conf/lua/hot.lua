-- hot.lua: `require` that notices when a module's file has changed.
local hot = {}

local sources = {}   -- name -> the source it was last loaded from

local function read(path)
    local file, err = io.open(path, "rb")
    if not file then
        return nil, err
    end
    local source = file:read("*a")
    file:close()
    return source
end

-- Returns the module `name`, loading its file anew when the file has changed. A file that does not compile is
-- reported as nil and a message, and the version that works stays in package.loaded.
--
-- It reads the file for each call: right for development, and for large intervals (ngx.now() tells the time).
function hot.require(name)
    local path = assert(package.searchpath(name, package.path))
    local source = assert(read(path))
    if source == sources[name] then
        return package.loaded[name]
    end

    local chunk, err = loadstring(source, "@" .. path)
    if not chunk then
        return nil, err
    end

    local module = chunk(name)
    package.loaded[name] = module   -- what a plain require(name) returns from now on
    sources[name] = source
    return module
end

return hot
