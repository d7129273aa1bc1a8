//! HUP, USR2 and QUIT lose no request, whatever its Lua code waits for.
//!
//! `nginx.conf` and `lua/wait.lua` have a location for every kind of wait. Requests to all of them are on their way when
//! the signal comes; each must get its whole answer. Nothing of level alert may be logged then: nginx says so of a
//! connection that is left behind, and of a worker that dies. What timers and the start of a worker began has to end.
//!
//! nginx is the one that TEST_NGINX_BINARY names, the module that of TEST_NGINX_LOAD_MODULES, or objs/'s.
mod peer;

use std::fs;
use std::io::{Read as _, Result, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// Locations of nginx.conf, and functions of wait.lua.
const KINDS: &[&str] = &[
    "rounds",
    "tiny",
    "short",
    "sleep",
    "threads",
    "wrapped",
    "semaphore",
    "premature",
    "timers",
    "tcp",
    "queue",
    "udp",
    "name",
    "process",
    "output",
    "thread",
    "capture",
    "captures",
    "body",
    "socket",
    "flush",
    "module",
    "background",
    "rewrite",
    "access",
    "proxied",
    "included",
    "buffered",
    "raw",
    "named",
];

/// Those that read a body, which comes in two halves.
const WITH_BODY: &[&str] = &["body", "socket", "buffered"];
const HALF: &[u8] = b"buffered";

const PAUSE: Duration = Duration::from_millis(200);
const LIMIT: Duration = Duration::from_secs(15);

/// A nginx with its files under `root`, which is killed with this. It is a daemon: others do not upgrade themselves.
struct Server {
    root: PathBuf,
    port: u16,
    /// So many clients have been.
    connected: AtomicUsize,
}

#[test]
fn a_reload_loses_no_request() {
    let server = Server::start("hup");
    let workers = server.workers();
    server.wave(|| kill(server.pid("nginx.pid"), libc::SIGHUP));
    wait_until("the old worker ends", || workers.iter().all(|pid| !is_alive(*pid)));
    server.stop();
}

#[test]
fn reloads_under_load_lose_no_request() {
    let server = Server::start("load");
    thread::scope(|scope| {
        let ends = Instant::now() + Duration::from_secs(3);
        for kind in KINDS {
            let server = &server;
            scope.spawn(move || {
                while Instant::now() < ends {
                    server.ask(kind);
                }
            });
        }
        while Instant::now() < ends {
            thread::sleep(Duration::from_millis(370));
            kill(server.pid("nginx.pid"), libc::SIGHUP);
        }
    });
    server.stop();
}

#[test]
fn an_upgrade_and_a_quit_lose_no_request() {
    let server = Server::start("usr2");
    let old = server.pid("nginx.pid");
    server.wave(|| {
        kill(old, libc::SIGUSR2);
        wait_until("the new master is there", || {
            server.try_pid("nginx.pid").is_some_and(|p| p != old)
        });
        wait_until("the new worker is there", || children(server.pid("nginx.pid")).len() == 1);
        kill(old, libc::SIGQUIT);
    });
    wait_until("the old master ends", || !is_alive(old));
    let new = server.pid("nginx.pid");
    server.wave(|| kill(new, libc::SIGQUIT));
    wait_until("the new master ends", || !is_alive(new));
    server.check_log();
}

impl Server {
    fn start(name: &str) -> Self {
        let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("reload-{name}"));
        let _ = fs::remove_dir_all(&root);
        let lua = root.join("lua");
        fs::create_dir_all(&lua).expect("a folder for nginx");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reload");
        for entry in fs::read_dir(source.join("lua")).expect("the Lua modules").flatten() {
            fs::copy(entry.path(), lua.join(entry.file_name())).expect("a copy");
        }
        let (peer, names) = (peer::lines().expect("a peer"), peer::names().expect("a name server"));
        let ports = format!("return function() return {peer}, {names} end");
        fs::write(lua.join("ports.lua"), ports).expect("ports.lua");
        let mut conf = fs::read_to_string(source.join("nginx.conf")).expect("nginx.conf");
        let port = unused_port();
        for (name, value) in [
            ("@MODULE@", module().display().to_string()),
            ("@ROOT@", root.display().to_string()),
            ("@LUA@", lua.display().to_string()),
            ("@PORT@", port.to_string()),
            ("@DNS@", names.to_string()),
        ] {
            conf = conf.replace(name, &value);
        }
        fs::write(root.join("nginx.conf"), conf).expect("nginx.conf");
        let binary = std::env::var("TEST_NGINX_BINARY").ok().filter(|path| !path.is_empty());
        let mut command = Command::new(binary.as_deref().unwrap_or("/usr/sbin/nginx"));
        command.arg("-p").arg(&root).arg("-c").arg(root.join("nginx.conf"));
        command.arg("-e").arg(root.join("error.log"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(command.status().is_ok_and(|status| status.success()), "nginx does not start");
        let server = Self { root, port, connected: AtomicUsize::new(0) };
        wait_until("nginx serves", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        server
    }

    fn try_pid(&self, file: &str) -> Option<i32> {
        fs::read_to_string(self.root.join(file)).ok()?.trim().parse().ok()
    }

    fn pid(&self, file: &str) -> i32 {
        self.try_pid(file).expect("nginx wrote its pid")
    }

    fn workers(&self) -> Vec<i32> {
        children(self.pid("nginx.pid"))
    }

    /// Requests of every kind, during which `act` runs.
    fn wave(&self, act: impl FnOnce()) {
        let expected = self.connected.load(Relaxed) + KINDS.len();
        thread::scope(|scope| {
            for kind in KINDS {
                scope.spawn(move || self.ask(kind));
            }
            wait_until("all requests are accepted", || {
                self.connected.load(Relaxed) >= expected && backlog(self.port) == 0
            });
            thread::sleep(PAUSE);
            act();
        });
    }

    /// Asks for a kind, and checks its answer.
    fn ask(&self, kind: &str) {
        match self.answer(kind) {
            Ok(answer) => {
                let text = String::from_utf8_lossy(&answer);
                let end = format!("{kind} done\n");
                let is_whole = text.starts_with("HTTP/1.1 200 ")
                    && text.trim_end_matches("\r\n0\r\n\r\n").ends_with(&end);
                assert!(is_whole, "{kind}: {:?}", &text[text.len().saturating_sub(300)..]);
            }
            Err(error) => panic!("{kind}: {error}"),
        }
    }

    fn answer(&self, kind: &str) -> Result<Vec<u8>> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port))?;
        self.connected.fetch_add(1, Relaxed);
        socket.set_read_timeout(Some(LIMIT))?;
        let has_body = WITH_BODY.contains(&kind);
        let head = if has_body { "Content-Length: 16\r\n" } else { "" };
        write!(socket, "GET /{kind} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{head}\r\n")?;
        if has_body {
            socket.write_all(HALF)?;
            thread::sleep(2 * PAUSE);
            socket.write_all(HALF)?;
        } else if kind == "flush" {
            thread::sleep(2 * PAUSE);
        }
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer)?;
        Ok(answer)
    }

    /// Ends nginx, and looks for complaints.
    fn stop(self) {
        let master = self.pid("nginx.pid");
        kill(master, libc::SIGQUIT);
        wait_until("nginx ends", || !is_alive(master));
        self.check_log();
    }

    fn check_log(&self) {
        let log = fs::read(self.root.join("error.log")).expect("an error log");
        let log = String::from_utf8_lossy(&log);
        for line in log.lines() {
            let is_bad = ["[emerg]", "[alert]", "[crit]", "[error]"]
                .iter()
                .any(|level| line.contains(level));
            assert!(!is_bad, "{line}");
        }
        let count = |what: &str| log.lines().filter(|line| line.contains(what)).count();
        assert!(count("background: begun ") > 0);
        assert_eq!(
            count("background: begun "),
            count("background: ended "),
            "in {}",
            self.root.display()
        );
        assert_eq!(count("background: begun init_worker"), count("background: exit_worker"));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for master in
            ["nginx.pid", "nginx.pid.oldbin"].into_iter().filter_map(|file| self.try_pid(file))
        {
            let workers = children(master);
            for pid in [master].into_iter().chain(workers) {
                kill(pid, libc::SIGKILL);
            }
        }
    }
}

fn module() -> PathBuf {
    let listed = std::env::var("TEST_NGINX_LOAD_MODULES").unwrap_or_default();
    let named = listed.split_whitespace().find(|path| path.contains("ngx_http_lua_module"));
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("objs/ngx_http_lua_module.so");
    named.map_or(built, PathBuf::from)
}

fn unused_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its number").port()
}

fn wait_until(what: &str, is_so: impl FnMut() -> bool) {
    let mut is_so = is_so;
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LIMIT, "{what}: not after {LIMIT:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[allow(unsafe_code)]
fn kill(pid: i32, signal: i32) {
    // SAFETY: a plain system call.
    unsafe { libc::kill(pid, signal) };
}

/// A child that nobody has waited for is not alive any more either.
fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn children(pid: i32) -> Vec<i32> {
    let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    listed.unwrap_or_default().split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// How many connections nginx has still to accept; a listener that closes loses them.
fn backlog(port: u16) -> u64 {
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let listener = format!(":{port:04X} 00000000:0000 0A ");
    let queue = table.lines().find_map(|line| line.split_once(&listener)?.1.split_once(':'));
    queue.and_then(|(_, rest)| u64::from_str_radix(rest.get(..8)?, 16).ok()).unwrap_or(0)
}
