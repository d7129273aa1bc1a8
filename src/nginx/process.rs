//! The process: worker or master, its peers, its environment, its signals.
#![allow(unsafe_code)]
use super::log::{Level, Log, debug};
use super::sys;

/// nginx's limit of processes.
pub(crate) const MAX_PROCESSES: usize = sys::NGX_MAX_PROCESSES as usize;

const SINGLE: usize = 0;
const MASTER: usize = 1;
const SIGNALLER: usize = 2;
const WORKER: usize = 3;
const HELPER: usize = 4;

// SAFETY (every block of this file): [single-thread]; nginx's globals are written by the event loop
// and by signal handlers only.

fn kind() -> usize {
    // SAFETY: see above.
    unsafe { sys::ngx_process }
}

/// The cache manager and loader: processes without requests.
pub(crate) fn is_helper() -> bool {
    kind() == HELPER
}

/// `nginx -s …` and `nginx -t` read the configuration but serve nothing.
pub(crate) fn only_reads_configuration() -> bool {
    // SAFETY: see above.
    kind() == SIGNALLER || unsafe { sys::ngx_test_config != 0 }
}

pub(crate) fn pid() -> i32 {
    // SAFETY: see above.
    unsafe { sys::ngx_pid }
}

pub(crate) fn master_pid() -> i32 {
    // SAFETY: see above.
    if kind() == SINGLE { pid() } else { unsafe { sys::ngx_parent } }
}

/// The worker's number from 0; `None` in a process that is no worker.
pub(crate) fn worker_id() -> Option<usize> {
    // SAFETY: see above.
    matches!(kind(), WORKER | SINGLE).then(|| unsafe { sys::ngx_worker })
}

/// The process's number among nginx's, from 0.
#[inline(always)]
pub(crate) fn slot() -> usize {
    // SAFETY: see above; written once, when the process starts.
    unsafe { sys::ngx_process_slot as usize }
}

/// Bytes of a page of memory.
pub(crate) fn page_size() -> usize {
    // SAFETY: see above.
    unsafe { sys::ngx_pagesize }
}

pub(crate) fn exiting() -> bool {
    // SAFETY: see above.
    unsafe { sys::ngx_exiting != 0 }
}

/// Whether the process has been told to end.
pub(crate) fn ending() -> bool {
    // SAFETY: see above.
    unsafe { sys::ngx_terminate != 0 || sys::ngx_quit != 0 }
}

/// The pids of all workers, this one included.
pub(crate) fn worker_pids() -> Vec<i32> {
    let mut pids = Vec::new();
    // SAFETY: see above; the table has NGX_MAX_PROCESSES entries.
    unsafe {
        let table = &raw const sys::ngx_processes;
        for (i, process) in (*table).iter().enumerate() {
            let own = isize::try_from(i) == Ok(sys::ngx_process_slot);
            match process.pid {
                0 if own => pids.push(pid()),
                0 => break,
                other if other > 0 => pids.push(other),
                _ => {}
            }
        }
    }
    pids
}

/// The running cycle; while `init_by_lua*` runs, the one that is being configured.
pub(crate) fn cycle() -> *mut sys::ngx_cycle_t {
    // SAFETY: see above.
    unsafe { sys::ngx_cycle }
}

fn core_conf() -> *mut sys::ngx_core_conf_t {
    // SAFETY: see above; the core module's configuration is always there.
    unsafe {
        let index = sys::ngx_core_module.index;
        (*(*sys::ngx_cycle).conf_ctx.add(index)).cast()
    }
}

pub(crate) fn worker_count() -> i32 {
    // SAFETY: see above.
    unsafe { (*core_conf()).worker_processes as i32 }
}

/// nginx's number of the process type; a single process under `master_process on` is the master.
pub(crate) fn process_type() -> i32 {
    // SAFETY: see above.
    if kind() == SINGLE && unsafe { (*core_conf()).master } != 0 {
        return MASTER as i32;
    }
    kind() as i32
}

pub(crate) fn quit_gracefully() {
    // SAFETY: see above.
    unsafe { sys::ngx_quit = 1 }
}

/// Whether `worker_cpu_affinity` binds this worker to processors.
pub(super) fn is_pinned() -> bool {
    // SAFETY: see above.
    kind() == WORKER && unsafe { (*core_conf()).cpu_affinity_n > 0 }
}

