# The rule that makes the static library. Cargo knows best whether there is anything to do: it is always asked.
# nginx makes ngx_modules[] and its kin itself, hence no default features.

cat << END                                                >> $NGX_MAKEFILE

.PHONY:	ngx_http_lua_module_crate

ngx_http_lua_module_crate:
	NGINX_SOURCE_DIR="$PWD" NGINX_BUILD_DIR="${ngx_lua_objs%/*}" \\
	$NGX_CARGO rustc --release --lib --crate-type staticlib --no-default-features \\
		--manifest-path "$ngx_addon_dir/Cargo.toml" --target-dir "$ngx_lua_objs"

$ngx_lua_archive:	ngx_http_lua_module_crate

$ngx_lua_target:	$ngx_lua_archive

END
