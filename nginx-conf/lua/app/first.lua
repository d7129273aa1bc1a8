-- Run by content_by_lua_file in hot-load.conf.
ngx.say("this is ", ngx.var.uri)
