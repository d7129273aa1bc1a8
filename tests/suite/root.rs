//! The server root of one block: its folders and files as Test::Nginx lays them out.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::case::Case;
use super::conf::Conf;
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
        let conf = Conf { case, preamble, settings, vars, root: self };
        self.write(&self.conf(), &conf.bytes()?)
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