/// Lets the process run on every processor.
pub(super) fn unpin() {
    // SAFETY: see above; a plain system call.
    unsafe {
        let mut all: libc::cpu_set_t = core::mem::zeroed();
        let most = size_of::<libc::cpu_set_t>() * 8;
        for cpu in 0..usize::try_from(sys::ngx_ncpu).unwrap_or(0).min(most) {
            libc::CPU_SET(cpu, &mut all);
        }
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const all);
    }
}

/// The `NAME=value` of an `env NAME=value;` directive, with the length of the name.
///
/// # Safety
/// `name` is a C string.
pub(crate) unsafe fn configured_env(name: *const u8) -> Option<(*mut u8, usize)> {
    // SAFETY: the caller's contract; the array holds strings of the configuration, each with at
    // least one byte (NUL or `=`) behind it.
    unsafe {
        let env = &raw const (*core_conf()).env;
        let vars = core::slice::from_raw_parts((*env).elts.cast::<sys::ngx_str_t>(), (*env).nelts);
        let name = core::ffi::CStr::from_ptr(name.cast()).to_bytes();
        vars.iter()
            .find(|var| *var.data.add(var.len) == b'=' && name.starts_with(sys::str_bytes(**var)))
            .map(|var| (var.data, var.len))
    }
}

/// The prefix the server runs in, with its final slash.
pub(crate) fn prefix() -> &'static [u8] {
    // SAFETY: see above.
    unsafe { sys::str_bytes((*sys::ngx_cycle).prefix) }
}

/// What nginx was configured with.
pub(crate) const CONFIGURE: &core::ffi::CStr = sys::NGX_CONFIGURE;

pub(crate) const VERSION: u32 = sys::nginx_version;

/// Makes system calls of libraries resume after the signals nginx handles.
pub(crate) fn restart_system_calls() {
    const SIGNALS: &[i32] = &[
        libc::SIGHUP,
        libc::SIGUSR1,
        libc::SIGWINCH,
        libc::SIGTERM,
        libc::SIGQUIT,
        libc::SIGUSR2,
        libc::SIGALRM,
        libc::SIGINT,
        libc::SIGIO,
        libc::SIGCHLD,
        libc::SIGSYS,
        libc::SIGPIPE,
    ];
    for signal in SIGNALS {
        debug!(Log::cycle(), "setting SA_RESTART for signal {signal}");
        // SAFETY: reads the action and writes it back with one more flag.
        let failed = unsafe {
            let mut action: libc::sigaction = core::mem::zeroed();
            libc::sigaction(*signal, core::ptr::null(), &raw mut action) != 0 || {
                action.sa_flags |= libc::SA_RESTART;
                libc::sigaction(*signal, &raw const action, core::ptr::null_mut()) != 0
            }
        };
        if failed {
            Log::cycle()
                .print(Level::Warn, format_args!("failed to set sigaction for signal {signal}"));
        }
    }
}

/// Gives free memory back to the system; whether there was any.
pub(crate) fn trim_memory() -> bool {
    // SAFETY: no arguments by reference.
    unsafe { libc::malloc_trim(1) == 1 }
}

/// The modules of a cycle.
pub(super) fn modules(
    cycle: *mut sys::ngx_cycle_t,
) -> impl Iterator<Item = *mut sys::ngx_module_t> {
    // SAFETY: see above; a null pointer ends the table.
    let mut next = unsafe { (*cycle).modules };
    core::iter::from_fn(move || {
        // SAFETY: see above.
        unsafe {
            let module = *next;
            next = next.add(usize::from(!module.is_null()));
            (!module.is_null()).then_some(module)
        }
    })
}

/// The directives of a module.
pub(super) fn directives(
    module: *mut sys::ngx_module_t,
) -> impl Iterator<Item = *mut sys::ngx_command_t> {
    // SAFETY: see above; a module may have no table, and an empty name ends one.
    let mut next = unsafe { (*module).commands };
    core::iter::from_fn(move || {
        // SAFETY: see above.
        unsafe {
            let directive = next;
            if directive.is_null() || (*directive).name.len == 0 {
                return None;
            }
            next = directive.add(1);
            Some(directive)
        }
    })
}
