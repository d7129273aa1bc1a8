//! One block from its sections to a verdict.
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::Duration;

use super::case::Case;
use super::check::{Checker, Position};
use super::client::{Answer, Exchange};
use super::conf;
use super::http2;
use super::log::{Log, LogChecks, Patience};
use super::peer::{self, Peer};
use super::preamble::Preamble;
use super::process::describe;
use super::report::{Report, brief};
use super::request::{Request, Requests};
use super::response::Response;
use super::root::ServerRoot;
use super::server::{Server, StartError};
use super::settings::Settings;
use super::value::{find, lines};
use super::vars::Vars;

/// How long a log line may take when the machine is busy.
const LOG_LIMIT: Duration = Duration::from_millis(600);

/// Runs a block; the error is the text to show.
pub(crate) fn run(case: &Case, preamble: &Preamble, settings: &Settings) -> Result<(), String> {
    match attempt(case, preamble, settings) {
        Verdict::PortTaken => match attempt(case, preamble, settings) {
            Verdict::PortTaken => Err("ports were taken twice".into()),
            Verdict::Passed => Ok(()),
            Verdict::Failed(text) => Err(text),
        },
        Verdict::Passed => Ok(()),
        Verdict::Failed(text) => Err(text),
    }
}

enum Verdict {
    Passed,
    Failed(String),
    PortTaken,
}

fn attempt(case: &Case, preamble: &Preamble, settings: &Settings) -> Verdict {
    let root = match ServerRoot::create() {
        Ok(root) => root,
        Err(why) => return Verdict::Failed(why),
    };
    let mut report = Report::default();
    let vars = match Vars::new(preamble, root.path()) {
        Ok(vars) => vars,
        Err(why) => return Verdict::Failed(why),
    };
    let mut runner =
        Runner { case, preamble, settings, root: &root, vars: &vars, report: &mut report };
    match runner.run() {
        Err(StartError::PortTaken) => {
            root.remove();
            return Verdict::PortTaken;
        }
        Err(StartError::Failed(why)) => report.fail(why),
        Ok(()) => {}
    }
    if report.passed() {
        root.remove();
        return Verdict::Passed;
    }
    let kept = format!("server root: {}", root.path().display());
    Verdict::Failed([report.text(), loud_lines(&root), kept].join("\n"))
}

/// What nginx said at [warn] and above.
fn loud_lines(root: &ServerRoot) -> String {
    const LEVELS: [&[u8]; 5] = [b"[warn]", b"[error]", b"[crit]", b"[alert]", b"[emerg]"];
    const ENOUGH: usize = 12;
    let log = fs::read(root.error_log()).unwrap_or_default();
    let loud = lines(&log).filter(|l| LEVELS.iter().any(|level| find(l, level).is_some()));
    let loud = loud.take(ENOUGH).map(|l| format!("   {}\n", brief(l))).collect::<String>();
    if loud.is_empty() { loud } else { format!("\nerror.log:\n{loud}") }
}

impl From<String> for StartError {
    fn from(why: String) -> StartError {
        StartError::Failed(why)
    }
}

struct Runner<'a> {
    case: &'a Case,
    preamble: &'a Preamble,
    settings: &'a Settings,
    root: &'a ServerRoot,
    vars: &'a Vars,
    report: &'a mut Report,
}

