//! Servers of other makers for the blocks that name `$TEST_NGINX_REDIS_PORT` or `$TEST_NGINX_MEMCACHED_PORT`: one of
//! each for the whole run, on a port of its own. It ends with the runner, however that ends.
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use super::port::Port;

struct Daemon {
    port: Port,
    /// The shell that ends the server when its standard input ends.
    _keeper: Child,
}

static REDIS: OnceLock<Result<Daemon, String>> = OnceLock::new();
static MEMCACHED: OnceLock<Result<Daemon, String>> = OnceLock::new();

const STARTING: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(10);

/// What the variable `name` stands for, if it names such a server.
pub(crate) fn port(name: &str) -> Option<Result<String, String>> {
    let daemon = match name {
        "TEST_NGINX_REDIS_PORT" => REDIS.get_or_init(|| {
            let quiet = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"];
            start("redis-server", &quiet)
        }),
        "TEST_NGINX_MEMCACHED_PORT" => {
            MEMCACHED.get_or_init(|| start("memcached", &["-u", "nobody", "-l", "127.0.0.1", "-p"]))
        }
        _ => return None,
    };
    Some(daemon.as_ref().map(|daemon| daemon.port.number().to_string()).map_err(Clone::clone))
}

/// Starts `program` with the options and a port behind them, and waits until it can be reached.
fn start(program: &str, options: &[&str]) -> Result<Daemon, String> {
    let port = Port::lease()?;
    let keeper = Command::new("sh")
        .args(["-c", r#""$@" < /dev/null & read -r _; kill $!"#, "sh", program])
        .args(options)
        .arg(port.number().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("{program}: {e}"))?;
    let mut waited = Duration::ZERO;
    while TcpStream::connect(("127.0.0.1", port.number())).is_err() {
        if waited > STARTING {
            return Err(format!("{program} did not start: is it installed?"));
        }
        thread::sleep(TICK);
        waited += TICK;
    }
    Ok(Daemon { port, _keeper: keeper })
}
