ngx.say("from a file ", ngx.var.uri)
