-- marks.lua: what phases.conf remembers beyond one request.
--
-- A module is loaded once in a worker and stays in package.loaded: its table outlives the request and is shared
-- by all requests of that worker (but not with other workers).
local marks = {
    once = {},              -- left by init and init_worker
    last_log = "nothing",   -- left by the log phase of the request before
}

-- Adds a line to the request's own list. ngx.ctx is a table that lives as long as the request and is shared by
-- its phases.
function marks.add(what)
    local trail = ngx.ctx.trail
    if not trail then
        trail = {}
        ngx.ctx.trail = trail
    end
    trail[#trail + 1] = what .. " (ngx.get_phase() is " .. ngx.get_phase() .. ")"
end

return marks
