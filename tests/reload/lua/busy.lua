-- Works in a thread of a pool.
return {
    work = function(seconds)
        local ends = os.clock() + seconds / 4
        while os.clock() < ends do end
        return "worked"
    end,
}
