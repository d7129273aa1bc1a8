-- Does what it may.
local sum = 0
for i = 1, 1000 do
    sum = sum + i
end
return "the sum is " .. sum .. ", and " .. arg .. " in capitals is " .. string.upper(arg)
