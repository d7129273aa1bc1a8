//! What the environment says about a run: which nginx, with which modules, under which tool.
use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Versions as `(major, minor, patch)`.
pub(crate) type Version = (u32, u32, u32);

pub(crate) struct Settings {
    pub(crate) nginx: PathBuf,
    pub(crate) nginx_version: Version,
    pub(crate) openssl_version: Option<Version>,
    /// What `nginx -V` says.
    pub(crate) configure: String,
    /// Absolute, in load order.
    pub(crate) modules: Vec<PathBuf>,
    pub(crate) timeout: Duration,
    pub(crate) log_level: String,
    pub(crate) master: bool,
    /// How long nginx gets to write its last log lines; the unit of all short waits.
    pub(crate) pause: Duration,
    pub(crate) valgrind: Option<Valgrind>,
    /// Where relative paths in a configuration start: the folder that holds `t`.
    pub(crate) home: PathBuf,
}

pub(crate) struct Valgrind {
    /// Options instead of the usual ones.
    pub(crate) options: Option<Vec<String>>,
    pub(crate) suppressions: Option<PathBuf>,
}

pub(crate) fn package_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of test files: `TEST_NGINX_SUITE`, or `t`.
pub(crate) fn suite_dir() -> PathBuf {
    package_root().join(env::var_os("TEST_NGINX_SUITE").unwrap_or_else(|| "t".into()))
}

impl Settings {
    pub(crate) fn from_env() -> Result<Settings, String> {
        let nginx = nginx_binary();
        let about = Command::new(&nginx).arg("-V").output();
        let about = about.map_err(|e| format!("{} -V: {e}", nginx.display()))?.stderr;
        let about = String::from_utf8_lossy(&about).into_owned();
        let nginx_version =
            version_after(&about, "nginx/").ok_or_else(|| format!("no version in `{about}`"))?;
        let seconds = |name: &str, default: f64| {
            let value = var(name).and_then(|v| v.parse().ok()).unwrap_or(default);
            Duration::try_from_secs_f64(value).map_err(|e| format!("{name}: {e}"))
        };
        Ok(Settings {
            nginx,
            nginx_version,
            openssl_version: version_after(&about, "built with OpenSSL "),
            configure: about,
            modules: modules()?,
            timeout: seconds("TEST_NGINX_TIMEOUT", 3.0)?,
            log_level: var("TEST_NGINX_LOG_LEVEL").unwrap_or_else(|| "debug".into()),
            master: var("TEST_NGINX_MASTER_PROCESS").is_some_and(|v| v == "on"),
            pause: 3 * seconds("TEST_NGINX_SLEEP", 0.015)?,
            valgrind: var("TEST_NGINX_USE_VALGRIND").map(|v| valgrind(&v)),
            home: suite_dir().parent().unwrap_or(package_root()).to_owned(),
        })
    }

    /// Limits are stretched under valgrind; what a block waits on purpose is not.
    pub(crate) fn patience(&self, limit: Duration) -> Duration {
        if self.valgrind.is_some() { limit * 10 } else { limit }
    }
}

/// A variable that says something: set and not empty.
pub(crate) fn var(name: &str) -> Option<String> {
    env::var(name).ok().filter(|v| !v.is_empty() && v != "0")
}

fn nginx_binary() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = || env::split_paths(&path).map(|d| d.join("nginx")).find(|f| f.is_file());
    match var("TEST_NGINX_BINARY") {
        Some(name) if name.contains('/') => package_root().join(name),
        Some(name) => name.into(),
        None => on_path().unwrap_or_else(|| "/usr/sbin/nginx".into()),
    }
}

fn modules() -> Result<Vec<PathBuf>, String> {
    let names =
        var("TEST_NGINX_LOAD_MODULES").unwrap_or_else(|| "objs/ngx_http_lua_module.so".to_owned());
    let files: Vec<_> = names.split_whitespace().map(|n| package_root().join(n)).collect();
    match files.iter().find(|f| !f.is_file()) {
        Some(absent) => {
            Err(format!("no module {}: build it or set TEST_NGINX_LOAD_MODULES", absent.display()))
        }
        None => Ok(files),
    }
}

fn valgrind(value: &str) -> Valgrind {
    let custom = !value.bytes().all(|b| b.is_ascii_digit());
    let suppressions = package_root().join("t/valgrind.supp");
    Valgrind {
        options: custom.then(|| value.split_whitespace().map(str::to_owned).collect()),
        suppressions: suppressions.is_file().then_some(suppressions),
    }
}

pub(crate) fn version_after(text: &str, mark: &str) -> Option<Version> {
    let (_, rest) = text.split_once(mark)?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    version(&rest[..end])
}

pub(crate) fn version(text: &str) -> Option<Version> {
    let mut parts = text.split('.').map(|p| p.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

/// The environment of a block: what `$TEST_NGINX_…` may stand for besides ports.
pub(crate) fn inherited() -> BTreeMap<String, String> {
    env::vars().filter(|(name, _)| name.starts_with("TEST_NGINX_")).collect()
}
