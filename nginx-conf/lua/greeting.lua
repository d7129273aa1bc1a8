-- greeting.lua: edit me while hot-load.conf is running.
local greeting = {}

function greeting.to(name)
    return "good morning, " .. name
end

return greeting
