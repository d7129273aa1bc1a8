-- What ngx.run_worker_thread runs, in a VM of its own.
local _M = {}

function _M.echo(...)
    return ...
end

function _M.slow()
    local sum = 0
    for n = 1, 1e6 do sum = sum + n % 3 end
    return sum
end

function _M.a()
    error({})
end

return _M
