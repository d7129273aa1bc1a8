//! Lua at the start and the end of a worker. At its start Lua may wait (docs/decisions/0041); at its end nothing would
//! come any more.
use core::ffi::CStr;
use std::rc::Rc;

use super::{boot, direct};
use crate::api::pipe;
use crate::conf::{Chunk, MainConf};
use crate::coroutine::{RequestCtx, Run, recycle};
use crate::nginx::detached::{Confs, Detached};
use crate::nginx::log::Pointer;
use crate::nginx::sys::ngx_cycle_t;
use crate::nginx::{Log, Phase, debug, process};
use crate::vm::Vm;
use crate::vm::state::ChunkKind;

/// `init_worker_by_lua*`; `false` keeps the worker from starting.
pub(crate) fn init(cycle: *mut ngx_cycle_t) -> bool {
    let Some((conf, vm)) = MainConf::of_cycle(cycle).and_then(|c| Some((c, c.vm.get()?))) else {
        return true;
    };
    if process::is_helper() {
        debug!(
            Log::cycle(),
            "lua close the global Lua VM {} in the cache helper process {}",
            Pointer(vm.stack().as_ptr()),
            process::pid()
        );
        conf.vm.set(None);
        boot::close(vm);
        return true;
    }
    if conf.sa_restart != 0 {
        process::restart_system_calls();
    }
    let Some(chunk) = conf.init_worker else { return true };
    let context = c"init_worker_by_lua*";
    match vm.chunks() {
        ChunkKind::Shared => start(cycle, vm, chunk, context),
        // In a coroutine the globals would be its own.
        ChunkKind::Factory => run(cycle, conf, chunk, Phase::InitWorker, Some(context)),
    }
    .is_some()
}

/// Reference: runs it on the main coroutine, where nothing can wait.
///
/// Runs a chunk in a coroutine, on behalf of a request without a client: what it has to wait for, comes while the
/// worker serves.
fn start(cycle: *mut ngx_cycle_t, vm: Vm, chunk: &Chunk, context: &CStr) -> Option<()> {
    let detached = Detached::new(&Confs::of_http(cycle)?, Some(Rc::new(context.to_owned())))?;
    let ctx = RequestCtx::create(detached.request(), vm)?;
    let thread = recycle::take_for(vm);
    if boot::load_once(vm, chunk, thread.stack(), Log::cycle()) {
        detached.release();
        let co = ctx.adopt(thread, Phase::InitWorker, drive);
        let run = match ctx.run(co, 0) {
            Run::Suspended => ctx.run_ready(),
            ended => ended,
        };
        conclude(ctx, run);
    } else {
        thread.release();
    }
    direct::while_busy(|| vm.collect());
    // A failure is logged; the worker serves all the same.
    Some(())
}

/// Runs what is ready after a wake-up.
fn drive(ctx: &RequestCtx) {
    conclude(ctx, ctx.run_ready());
}

/// Ends the detached request, unless coroutines wait.
fn conclude(ctx: &RequestCtx, run: Run) {
    if run != Run::Suspended {
        drop(Detached::reclaim(ctx.request));
    }
}

/// `exit_worker_by_lua*`.
pub(crate) fn exit(cycle: *mut ngx_cycle_t) {
    let Some(conf) = MainConf::of_cycle(cycle) else { return };
    if process::is_helper() {
        return;
    }
    if let Some(chunk) = conf.exit_worker {
        let _ = run(cycle, conf, chunk, Phase::ExitWorker, None);
    }
    pipe::close_all();
    #[cfg(ngx_feature = "threads")]
    crate::api::pool_thread::close_idle();
}

/// Runs a chunk on the VM's main coroutine, on behalf of a request without a client.
fn run(
    cycle: *mut ngx_cycle_t,
    conf: &MainConf,
    chunk: &Chunk,
    phase: Phase,
    context: Option<&CStr>,
) -> Option<()> {
    let vm = conf.vm.get()?;
    let context = context.map(|text| Rc::new(text.to_owned()));
    let detached = Detached::new(&Confs::of_http(cycle)?, context)?;
    let request = detached.request();
    RequestCtx::create(request, vm)?.set_phase(phase);
    let stack = vm.stack();
    stack.set_owner(request.as_ptr().cast());
    boot::run_once(vm, chunk, Log::cycle());
    stack.set_owner(core::ptr::null_mut());
    Some(())
}
