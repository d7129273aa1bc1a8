
/*
 * What other nginx modules can call in the Lua module: include it as
 * "ngx_http_lua_api.h" and load the Lua module first.
 */


#ifndef _NGX_HTTP_LUA_API_H_INCLUDED_
#define _NGX_HTTP_LUA_API_H_INCLUDED_


#include <nginx.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <lua.h>
#include <stdint.h>


/* The release of lua-nginx-module whose interface this is. */
#define ngx_http_lua_version  10023

/* ngx_http_lua_set_co_ctx_cleanup() and its kin are there. */
#define NGX_HTTP_LUA_EXPORT_CO_CTX_CLEANUP  1


/* A value of a shared dictionary. */
typedef struct {
    uint8_t         type;       /* LUA_TBOOLEAN, LUA_TNUMBER, LUA_TSTRING */

    union {
        int         b;
        lua_Number  n;
        ngx_str_t   s;          /* the room on entry, the string on return */
    } value;
} ngx_http_lua_value_t;


/* A string as LuaJIT's FFI passes it. */
typedef struct {
    int             len;
    u_char         *data;
} ngx_http_lua_ffi_str_t;


/* A coroutine of a request; its memory lives as long as the request's. */
typedef struct ngx_http_lua_co_ctx_s  ngx_http_lua_co_ctx_t;


/*
 * While the configuration is read.
 */

/* The Lua VM; NULL before the Lua module's postconfiguration. */
lua_State *ngx_http_lua_get_global_state(ngx_conf_t *cf);

/* require(package) calls func, in every VM that is made. */
ngx_int_t ngx_http_lua_add_package_preload(ngx_conf_t *cf, const char *package,
    lua_CFunction func);

/*
 * As ngx_shared_memory_add(); set "init" and "data" of the zone that is
 * returned.  init_by_lua* waits until all such zones have been initialised.
 */
ngx_shm_zone_t *ngx_http_lua_shared_memory_add(ngx_conf_t *cf, ngx_str_t *name,
    size_t size, void *tag);


/*
 * While nginx runs.
 */

/* The request that a coroutine works for, NULL if there is none. */
ngx_http_request_t *ngx_http_lua_get_request(lua_State *L);

/* A shared dictionary, or a zone that was added as above; NULL: none. */
ngx_shm_zone_t *ngx_http_lua_find_zone(u_char *name_data, size_t name_len);

/* NGX_OK, NGX_DECLINED: there is no such key, NGX_DONE: it has expired. */
ngx_int_t ngx_http_lua_shared_dict_get(ngx_shm_zone_t *shm_zone,
    u_char *key_data, size_t key_len, ngx_http_lua_value_t *value);

/* "lua_http10_buffering" of the request's location. */
int ngx_http_lua_get_lua_http10_buffering(ngx_http_request_t *r);


/*
 * To wait in a C function that Lua calls: get the coroutine that runs, begin
 * what is to be waited for, set a cleanup, and end in lua_yield(L, 0).  When
 * it has come, push the results on the coroutine's stack and resume it.
 */

/* NULL: the code runs where it cannot wait. */
ngx_http_lua_co_ctx_t *ngx_http_lua_get_cur_co_ctx(ngx_http_request_t *r);

/* Makes r the coroutine's data. */
void ngx_http_lua_set_cur_co_ctx(ngx_http_request_t *r,
    ngx_http_lua_co_ctx_t *coctx);

/* Its stack; NULL once it has ended. */
lua_State *ngx_http_lua_get_co_ctx_vm(ngx_http_lua_co_ctx_t *coctx);

/*
 * cleanup(coctx) is called if the wait is cancelled: by another one, by
 * ngx.thread.kill(), by the end of the request.
 */
void ngx_http_lua_set_co_ctx_cleanup(ngx_http_lua_co_ctx_t *coctx,
    ngx_http_cleanup_pt cleanup, void *data);

void *ngx_http_lua_get_co_ctx_data(ngx_http_lua_co_ctx_t *coctx);

/* Calls the cleanup now. */
void ngx_http_lua_cleanup_co_ctx_pending_operation(
    ngx_http_lua_co_ctx_t *coctx);

/*
 * The call that waits returns the nrets values on top of the stack, none if it
 * has not yielded yet.  Does nothing if the coroutine does not wait any more.  The request may be gone
 * afterwards.
 */
void ngx_http_lua_co_ctx_resume_helper(ngx_http_lua_co_ctx_t *coctx, int nrets);


#endif /* _NGX_HTTP_LUA_API_H_INCLUDED_ */
