//! The setters of directives that nginx's own do not cover: chunks of Lua, paths, warnings.
use super::block::{BlockError, code_len, line_feeds};
use super::{Chunk, ChunkSlot, LocConf, MainConf, SetVar, SrvConf};
use crate::nginx::config::Config;
use crate::nginx::log_tap::Tap;
use crate::nginx::script::{self, AddError, Arguments};
use crate::nginx::system_resolver::{Paths, SystemResolver};
use crate::nginx::{Level, Phase};

/// How a directive gives its Lua code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `access_by_lua 'code'`
    String,
    /// `access_by_lua_block { code }`
    Block,
    /// `access_by_lua_file path`
    File,
}

/// Why a directive was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ConfError {
    /// nginx adds the directive's name in front and the place behind.
    Directive(&'static core::ffi::CStr),
    /// The reason has been logged already.
    Reported,
}

type Result<T> = core::result::Result<T, ConfError>;

const NO_MEMORY: ConfError = ConfError::Directive(c"has no memory");

/// The configuration struct that a directive writes to.
pub(crate) enum Target<'a> {
    Main(&'a mut MainConf),
    Server(&'a mut SrvConf),
    Location(&'a mut LocConf),
}

impl Target<'_> {
    fn slot(&mut self, phase: Phase) -> &mut ChunkSlot {
        match self {
            Self::Main(conf) => match phase {
                Phase::InitWorker => &mut conf.init_worker,
                Phase::ExitWorker => &mut conf.exit_worker,
                _ => &mut conf.init,
            },
            Self::Server(conf) => &mut conf.server_rewrite,
            Self::Location(conf) => &mut conf.chunks[phase.index()],
        }
    }
}

/// A `*_by_lua*` directive of any form.
pub(crate) fn set_chunk(
    cf: Config,
    mut target: Target<'_>,
    phase: Phase,
    form: Form,
) -> Result<()> {
    let line = cf.line();
    if form == Form::Block {
        read_block(cf)?;
    }
    if target.slot(phase).is_some() {
        return Err(ConfError::Directive(c"is duplicate"));
    }
    let code = cf.arg(1);
    if code.is_empty() {
        cf.report(Level::Error, b"invalid location config: no runnable Lua code");
        return Err(ConfError::Reported);
    }
    let chunk = match form {
        Form::File => Chunk::file(cf, phase, code).ok_or(ConfError::Reported)?,
        Form::String | Form::Block => Chunk::inline(cf, phase, code, line),
    };
    let chunk = cf.pool().own(Box::new(chunk)).ok_or(NO_MEMORY)?;
    #[allow(unsafe_code)]
    // SAFETY: owned by the configuration's pool, as the slot is.
    let chunk = unsafe { chunk.as_ref() };
    *target.slot(phase) = Some(chunk);
    if !matches!(target, Target::Main(_)) {
        MainConf::being_read(cf).note_use(phase);
    }
    Ok(())
}

/// A `set_by_lua*` directive: `$name`, the code, and arguments unless it is a block.
pub(crate) fn set_variable(cf: Config, form: Form, run: script::Code) -> Result<()> {
    let line = cf.line();
    if form == Form::Block {
        read_block(cf)?;
    }
    let chunk = match form {
        Form::File => Chunk::file(cf, Phase::Set, cf.arg(2)).ok_or(ConfError::Reported)?,
        Form::String | Form::Block => Chunk::inline(cf, Phase::Set, cf.arg(2), line),
    };
    let args = Arguments::compile(cf, &cf.args()[3..]).ok_or(ConfError::Reported)?;
    let set = cf.pool().own(Box::new(SetVar { chunk, args })).ok_or(NO_MEMORY)?;
    #[allow(unsafe_code)]
    // SAFETY: owned by the configuration's pool, as the code is.
    let set = unsafe { set.as_ref() };
    script::add_set(cf, cf.arg(1), run, set).map_err(|error| match error {
        AddError::Reported => ConfError::Reported,
        AddError::Unsupported => ConfError::Directive(c"needs nginx's rewrite module"),
    })
}

/// Reads `{ code }` from behind its opening brace, as the directive's argument.
fn read_block(cf: Config) -> Result<()> {
    if !cf.in_file() {
        cf.report(Level::Emerg, b"block directives are not supported in -g option");
        return Err(ConfError::Reported);
    }
    let rest = cf.rest_of_file().ok_or(ConfError::Reported)?;
    let len = code_len(&rest.text).map_err(|error| {
        match error {
            BlockError::UnexpectedEnd { line } => cf.report_below(
                line,
                b"unexpected end of file, expecting terminating characters for lua code block",
            ),
            BlockError::MissingBracket { line, bracket } => {
                let before: &[u8] = b"Lua code block missing the closing long bracket \"";
                let after: &[u8] = b"\", the inlined Lua code may be too long";
                cf.report_below(line, &[before, &bracket, after].concat());
            }
        }
        ConfError::Reported
    })?;
    cf.push_arg(&rest.text[..len]).ok_or(NO_MEMORY)?;
    cf.consume(&rest, len + 1, line_feeds(&rest.text[..len]));
    Ok(())
}

/// `lua_package_path` and `lua_package_cpath`.
pub(crate) fn set_package_path(cf: Config, path: &mut Option<Box<[u8]>>) -> Result<()> {
    if path.is_some() {
        return Err(ConfError::Directive(c"is duplicate"));
    }
    if !cf.arg(1).is_empty() {
        *path = Some(cf.arg(1).into());
    }
    Ok(())
}

/// What `lua_code_cache off` costs.
pub(crate) fn warn_of_code_cache(cf: Config, enabled: bool) {
    if !enabled {
        cf.report(Level::Alert, b"lua_code_cache is off; this will hurt performance");
    }
}

/// `lua_load_resty_core`, which has no effect any more.
pub(crate) fn warn_of_load_resty_core(cf: Config) {
    cf.report(
        Level::Warn,
        b"lua_load_resty_core is deprecated (the lua-resty-core library is required since \
          ngx_lua v0.10.16)",
    );
}

/// The least size of `lua_capture_error_log`: one line of the longest kind.
const MIN_CAPTURE: usize = 4096;

/// `lua_capture_error_log size`
pub(crate) fn set_capture_error_log(cf: Config, conf: &mut MainConf) -> Result<()> {
    if conf.tap.is_some() {
        return Err(ConfError::Directive(c"is duplicate"));
    }
    let invalid = |detail: &str| {
        let size = String::from_utf8_lossy(cf.arg(1));
        let message = format!("invalid capture error log size \"{size}\"{detail}");
        cf.report(Level::Emerg, message.as_bytes());
        Err(ConfError::Reported)
    };
    if cf.arg(1).is_empty() {
        return invalid("");
    }
    let Some(size) = cf.size(1).filter(|size| *size >= MIN_CAPTURE) else {
        return invalid(&format!(", minimum size is {MIN_CAPTURE}"));
    };
    conf.tap = Some(Tap::new(cf.pool(), size));
    Ok(())
}

/// `lua_malloc_trim <requests>`: 0 switches it off.
pub(crate) fn set_malloc_trim(cf: Config, conf: &mut MainConf) -> Result<()> {
    let number =
        core::str::from_utf8(cf.arg(1)).ok().filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
    let Some(requests) = number.and_then(|t| t.parse().ok()) else {
        return Err(ConfError::Directive(c"invalid number in the 1st argument"));
    };
    conf.malloc_trim_cycle = requests;
    if requests != 0 {
        conf.note_use(Phase::Log);
    }
    Ok(())
}

/// `lua_socket_system_resolver off | on [hosts=file] [resolv_conf=file]`
pub(crate) fn set_system_resolver(cf: Config, conf: &mut LocConf) -> Result<()> {
    if conf.system_resolver.is_some() {
        return Err(ConfError::Directive(c"is duplicate"));
    }
    let mut paths = Paths::default();
    for i in 2..cf.args().len() {
        let word = cf.arg(i);
        if let Some(path) = word.strip_prefix(b"hosts=") {
            paths.hosts = path;
        } else if let Some(path) = word.strip_prefix(b"resolv_conf=") {
            paths.resolv_conf = path;
        } else {
            return Err(ConfError::Directive(
                c"takes \"hosts=file\" and \"resolv_conf=file\" only",
            ));
        }
    }
    match cf.arg(1) {
        b"off" if cf.args().len() == 2 => conf.system_resolver = Some(None),
        b"on" => {
            let resolver = SystemResolver::create(cf, paths).ok_or(ConfError::Reported)?;
            let resolver = cf.pool().own(Box::new(resolver)).ok_or(NO_MEMORY)?;
            #[allow(unsafe_code)]
            // SAFETY: owned by the configuration's pool, as the slot is.
            let resolver = unsafe { resolver.as_ref() };
            conf.system_resolver = Some(Some(resolver));
        }
        _ => return Err(ConfError::Directive(c"must be \"on\" or \"off\"")),
    }
    Ok(())
}
