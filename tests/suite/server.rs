//! One nginx for one block: started, known to listen, stopped, and its end judged.
use std::fs;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::process::{Process, describe};
use super::report::{Report, cut};
use super::root::ServerRoot;
use super::settings::Settings;
use super::value::find;

const START_LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Server<'a> {
    process: Process,
    root: &'a ServerRoot,
    settings: &'a Settings,
}

pub(crate) enum StartError {
    /// Somebody else took a port between its lease and nginx's bind.
    PortTaken,
    Failed(String),
}

impl<'a> Server<'a> {
    pub(crate) fn spawn(
        root: &'a ServerRoot,
        settings: &'a Settings,
        master: bool,
        under_valgrind: bool,
    ) -> Result<Server<'a>, String> {
        let mut command = command(root, settings, under_valgrind);
        let errors = fs::File::create(root.path().join("logs/stderr.log"));
        let errors = errors.map_err(|e| format!("stderr.log: {e}"))?;
        command.current_dir(&settings.home).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(errors);
        // A killed master would leave its workers behind, a single process has none.
        let at_parent_death = if master { libc::SIGTERM } else { libc::SIGKILL };
        let process = Process::spawn(&mut command, at_parent_death)
            .map_err(|e| format!("cannot start {}: {e}", settings.nginx.display()))?;
        Ok(Server { process, root, settings })
    }

    /// Waits for the pid file, which nginx writes when it already listens.
    pub(crate) fn wait_until_listening(&mut self) -> Result<(), StartError> {
        let start = Instant::now();
        let limit = self.settings.patience(START_LIMIT);
        while !self.listens() {
            if let Some(status) = self.process.ended() {
                return Err(self.start_error(&describe(status)));
            }
            if start.elapsed() > limit {
                return Err(StartError::Failed(format!("nginx was not up after {limit:?}")));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// The status of an nginx that refuses to start, `None` if it did start.
    pub(crate) fn wait_for_death(&mut self) -> Option<ExitStatus> {
        let start = Instant::now();
        while !self.listens() && start.elapsed() < START_LIMIT {
            if let Some(status) = self.process.ended() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        None
    }

    fn listens(&self) -> bool {
        fs::metadata(self.root.pid_file()).is_ok_and(|m| m.len() > 0)
    }

    fn start_error(&self, end: &str) -> StartError {
        let log = fs::read(self.root.error_log()).unwrap_or_default();
        if find(&log, b" failed (98: ").is_some() {
            return StartError::PortTaken;
        }
        let stderr = fs::read(self.root.path().join("logs/stderr.log")).unwrap_or_default();
        let said = String::from_utf8_lossy(cut(&stderr)).into_owned();
        StartError::Failed(format!("nginx did not start: {end}\n{said}"))
    }

    /// Stops nginx; an end that is not a clean one fails the block.
    pub(crate) fn stop(mut self, limit: Duration, to: &mut Report) {
        match self.process.stop(self.settings.patience(limit)) {
            Err(error) => to.fail(format!("cannot stop nginx: {error}")),
            Ok(stopped) if stopped.early => {
                to.fail(format!("nginx died before it was stopped: {}", describe(stopped.status)));
            }
            Ok(stopped) if stopped.killed => {
                to.fail("nginx had to be killed: it ignored SIGQUIT and SIGTERM");
            }
            Ok(stopped) if !stopped.status.success() => {
                to.fail(format!("nginx ended with {}", describe(stopped.status)));
            }
            Ok(_) => {}
        }
        for complaint in self.valgrind_complaints() {
            to.fail(format!("valgrind:\n{complaint}"));
        }
    }

    fn valgrind_complaints(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.root.path().join("logs")) else { return Vec::new() };
        let logs = entries.filter_map(|e| Some(e.ok()?.path()));
        let logs = logs.filter(|p| p.extension().is_some_and(|e| e == "valgrind"));
        let texts = logs.filter_map(|p| fs::read_to_string(p).ok());
        texts.filter(|t| !t.trim().is_empty()).collect()
    }
}

fn command(root: &ServerRoot, settings: &Settings, under_valgrind: bool) -> Command {
    let mut command = match settings.valgrind.as_ref().filter(|_| under_valgrind) {
        None => Command::new(&settings.nginx),
        Some(valgrind) => {
            let mut command = Command::new("valgrind");
            let usual = ["--tool=memcheck", "--leak-check=no", "--num-callers=40"];
            match &valgrind.options {
                Some(options) => command.args(options),
                None => command.args(usual),
            };
            command
                .arg("-q")
                .arg("--gen-suppressions=all")
                .arg(format!("--log-file={}/logs/%p.valgrind", root.path().display()));
            if let Some(file) = &valgrind.suppressions {
                command.arg(format!("--suppressions={}", file.display()));
            }
            command.arg(&settings.nginx);
            command
        }
    };
    command.arg("-e").arg(root.error_log());
    command.arg("-p").arg(format!("{}/", root.path().display()));
    command.arg("-c").arg(root.conf());
    command
}
