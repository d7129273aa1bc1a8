/* What the nginx binary provides to those of its files that unit tests link. */
#include <ngx_config.h>
#include <ngx_core.h>


static ngx_cycle_t     cycle;

volatile ngx_cycle_t  *ngx_cycle = &cycle;
volatile ngx_time_t   *ngx_cached_time;
ngx_pid_t              ngx_pid;
ngx_int_t              ngx_ncpu = 2;
ngx_int_t              ngx_process_slot;


void ngx_cdecl
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
}


/* The memory becomes a zone, as nginx makes one. */
void
test_host_init_zone(u_char *addr, size_t size)
{
    static ngx_log_t   log;
    ngx_slab_pool_t   *pool;

    cycle.log = &log;
    ngx_pid = getpid();

    if (ngx_pagesize == 0) {
        ngx_pagesize = 4096;
        ngx_pagesize_shift = 12;
        ngx_slab_sizes_init();
    }

    pool = (ngx_slab_pool_t *) addr;
    pool->end = addr + size;
    pool->min_shift = 3;
    pool->addr = addr;

    ngx_slab_init(pool);
}


/* The allocator has found that it has been misused. */
void
ngx_debug_point(void)
{
    abort();
}
