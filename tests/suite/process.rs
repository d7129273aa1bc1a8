//! nginx as a child process: dies with the runner, is stopped by its pid, tells how it ended.
#![allow(unsafe_code)]
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(5);

pub(crate) struct Process {
    child: Child,
    status: Option<ExitStatus>,
}

/// How a process that was asked to stop did so.
pub(crate) struct Stopped {
    pub(crate) status: ExitStatus,
    /// It had ended before it was asked.
    pub(crate) early: bool,
    pub(crate) killed: bool,
}

impl Process {
    /// `at_parent_death` is sent to the process when the thread that starts it ends.
    pub(crate) fn spawn(command: &mut Command, at_parent_death: i32) -> std::io::Result<Process> {
        command.process_group(0);
        // SAFETY: prctl is async-signal-safe and touches no memory of ours.
        unsafe {
            command.pre_exec(move || match libc::prctl(libc::PR_SET_PDEATHSIG, at_parent_death) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
        Ok(Process { child: command.spawn()?, status: None })
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status
    }

    /// The exit status, if the process ends within `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        while self.ended().is_none() && start.elapsed() < limit {
            thread::sleep(TICK);
        }
        self.status
    }

    /// Asks with SIGQUIT, then SIGTERM, and kills the whole group when neither helps.
    pub(crate) fn stop(&mut self, limit: Duration) -> std::io::Result<Stopped> {
        let early = self.ended().is_some();
        for signal in [libc::SIGQUIT, libc::SIGTERM] {
            if self.status.is_none() {
                self.signal(signal);
                self.wait(limit);
            }
        }
        let killed = self.status.is_none();
        if killed {
            self.kill_group();
        }
        let status = match self.status {
            Some(status) => status,
            None => self.child.wait()?,
        };
        self.status = Some(status);
        Ok(Stopped { status, early, killed })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: plain call; the child has not been waited for, so the pid is still its own.
        unsafe { libc::kill(self.pid(), signal) };
    }

    fn kill_group(&self) {
        // SAFETY: plain call; the group was made for this child, and its leader is not yet reaped.
        unsafe { libc::kill(-self.pid(), libc::SIGKILL) };
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.kill_group();
            // Reaping a killed child cannot fail in a way that matters here.
            let _ = self.child.wait();
        }
    }
}

pub(crate) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}
