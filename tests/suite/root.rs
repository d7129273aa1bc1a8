//! The server root of one block: folders, files and nginx.conf as Test::Nginx lays them out.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::case::Case;
use super::preamble::Preamble;
use super::settings::Settings;
use super::value::{Value, find, is_space, lines, trim};
use super::vars::Vars;

/// Removed when the block has passed, see [`ServerRoot::remove`].
pub(crate) struct ServerRoot {
    path: PathBuf,
}

impl ServerRoot {
    pub(crate) fn create() -> Result<ServerRoot, String> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // Short on purpose: unix sockets live here, and their paths end at 108 bytes.
        let path = run_dir().join(number.to_string());
        for folder in ["logs", "html", "conf"] {
            fs::create_dir_all(path.join(folder)).map_err(|e| failed("create", &path, &e))?;
        }
        let root = ServerRoot { path };
        let page = "<html><head><title>It works!</title></head><body>It works!</body></html>";
        root.write(&root.html().join("index.html"), page.as_bytes())?;
        Ok(root)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn html(&self) -> PathBuf {
        self.path.join("html")
    }

    pub(crate) fn conf(&self) -> PathBuf {
        self.path.join("conf/nginx.conf")
    }

    pub(crate) fn pid_file(&self) -> PathBuf {
        self.path.join("logs/nginx.pid")
    }

    pub(crate) fn error_log(&self) -> PathBuf {
        self.path.join("logs/error.log")
    }

    pub(crate) fn access_log(&self) -> PathBuf {
        self.path.join("logs/access.log")
    }

    pub(crate) fn remove(self) {
        // What cannot be removed is left for the owner of the temp folder; the verdict stands.
        let _ = fs::remove_dir_all(&self.path);
    }

    pub(crate) fn write_user_files(&self, case: &Case, vars: &Vars) -> Result<(), String> {
        for file in user_files(case)? {
            let path = self.html().join(&file.name);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(|e| failed("create", folder, &e))?;
            }
            self.write(&path, &vars.expand(&file.body)?)?;
            if let Some(date) = &file.date {
                touch(&path, date)?;
            }
        }
        Ok(())
    }

    pub(crate) fn write_conf(
        &self,
        case: &Case,
        preamble: &Preamble,
        settings: &Settings,
        vars: &Vars,
    ) -> Result<(), String> {
        let section = |name: &str| {
            let text = vars.expand(case.text(name)?).map_err(|why| format!("{name}: {why}"))?;
            Ok::<_, String>(String::from_utf8_lossy(&text).into_owned())
        };
        let conf = Conf { case, preamble, settings, vars, root: self };
        let text = conf.text(&[
            section("main_config")?,
            section("http_config")?,
            section("config")?,
            section("post_main_config")?,
            section("error_log_file")?,
        ])?;
        self.write(&self.conf(), text.as_bytes())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), String> {
        fs::write(path, bytes).map_err(|e| failed("write", path, &e))
    }
}

/// Holds the server roots of this run; empty, it can go.
pub(crate) fn run_dir() -> PathBuf {
    std::env::temp_dir().join(format!("ngx-suite-{}", std::process::id()))
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> String {
    format!("cannot {what} {}: {error}", path.display())
}

/// `date` is what `touch -t` takes, in GMT.
fn touch(path: &Path, date: &str) -> Result<(), String> {
    let status = Command::new("touch").env("TZ", "GMT").args(["-t", date]).arg(path).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("touch -t {date} {}: {status}", path.display())),
        Err(error) => Err(failed("touch", path, &error)),
    }
}

struct UserFile {
    /// Below the html folder, or absolute.
    name: String,
    date: Option<String>,
    body: Vec<u8>,
}

/// `>>> name [date]` lines with what follows them, or a list of `[name, body, date]`.
fn user_files(case: &Case) -> Result<Vec<UserFile>, String> {
    let string = |v: Option<&Value>| {
        v.and_then(Value::as_text).map(|t| String::from_utf8_lossy(t).into_owned())
    };
    let Some(Value::List(items)) = case.value("user_files") else {
        return Ok(user_files_in(case.text("user_files")?));
    };
    let file = |item: &Value| {
        let Value::List(parts) = item else {
            return Err("`user_files` must hold lists".to_owned());
        };
        Ok(UserFile {
            name: string(parts.first()).ok_or("`user_files`: a file without a name")?,
            body: parts.get(1).and_then(Value::as_text).unwrap_or_default().to_vec(),
            date: string(parts.get(2)),
        })
    };
    items.iter().map(file).collect()
}

