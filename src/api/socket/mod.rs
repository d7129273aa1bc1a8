//! `ngx.socket`: connections that Lua uses as if they blocked.
mod buffer;
pub(crate) mod tcp;
pub(crate) mod udp;

use tcp::handle;
pub(crate) use tcp::{Failure, choose};

use crate::conf::LocConf;
use crate::nginx::Request;

/// Whether what goes wrong with a request's sockets is logged.
pub(crate) fn logs_errors(r: Option<Request>) -> bool {
    r.is_some_and(|r| LocConf::of(r).socket.log_errors != 0)
}
