//! An nginx with the module: started, told to reload, asked whether it lives, its log read as it grows.
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::port::Port;
use super::process::Process;
use super::route;

/// The listeners of nginx.conf, by how often a connection goes there.
pub(crate) const LISTENERS: &[(usize, usize)] = &[(8, 0), (8, 1), (3, 3), (1, 4)];
pub(crate) const HTTP2: usize = 2;
const COUNT: usize = 5;

/// How the memory of a server's processes behaves: what has been freed is there no more, or is not what it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Memory {
    Usual,
    /// Every pool is a mapping of its own, which ends with it.
    Unmapped,
    /// Freed memory is overwritten.
    Overwritten,
    /// Little of it, and all Lua code interpreted.
    Short,
}

pub(crate) struct Server {
    pub(crate) root: PathBuf,
    pub(crate) ports: Vec<u16>,
    pub(crate) binary: String,
    /// Of the last program: `Program::is_raw`.
    pub(crate) was_raw: bool,
    _leases: Vec<Port>,
    nginx: Process,
    log: Tail,
    stderr: Tail,
}

pub(crate) struct Settings {
    pub(crate) nginx: String,
    pub(crate) modules: String,
    /// The port of the programs' peer.
    pub(crate) peer: u16,
}

impl Server {
    pub(crate) fn start(
        settings: &Settings,
        root: &Path,
        memory: Memory,
    ) -> Result<Server, String> {
        let _ = fs::remove_dir_all(root);
        fs::create_dir_all(root.join("logs")).map_err(|e| format!("{}: {e}", root.display()))?;
        let leases = (0..COUNT).map(|_| Port::lease()).collect::<Result<Vec<_>, _>>()?;
        let ports: Vec<u16> = leases.iter().map(Port::number).collect();
        configure(settings, root, &ports, memory).map_err(|e| format!("configuration: {e}"))?;
        let (log, stderr) = (root.join("logs/error.log"), root.join("logs/stderr.log"));
        let file = File::create(&stderr).map_err(|e| format!("{}: {e}", stderr.display()))?;
        let mut command = Command::new("sh");
        let limit = match memory {
            Memory::Short => "ulimit -v 300000; ",
            // Overwriting the 2 GB that a program may ask for would take seconds.
            Memory::Overwritten => "ulimit -v 1500000; ",
            Memory::Usual | Memory::Unmapped => "",
        };
        command.arg("-c").arg(format!("{limit}exec \"$0\" \"$@\""));
        command.arg(&settings.nginx).arg("-p").arg(root).args(["-c", "nginx.conf"]).stderr(file);
        match memory {
            Memory::Unmapped => command.env("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=4096"),
            Memory::Overwritten => command.env("GLIBC_TUNABLES", "glibc.malloc.perturb=165"),
            Memory::Usual | Memory::Short => &mut command,
        };
        let nginx =
            Process::spawn(&mut command, libc::SIGQUIT).map_err(|e| format!("nginx: {e}"))?;
        let (log, stderr) = (Tail { path: log, at: 0 }, Tail { path: stderr, at: 0 });
        let mut server = Server {
            root: root.into(),
            ports,
            binary: settings.nginx.clone(),
            was_raw: false,
            _leases: leases,
            nginx,
            log,
            stderr,
        };
        let end = Instant::now() + Duration::from_secs(10);
        while !server.answers() {
            if server.nginx.ended().is_some() || Instant::now() > end {
                return Err(format!("nginx does not start:\n{}", server.news().join("\n")));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// Lines of the log, and of what nginx's processes say to nobody, since the last look.
    pub(crate) fn news(&mut self) -> Vec<String> {
        let mut lines = self.log.lines();
        lines.extend(self.stderr.lines());
        lines
    }

    /// The end of the log, whether looked at or not.
    pub(crate) fn log_end(&self) -> String {
        let bytes = fs::read(&self.log.path).unwrap_or_default();
        let bytes = &bytes[bytes.len().saturating_sub(20_000)..];
        let said = fs::read_to_string(&self.stderr.path).unwrap_or_default();
        format!("{}\n{said}", String::from_utf8_lossy(bytes))
    }

    pub(crate) fn hup(&self) {
        self.nginx.signal(libc::SIGHUP);
    }

    /// Whether the worker still answers, be it late.
    pub(crate) fn is_alive(&self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        loop {
            if self.answers() {
                return true;
            }
            if Instant::now() > end {
                return false;
            }
            // A worker that has just died took the connection with it.
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn answers(&self) -> bool {
        self.get("/alive").contains("\r\nalive\n")
    }

    /// Connections that are still open after `patience` although their clients have gone, besides the one that asks.
    pub(crate) fn leaked(&self, patience: Duration) -> usize {
        let end = Instant::now() + patience;
        loop {
            let status = self.get("/status");
            let active = status.split("Active connections: ").nth(1).unwrap_or_default();
            let active: usize =
                active.split_whitespace().next().map_or(1, |n| n.parse().unwrap_or(1));
            if active <= 1 || Instant::now() > end {
                return active - 1;
            }
            thread::sleep(Duration::from_millis(30));
        }
    }

    fn get(&self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: fuzz\r\nConnection: close\r\n\r\n");
        let mut answer = Vec::new();
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.ports[0])) {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
            let _ = stream.write_all(request.as_bytes());
            let _ = stream.read_to_end(&mut answer);
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Makes workers that are stuck leave a core.
    pub(crate) fn abort_workers(&self) {
        for worker in self.workers() {
            let _ = Command::new("kill").args(["-ABRT", &worker.to_string()]).status();
        }
    }

    fn workers(&self) -> Vec<u32> {
        let master = self.nginx.pid();
        let listed = fs::read_to_string(format!("/proc/{master}/task/{master}/children"));
        listed.unwrap_or_default().split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    /// The cores of workers that have died; whoever asks takes them away.
    pub(crate) fn cores(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten().map(|e| e.path());
        let is_core = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name == "core" || name.starts_with("core.")
        };
        entries.filter(is_core).collect()
    }

    /// Lets nginx end as an operator would; whether it did so in time.
    pub(crate) fn quit(&mut self) -> bool {
        self.nginx.stop(Duration::from_secs(10)).is_ok_and(|stopped| !stopped.killed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be in any state, with requests that never end.
        self.nginx.signal(libc::SIGTERM);
        if self.nginx.wait(Duration::from_secs(3)).is_none() {
            self.quit();
        }
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// Writes nginx.conf and what it refers to.
fn configure(
    settings: &Settings,
    root: &Path,
    ports: &[u16],
    memory: Memory,
) -> std::io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let load: String =
        settings.modules.split_whitespace().map(|m| format!("load_module {m};\n")).collect();
    let jit = if memory == Memory::Short { "jit.off()" } else { "" };
    let fill = |mut text: String| {
        for (at, port) in ports.iter().enumerate() {
            text = text.replace(&format!("$PORT{at}"), &port.to_string());
        }
        text.replace("$LOAD", &load)
            .replace("$ROOT", &root.display().to_string())
            .replace("$HERE", &here.display().to_string())
            .replace("$JIT", jit)
            .replace("$PEER", &settings.peer.to_string())
    };
    fs::write(root.join("nginx.conf"), fill(fs::read_to_string(here.join("nginx.conf"))?))?;
    let locations = fs::read_to_string(here.join("locations.conf"))? + &route::locations();
    fs::write(root.join("locations.conf"), fill(locations))?;
    fs::write(root.join("file.txt"), "file\n".repeat(500))?;
    fs::write(root.join("body.txt"), "body")?;
    let included = "A<!--# include virtual=\"/l/lua-both-none-early\" -->B<!--# include virtual=\"/static\" -->C";
    fs::write(root.join("included.txt"), included)
}

/// A file that grows.
struct Tail {
    path: PathBuf,
    at: u64,
}

impl Tail {
    fn lines(&mut self) -> Vec<String> {
        let mut bytes = Vec::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.at))?;
            file.read_to_end(&mut bytes)
        });
        if read.is_err() {
            return Vec::new();
        }
        // An unfinished line is read the next time.
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        self.at += whole as u64;
        String::from_utf8_lossy(&bytes[..whole]).lines().map(str::to_owned).collect()
    }
}
