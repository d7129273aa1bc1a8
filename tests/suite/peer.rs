//! The servers a block can ask for beside nginx: one TCP connection or one UDP datagram, then they are gone.
use std::io::ErrorKind;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::case::Case;
use super::report::Report;
use super::socket::{Datagram, Listener, Stream};
use super::value::{Value, trim};
use super::vars::Vars;

const TICK: Duration = Duration::from_millis(10);

/// What a peer does, and what it has heard.
struct Script {
    replies: Vec<Vec<u8>>,
    delay: Duration,
    /// How much to read before replying, nothing in particular if 0.
    query_len: usize,
    /// Replying starts after this long without new data instead.
    quiet_after: Option<Duration>,
    shutdown: Option<Shutdown>,
    shutdown_delay: Duration,
    keep_open: bool,
    heard: Mutex<Vec<u8>>,
    stop: AtomicBool,
}

pub(crate) struct Peer {
    section: &'static str,
    script: Arc<Script>,
    thread: JoinHandle<()>,
}

impl Peer {
    /// The peers of a block, listening.
    pub(crate) fn start_all(case: &Case, vars: &Vars) -> Result<Vec<Peer>, String> {
        let target = |section: &str| {
            let text = vars.expand(trim(case.text(section)?))?;
            Ok::<_, String>(String::from_utf8_lossy(&text).into_owned())
        };
        let mut peers = Vec::new();
        if case.has("tcp_listen") {
            if !case.has("tcp_reply") && !case.has("tcp_shutdown") {
                return Err("section `tcp_listen` without `tcp_reply`".into());
            }
            let target = target("tcp_listen")?;
            let listen =
                Listener::bind(&target).map_err(|e| format!("tcp_listen {target}: {e}"))?;
            peers
                .push(Peer::start("tcp_query", Script::tcp(case)?, move |s| s.serve_tcp(&listen))?);
        }
        if case.has("udp_listen") {
            let target = target("udp_listen")?;
            let socket =
                Datagram::bind(&target).map_err(|e| format!("udp_listen {target}: {e}"))?;
            peers
                .push(Peer::start("udp_query", Script::udp(case)?, move |s| s.serve_udp(&socket))?);
        }
        Ok(peers)
    }

    fn start(
        section: &'static str,
        script: Script,
        serve: impl FnOnce(&Script) -> std::io::Result<()> + Send + 'static,
    ) -> Result<Peer, String> {
        let script = Arc::new(script);
        let shared = Arc::clone(&script);
        // A peer that fails shows in what nginx answers and in what the peer has heard.
        let run = move || drop(serve(&shared));
        let thread = thread::Builder::new().spawn(run).map_err(|e| format!("peer: {e}"))?;
        Ok(Peer { section, script, thread })
    }

    /// Stops the peer and compares what it was sent.
    pub(crate) fn finish(self, case: &Case, to: &mut Report) {
        self.script.stop.store(true, Ordering::Relaxed);
        if self.thread.join().is_err() {
            to.fail(format!("the peer of {} panicked", self.section));
        }
        let heard = self.script.heard.lock().unwrap_or_else(PoisonError::into_inner);
        match case.value(self.section) {
            None => {}
            Some(Value::Text(expected)) => to.same(self.section, &heard, expected),
            Some(Value::Pattern(pattern)) if pattern.matches(&heard) => {}
            Some(_) => to.fail(format!("{}: got \"{}\"", self.section, heard.escape_ascii())),
        }
        if let Ok(Some(len)) = case.number::<usize>("tcp_query_len")
            && self.section == "tcp_query"
            && heard.len() != len
        {
            to.fail(format!("tcp_query_len: {} bytes, expected {len}", heard.len()));
        }
    }
}

