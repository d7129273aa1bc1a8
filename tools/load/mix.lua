-- For wrk: one request after the other from the list, some with a body, some that end the connection.
-- (No HEAD: wrk would wait for the body.)
local paths = {
    "/hello", "/file", "/say", "/large", "/sleep", "/phases", "/var?a=1", "/forbidden", "/error", "/late-error",
    "/deep", "/page", "/garbage", "/missing", "/redis", "/lines", "/careless", "/together", "/dict", "/regex",
}
local turn = 0

function request()
    turn = turn + 1
    local path = paths[turn % #paths + 1]
    if turn % 13 == 0 then
        return wrk.format("POST", path, nil, string.rep("body", 1000))
    end
    if turn % 11 == 0 then
        return wrk.format("GET", path, { Connection = "close" })
    end
    return wrk.format("GET", path)
end
