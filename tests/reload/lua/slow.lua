local start = ngx.now()
while ngx.now() - start < 0.3 do ngx.sleep(0) end
return "loaded"