impl Runner<'_> {
    fn run(&mut self) -> Result<(), StartError> {
        let Runner { case, preamble, settings, root, vars, .. } = *self;
        let checks = LogChecks::new(case, vars)?;
        root.write_user_files(case, vars)?;
        root.write_conf(case, preamble, settings, vars)?;
        let mut log = Log::new(root.error_log(), preamble.accumulate_error_log);
        let master = conf::is_master_on(preamble, settings);
        if case.has("must_die") {
            let server = Server::spawn(root, settings, master, false)?;
            return Ok(self.must_die(server, &checks, &mut log)?);
        }
        let requests = Requests::of(case, vars, &preamble.server_name)?;
        let mut server = Server::spawn(root, settings, master, true)?;
        server.wait_until_listening()?;
        for repeat in 0..preamble.repeat_each {
            if repeat > 0 {
                root.write_user_files(case, vars)?;
            }
            self.round(&requests, repeat, &checks, &mut log)?;
        }
        server.stop(self.timeout(), self.report);
        checks.shutdown(&mut log, self.report);
        Ok(())
    }

    fn timeout(&self) -> Duration {
        let from_preamble = self.preamble.timeout.map(Duration::try_from_secs_f64);
        from_preamble.and_then(Result::ok).unwrap_or(self.settings.timeout)
    }

    fn must_die(
        &mut self,
        mut server: Server<'_>,
        checks: &LogChecks,
        log: &mut Log,
    ) -> Result<(), String> {
        let wanted = self.case.word("must_die")?.unwrap_or_default();
        match server.wait_for_death() {
            None => {
                self.report.fail("must_die: nginx runs");
                server.stop(self.timeout(), self.report);
            }
            Some(status) => {
                let code = status.code().map(|c| c.to_string());
                let dies = if wanted.is_empty() {
                    status.code().is_some_and(|c| c != 0)
                } else {
                    code.as_deref() == Some(&wanted)
                };
                if !dies {
                    self.report.fail(format!("must_die: {}, not {wanted}", describe(status)));
                }
            }
        }
        checks.request(log, self.patience(), 0, self.report);
        Ok(())
    }

    /// All requests of the block, once.
    fn round(
        &mut self,
        requests: &Requests,
        repeat: usize,
        checks: &LogChecks,
        log: &mut Log,
    ) -> Result<(), String> {
        let peers = Peer::start_all(self.case, self.vars)?;
        let wait = self.case.duration("wait")?.unwrap_or_default();
        let mut access_log = Log::new(self.root.access_log(), true);
        let mut index = 0;
        for request in &requests.list {
            let answer = self.exchange(request)?;
            let mut bytes = answer.bytes;
            for _ in 0..requests.pipelined.unwrap_or(1) {
                bytes = self.check(&bytes, Position { index, several: requests.several() });
                index += 1;
                thread::sleep(wait);
                checks.request(log, self.patience(), repeat, self.report);
                if !self.case.has("ignore_response") {
                    checks.access(&mut access_log, self.patience(), self.report);
                }
            }
        }
        peers.into_iter().for_each(|peer| peer.finish(self.case, self.report));
        Ok(())
    }

    fn exchange(&mut self, request: &Request) -> Result<Answer, String> {
        let own = self.case.duration("timeout")?;
        let timeout = own.unwrap_or_else(|| self.timeout());
        // A client that means to go away early goes when the block says.
        let aborts = self.case.has("abort");
        let timeout = if aborts { timeout } else { self.settings.patience(timeout) };
        let ip = self.case.word("server_addr_for_client")?;
        let ip = ip.map(|ip| ip.parse().map_err(|e| format!("`{ip}`: {e}"))).transpose()?;
        let ip: IpAddr = ip.unwrap_or(Ipv4Addr::LOCALHOST.into());
        let mut exchange = Exchange::new(ip, self.vars.port.number(), timeout);
        if let Some(word) = self.case.word("shutdown")? {
            let number = if word.is_empty() { Ok(1) } else { word.parse() };
            let number = number.map_err(|_| format!("section `shutdown`: `{word}`"))?;
            exchange.shutdown = Some(peer::direction(number)?);
        }
        let answer = if self.case.has("http2") {
            http2::run(self.case, &exchange, request, self.root, self.report)?
        } else {
            exchange.run(request)
        };
        if answer.timed_out && !aborts {
            self.report.fail(format!("the client timed out after {timeout:?}"));
        }
        if let Some(trouble) = &answer.trouble {
            self.report.note(trouble.clone());
        }
        Ok(answer)
    }

    /// Checks one response, returns what follows it on the connection.
    fn check(&mut self, bytes: &[u8], position: Position) -> Vec<u8> {
        let Runner { case, vars, .. } = *self;
        if case.has("ignore_response") {
            return Vec::new();
        }
        let response = if case.has("http09") {
            Response::bare(bytes)
        } else {
            let parsed = Response::parse(bytes);
            self.report.need(parsed).unwrap_or_default()
        };
        Checker { case, vars, position, report: self.report }.response(&response);
        response.left
    }

    fn patience(&self) -> Patience {
        let limit = self.settings.patience(LOG_LIMIT);
        Patience { pause: self.settings.pause, limit }
    }
}
