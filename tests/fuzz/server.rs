//! An nginx with the module: started, talked to, and looked at for what must not happen.
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

pub(crate) struct Server {
    root: PathBuf,
    port: u16,
    nginx: Child,
}

/// How long a client waits for more.
const PATIENCE: Duration = Duration::from_millis(250);

impl Server {
    pub(crate) fn start(nginx: &str, modules: &str) -> Server {
        let root = std::env::temp_dir().join(format!("ngx-fuzz-{}", std::process::id()));
        fs::create_dir_all(root.join("logs")).expect("a folder for the server");
        let port = free_port();
        let load: String =
            modules.split_whitespace().map(|module| format!("load_module {module};\n")).collect();
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
        let conf = fs::read_to_string(here.join("nginx.conf"))
            .expect("tests/fuzz/nginx.conf")
            .replace("$LOAD", &load)
            .replace("$ROOT", &root.display().to_string())
            .replace("$HERE", &here.display().to_string())
            .replace("$PORT", &port.to_string());
        fs::write(root.join("nginx.conf"), conf).expect("nginx.conf");
        let start = Command::new(nginx).arg("-p").arg(&root).args(["-c", "nginx.conf"]).spawn();
        let server = Server { root, port, nginx: start.expect("nginx starts") };
        let end = Instant::now() + Duration::from_secs(10);
        while server.connect().is_none() {
            assert!(Instant::now() < end, "nginx does not listen:\n{}", server.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    pub(crate) fn connect(&self) -> Option<TcpStream> {
        let client = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        client.set_read_timeout(Some(PATIENCE)).ok()?;
        client.set_write_timeout(Some(PATIENCE)).ok()?;
        Some(client)
    }

    /// Sends `request`, half of it first if `pause`, and reads until the server or the patience ends.
    pub(crate) fn talk(&self, request: &[u8], pause: bool) -> Vec<u8> {
        let mut answer = Vec::new();
        let Some(mut client) = self.connect() else { return answer };
        let cut = if pause { request.len() / 2 } else { request.len() };
        // The server may have enough before the end.
        let _ = client.write_all(&request[..cut]);
        if pause {
            std::thread::sleep(Duration::from_millis(2));
            let _ = client.write_all(&request[cut..]);
            let _ = client.shutdown(Shutdown::Write);
        }
        let _ = client.read_to_end(&mut answer);
        answer
    }

    pub(crate) fn get(&self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: fuzz\r\nConnection: close\r\n\r\n");
        String::from_utf8_lossy(&self.talk(request.as_bytes(), false)).into_owned()
    }

    /// Whether it still answers, be it late.
    pub(crate) fn is_alive(&self) -> bool {
        (0..20).any(|_| self.get("/alive").contains("\r\nalive\n"))
    }

    fn log(&self) -> String {
        let bytes = fs::read(self.root.join("logs/error.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Lines of the log that must not be there: all of [alert] and above that Lua code has not written.
    pub(crate) fn faults(&self) -> Vec<String> {
        let is_fault = |line: &&str| {
            let severe = ["[alert]", "[emerg]", "bug of the module", "exited on signal"];
            let meant = ["[lua]", "lua_max_running_timers are not enough"];
            severe.iter().any(|word| line.contains(word))
                && !meant.iter().any(|word| line.contains(word))
        };
        self.log().lines().filter(is_fault).map(str::to_owned).collect()
    }

    /// Connections that are open although nobody is there any more, besides the one that asks.
    pub(crate) fn leaked_connections(&self) -> usize {
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            let status = self.get("/status");
            let active = status.split("Active connections: ").nth(1).unwrap_or_default();
            let active: usize =
                active.split_whitespace().next().map_or(99, |n| n.parse().unwrap_or(99));
            if active <= 1 || Instant::now() > end {
                return active.saturating_sub(1);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Lets nginx end as an operator would, and returns what went wrong; the server's folder is left if
    /// something did, now or before.
    pub(crate) fn quit(mut self, well: bool) -> Vec<String> {
        let mut faults = Vec::new();
        // A timer that sleeps for years holds up a graceful end.
        if !self.ends_on("-QUIT", 4) && !self.ends_on("-TERM", 10) {
            faults.push("nginx does not end".to_owned());
        }
        if well {
            faults.extend(self.faults());
        }
        if well && faults.is_empty() {
            let _ = fs::remove_dir_all(&self.root);
        } else {
            faults.push(format!("see {}", self.root.display()));
        }
        faults
    }

    fn ends_on(&mut self, signal: &str, seconds: u64) -> bool {
        let _ = Command::new("kill").args([signal, &self.nginx.id().to_string()]).status();
        let end = Instant::now() + Duration::from_secs(seconds);
        while !matches!(self.nginx.try_wait(), Ok(Some(_))) {
            if Instant::now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        true
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.nginx.try_wait(), Ok(None)) {
            // The workers go with the master.
            let _ = Command::new("kill").args(["-TERM", &self.nginx.id().to_string()]).status();
            let _ = self.nginx.wait();
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its number").port()
}