fn user_files_in(text: &[u8]) -> Vec<UserFile> {
    let mut files: Vec<UserFile> = Vec::new();
    for line in lines(text) {
        let head = find(line, b">>> ").map(|at| &line[at + 4..]);
        if let Some(head) = head.filter(|h| h.first().is_some_and(|b| !is_space(*b))) {
            let end = head.iter().position(|b| is_space(*b)).unwrap_or(head.len());
            let (name, date) = (&head[..end], String::from_utf8_lossy(trim(&head[end..])));
            files.push(UserFile {
                name: String::from_utf8_lossy(name).into_owned(),
                date: (!date.is_empty()).then(|| date.into_owned()),
                body: Vec::new(),
            });
        } else if let Some(file) = files.last_mut() {
            file.body.extend_from_slice(line);
        }
    }
    files
}

struct Conf<'a> {
    case: &'a Case,
    preamble: &'a Preamble,
    settings: &'a Settings,
    vars: &'a Vars,
    root: &'a ServerRoot,
}

impl Conf<'_> {
    pub(crate) fn is_master_on(preamble: &Preamble, settings: &Settings) -> bool {
        preamble.master.unwrap_or(settings.master)
    }

    /// nginx.conf around the expanded sections: main, http, server, post-main, error log file.
    fn text(&self, sections: &[String; 5]) -> Result<String, String> {
        let [main, http, server, post_main, error_log_file] = sections;
        let Conf { preamble, settings, .. } = self;
        let root = self.root.path().display();
        let modules = settings.modules.iter().map(|m| format!("load_module {};", m.display()));
        let modules = modules.collect::<Vec<_>>().join(" ");
        let temp = |name: &str, skip: bool| {
            if skip { String::new() } else { format!("{name}_temp_path {root}/{name}_temp;") }
        };
        let temps = ["client_body", "proxy", "fastcgi", "scgi", "uwsgi"]
            .map(|name| temp(name, http.contains(&format!("{name}_temp_path"))))
            .join(" ");
        let level = self.case.word("log_level")?;
        let level = level.filter(|l| !l.is_empty()).or_else(|| preamble.log_level.clone());
        let level = level.unwrap_or_else(|| settings.log_level.clone());
        let error_log = if error_log_file.trim().is_empty() {
            self.root.error_log().display().to_string()
        } else {
            error_log_file.trim().to_owned()
        };
        let name = self.case.word("server_name")?.unwrap_or_else(|| preamble.server_name.clone());
        let name = name.replace('\\', "\\\\").replace('\'', "\\'");
        let master = if Self::is_master_on(preamble, settings) { "on" } else { "off" };
        // Blocks expect messages with line numbers, so the sections stand where Test::Nginx puts them:
        // main_config on line 16, http_config 9 lines further down, config another 14 lines.
        Ok(format!(
            "worker_processes {workers};
daemon off;
master_process {master};
error_log {error_log} {level};
pid {pid};
env LD_PRELOAD;
env LD_LIBRARY_PATH;
env ASAN_OPTIONS;






{env}
{modules} {main}

http {{
    access_log {access_log};
    {temps}
    default_type text/plain;
    keepalive_timeout 68000ms;


{http}
    server {{
        {listen}
        server_name '{name}';
        client_max_body_size 30M;









{server}

{index}
    }}
}}

{post_main}

events {{
    accept_mutex off;
    worker_connections {connections};
}}
{user}
",
            workers = preamble.workers,
            pid = self.root.pid_file().display(),
            env = self.env_lines(),
            access_log = self.root.access_log().display(),
            listen = self.listen(),
            index = self.index(),
            connections = preamble.worker_connections,
            user = if is_root() { "user root;" } else { "" },
        ))
    }

    fn env_lines(&self) -> String {
        let quoted = |v: &String| if v.contains(' ') { format!("'{v}'") } else { v.clone() };
        let line = |v: &String| format!("env {};\n", quoted(v));
        self.preamble.env_to_nginx.iter().map(line).collect()
    }

    /// On the loopback address only, unless the block picks the address its client uses.
    fn listen(&self) -> String {
        let address = if self.case.has("server_addr_for_client") { "" } else { "127.0.0.1:" };
        let port = self.vars.port.number();
        match (self.case.has("http2"), self.settings.nginx_version >= (1, 25, 1)) {
            (false, _) => format!("listen {address}{port};"),
            (true, false) => format!("listen {address}{port} http2;"),
            (true, true) => format!("listen {address}{port}; http2 on;"),
        }
    }

    fn index(&self) -> String {
        if !self.preamble.root_location {
            return String::new();
        }
        let html = self.root.html();
        format!("location / {{ root {}; index index.html index.htm; }}", html.display())
    }
}

pub(crate) fn is_master_on(preamble: &Preamble, settings: &Settings) -> bool {
    Conf::is_master_on(preamble, settings)
}

/// Started by root, workers must stay root: server roots are private to the user of the runner.
fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0)
}
