//! One nginx under callgrind: a single process, one connection, a number of requests, and the instructions it
//! all took, start and end included. The caller takes the difference of two numbers of requests.

use std::fs;
use std::io::{Error, Result};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::client::{Client, Response};
use crate::peer;
use crate::report::instructions;
use crate::rows::Row;

/// One of the things compared, as `load_module` lines.
#[derive(Clone)]
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) modules: Vec<PathBuf>,
}

pub(crate) struct Run {
    pub(crate) instructions: u64,
    /// What all requests were answered with.
    pub(crate) response: Response,
}

/// The ports of the servers that rows talk to.
#[derive(Clone, Copy)]
pub(crate) struct Peers {
    pub(crate) plain: u16,
    pub(crate) tls: u16,
}

/// Answers `requests` requests in a fresh folder `dir`.
pub(crate) fn run(
    nginx: &Path,
    side: &Side,
    row: &Row,
    requests: u64,
    dir: &Path,
    peers: Peers,
) -> Result<Run> {
    fs::create_dir_all(dir)?;
    let port = free_port();
    fs::write(dir.join("nginx.conf"), configuration(side, row, port, peers))?;
    fs::write(dir.join("row.lua"), row.file)?;

    let mut server = Server::start(nginx, dir)?;
    let response = server.wait_for(&dir.join("nginx.pid")).and_then(|()| ask(row, port, requests));
    let stopped = server.stop();

    let log = fs::read_to_string(dir.join("error.log")).unwrap_or_default();
    let complaint = |why: String| Error::other(format!("{why}\n{log}"));
    let response = response.map_err(|error| complaint(error.to_string()))?;
    stopped.map_err(|error| complaint(error.to_string()))?;
    if !log.is_empty() {
        return Err(complaint("the server logged an error:".into()));
    }
    let instructions = instructions(&dir.join("callgrind.out"), row.without)?;
    Ok(Run { instructions, response })
}

/// Below the ports that the system gives to clients: one of those could be taken before nginx listens.
fn free_port() -> u16 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = process::id() * 100 + COUNT.fetch_add(1, Ordering::Relaxed);
        let port = 10_000 + (number % 20_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn configuration(side: &Side, row: &Row, port: u16, peers: Peers) -> String {
    let modules: String =
        side.modules.iter().map(|path| format!("load_module {};\n", path.display())).collect();
    let http = row.http;
    let location = row.location.replace(peer::TLS_PORT, &peers.tls.to_string());
    let location = location.replace(peer::PORT, &peers.plain.to_string());
    format!(
        "{modules}
        daemon off;
        master_process off;
        pid nginx.pid;
        error_log error.log error;
        events {{ }}
        http {{
            access_log off;
            keepalive_requests 1000000000;
            keepalive_timeout 1h;
            default_type text/plain;
            client_body_temp_path body;
            proxy_temp_path proxy;
            fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi;
            scgi_temp_path scgi;
            {http}
            server {{
                listen 127.0.0.1:{port};
                location = /t {{ {location} }}
            }}
        }}"
    )
}

fn ask(row: &Row, port: u16, requests: u64) -> Result<Response> {
    let mut client = Client::connect(port, row)?;
    let first = client.get()?;
    for _ in 1..requests {
        let next = client.get()?;
        if next != first {
            return Err(Error::other(format!("{first:?} became {next:?}")));
        }
    }
    Ok(first)
}

struct Server(Child);

impl Server {
    fn start(nginx: &Path, dir: &Path) -> Result<Self> {
        let output = fs::File::create(dir.join("output"))?;
        let child = Command::new("valgrind")
            .args(["--tool=callgrind", "--quiet", "--callgrind-out-file=callgrind.out"])
            .arg(nginx)
            .args(["-e", "error.log", "-c", "nginx.conf", "-p"])
            .arg(dir)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .map_err(|error| Error::new(error.kind(), format!("valgrind: {error}")))?;
        Ok(Self(child))
    }

    /// Waits until nginx listens: it writes its pid then. Who just connects may reach another server.
    fn wait_for(&mut self, pid: &Path) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !fs::metadata(pid).is_ok_and(|file| file.len() > 0) {
            if self.0.try_wait()?.is_some() || Instant::now() > deadline {
                return Err(Error::other("nginx did not start"));
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Lets nginx end by itself: callgrind writes its report then. A signal that comes just before nginx begins to
    /// wait for events is noticed only when the next one comes.
    fn stop(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match self.0.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(Error::other(format!("nginx ended with {status}"))),
                None if Instant::now() > deadline => {
                    return Err(Error::other("nginx did not stop"));
                }
                None => {}
            }
            Command::new("sh").args(["-c", "kill $0"]).arg(self.0.id().to_string()).status()?;
            sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
