//! nginx.conf around the sections of a block. Blocks expect error messages with line numbers, so the sections
//! start on the lines where Test::Nginx puts them.
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::case::Case;
use super::preamble::Preamble;
use super::root::ServerRoot;
use super::settings::Settings;
use super::value::{find, lines};
use super::vars::Vars;

/// Lines before `main_config`, between it and `http_config`, between that and `config`.
const HEAD_LINES: usize = 15;
const HTTP_LINES: usize = 8;
const SERVER_LINES: usize = 13;

pub(crate) struct Conf<'a> {
    pub(crate) case: &'a Case,
    pub(crate) preamble: &'a Preamble,
    pub(crate) settings: &'a Settings,
    pub(crate) vars: &'a Vars,
    pub(crate) root: &'a ServerRoot,
}

pub(crate) fn is_master_on(preamble: &Preamble, settings: &Settings) -> bool {
    preamble.master.unwrap_or(settings.master)
}

impl Conf<'_> {
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, String> {
        let http = self.section("http_config")?;
        let parts = [
            padded(HEAD_LINES, &self.head()?).into_bytes(),
            self.env_lines().into_bytes(),
            self.load_lines().into_bytes(),
            self.section("main_config")?,
            b"\n".to_vec(),
            padded(HTTP_LINES, &self.http_head(&http)).into_bytes(),
            http,
            b"\n".to_vec(),
            padded(SERVER_LINES, &self.server_head()?).into_bytes(),
            self.section("config")?,
            self.server_tail().into_bytes(),
            self.section("post_main_config")?,
            self.tail().into_bytes(),
        ];
        Ok(parts.concat())
    }

    fn section(&self, name: &str) -> Result<Vec<u8>, String> {
        self.vars.expand(self.case.text(name)?).map_err(|why| format!("{name}: {why}"))
    }

    fn head(&self) -> Result<String, String> {
        let Conf { preamble, settings, .. } = self;
        let level = self.case.word("log_level")?.filter(|level| !level.is_empty());
        let level = level.or_else(|| preamble.log_level.clone());
        let level = level.unwrap_or_else(|| settings.log_level.clone());
        let own_log = self.section("error_log_file")?;
        let own_log = String::from_utf8_lossy(own_log.trim_ascii()).into_owned();
        let error_log = Some(own_log).filter(|log| !log.is_empty());
        let error_log = error_log.unwrap_or_else(|| self.root.error_log().display().to_string());
        Ok(format!(
            "worker_processes {workers};
daemon off;
master_process {master};
error_log {error_log} {level};
pid {pid};
{user}
env LD_PRELOAD;
env LD_LIBRARY_PATH;
env ASAN_OPTIONS;
",
            workers = preamble.workers,
            master = if is_master_on(preamble, settings) { "on" } else { "off" },
            pid = self.root.pid_file().display(),
            user = if is_root() { "user root;" } else { "" },
        ))
    }

    fn env_lines(&self) -> String {
        let quoted = |v: &String| if v.contains(' ') { format!("'{v}'") } else { v.clone() };
        let line = |v: &String| format!("env {};\n", quoted(v));
        self.preamble.env_to_nginx.iter().map(line).collect()
    }

    /// On the line where `main_config` begins.
    fn load_lines(&self) -> String {
        self.settings.modules.iter().map(|m| format!("load_module {}; ", m.display())).collect()
    }

    fn http_head(&self, http_config: &[u8]) -> String {
        let root = self.root.path().display();
        let temp_path = |name: &str| {
            let is_set = find(http_config, format!("{name}_temp_path").as_bytes()).is_some();
            let is_known =
                !self.settings.configure.contains(&format!("--without-http_{name}_module"));
            let line = format!("{name}_temp_path {root}/{name}_temp; ");
            if is_known && !is_set { line } else { String::new() }
        };
        let temp_paths =
            ["client_body", "proxy", "fastcgi", "scgi", "uwsgi"].map(temp_path).concat();
        format!(
            "
http {{
    access_log {access_log};
    {temp_paths}
    default_type text/plain;
    keepalive_timeout 68000ms;
",
            access_log = self.root.access_log().display(),
        )
    }

    fn server_head(&self) -> Result<String, String> {
        let name = self.case.word("server_name")?;
        let name = name.unwrap_or_else(|| self.preamble.server_name.clone());
        let name = name.replace('\\', "\\\\").replace('\'', "\\'");
        let listen = self.listen()?;
        Ok(format!(
            "    server {{
        {listen}
        server_name '{name}';
        client_max_body_size 30M;
"
        ))
    }

    /// On the loopback address only, unless the block picks the address its client uses or shares the port
    /// with a server of its own, which nginx tells apart by name only on the same address.
    fn listen(&self) -> Result<String, String> {
        let is_shared = lines(self.case.text("http_config")?).any(|line| {
            let has = |needle: &[u8]| find(line, needle).is_some();
            has(b"listen ") && has(b" $TEST_NGINX_SERVER_PORT")
        });
        let is_open = is_shared || self.case.has("server_addr_for_client");
        let address = if is_open { "" } else { "127.0.0.1:" };
        let port = self.vars.port.number();
        Ok(match (self.case.has("http2"), self.settings.nginx_version >= (1, 25, 1)) {
            (false, _) => format!("listen {address}{port};"),
            (true, false) => format!("listen {address}{port} http2;"),
            (true, true) => format!("listen {address}{port}; http2 on;"),
        })
    }

    fn server_tail(&self) -> String {
        let html = self.root.html();
        let page = format!("location / {{ root {}; index index.html index.htm; }}", html.display());
        let page = if self.preamble.root_location { page.as_str() } else { "" };
        format!(
            "
        {page}
    }}
}}

"
        )
    }

    fn tail(&self) -> String {
        format!(
            "

events {{
    accept_mutex off;
    worker_connections {};
}}
",
            self.preamble.worker_connections
        )
    }
}

/// `text` with blank lines up to `count` lines.
fn padded(count: usize, text: &str) -> String {
    let missing = count.saturating_sub(text.matches('\n').count());
    format!("{text}{}", "\n".repeat(missing))
}

/// Started by root, workers must stay root: server roots are private to the user of the runner.
fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