impl Script {
    fn tcp(case: &Case) -> Result<Script, String> {
        let query = case.value("tcp_query").and_then(Value::as_text).map_or(0, <[u8]>::len);
        let shutdown = case.number::<u8>("tcp_shutdown")?;
        let quiet = case.has("tcp_query_auto_timeout");
        let quiet_after = case.word("tcp_query_auto_timeout")?.filter(|w| !w.is_empty());
        let quiet_after = quiet_after.map(|w| super::case::duration(&w)).transpose()?;
        Ok(Script {
            replies: replies(case, "tcp_reply")?,
            delay: case.duration("tcp_reply_delay")?.unwrap_or_default(),
            query_len: case.number("tcp_query_len")?.unwrap_or(query),
            quiet_after: quiet.then(|| quiet_after.unwrap_or(Duration::from_millis(100))),
            shutdown: shutdown.map(direction).transpose()?,
            shutdown_delay: case.duration("tcp_shutdown_delay")?.unwrap_or_default(),
            keep_open: case.has("tcp_no_close"),
            ..Script::silent()
        })
    }

    fn udp(case: &Case) -> Result<Script, String> {
        let delay = case.duration("udp_reply_delay")?.unwrap_or_default();
        Ok(Script { replies: replies(case, "udp_reply")?, delay, ..Script::silent() })
    }

    fn silent() -> Script {
        Script {
            replies: Vec::new(),
            delay: Duration::ZERO,
            query_len: 0,
            quiet_after: None,
            shutdown: None,
            shutdown_delay: Duration::ZERO,
            keep_open: false,
            heard: Mutex::default(),
            stop: AtomicBool::new(false),
        }
    }

    fn serve_tcp(&self, listener: &Listener) -> std::io::Result<()> {
        let Some(mut stream) = self.poll(|| listener.accept())? else { return Ok(()) };
        if let Some(direction) = self.shutdown {
            thread::sleep(self.shutdown_delay);
            stream.shutdown(direction)?;
        }
        if !matches!(self.shutdown, Some(Shutdown::Read | Shutdown::Both)) {
            self.listen(&mut stream)?;
        }
        thread::sleep(self.delay);
        if !matches!(self.shutdown, Some(Shutdown::Write)) {
            for reply in &self.replies {
                stream.write_all(reply)?;
            }
        }
        while self.keep_open && !self.stopped() {
            thread::sleep(TICK);
        }
        Ok(())
    }

    /// Reads until there is enough, or for as long as data keeps coming.
    fn listen(&self, stream: &mut Stream) -> std::io::Result<()> {
        stream.set_read_timeout(self.quiet_after.unwrap_or(TICK))?;
        let mut buffer = [0; 4096];
        while !self.stopped() {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
                    heard.extend_from_slice(&buffer[..n]);
                    if self.quiet_after.is_none() && heard.len() >= self.query_len {
                        break;
                    }
                }
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if self.quiet_after.is_some() {
                        break;
                    }
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn serve_udp(&self, socket: &Datagram) -> std::io::Result<()> {
        let mut buffer = [0; 4096];
        let Some((len, from)) = self.poll(|| socket.receive(&mut buffer))? else { return Ok(()) };
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..len]);
        thread::sleep(self.delay);
        self.replies.iter().try_for_each(|reply| socket.send(reply, &from))
    }

    /// Tries a non-blocking call until it gives something or the block is over.
    fn poll<T>(&self, mut call: impl FnMut() -> std::io::Result<T>) -> std::io::Result<Option<T>> {
        while !self.stopped() {
            match call() {
                Err(e) if e.kind() == ErrorKind::WouldBlock => thread::sleep(TICK / 5),
                other => return other.map(Some),
            }
        }
        Ok(None)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

fn replies(case: &Case, section: &str) -> Result<Vec<Vec<u8>>, String> {
    let text = |v: &Value| {
        let text = v.as_text().map(<[u8]>::to_vec);
        text.ok_or_else(|| format!("section `{section}` holds {}", v.kind()))
    };
    match case.value(section) {
        None => Ok(Vec::new()),
        Some(Value::List(items)) => items.iter().map(text).collect(),
        Some(one) => Ok(vec![text(one)?]),
    }
}

/// As shutdown(2) numbers them.
pub(crate) fn direction(number: u8) -> Result<Shutdown, String> {
    match number {
        0 => Ok(Shutdown::Read),
        1 => Ok(Shutdown::Write),
        2 => Ok(Shutdown::Both),
        other => Err(format!("`{other}` is no direction to shut down")),
    }
}
