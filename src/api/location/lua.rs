//! `ngx.location.capture` and `capture_multi`: from Lua's arguments to subrequests.
use core::ffi::c_int;

use super::{Answer, Group, answer};
use crate::api::control::with_args;
use crate::api::text::args;
use crate::api::{Domain, ctx};
use crate::coroutine::{RequestCtx, in_phase, request_of};
use crate::nginx::headers::{Mode, request};
use crate::nginx::log::Text;
use crate::nginx::method::Method;
use crate::nginx::subrequest::{BodySource, NoSubrequest, Variables};
use crate::nginx::sys;
use crate::nginx::variable::{self, SetError};
use crate::nginx::{Level, Phases, Request, debug};
use crate::vm::{Call, Error, Kind, Result, Stack, Yield, lua_fn};

pub(crate) const DOMAIN: Domain = Domain {
    functions: &[
        (c"location", c"capture", lua_fn!(capture)),
        (c"location", c"capture_multi", lua_fn!(capture_multi)),
    ],
    setup: None,
};

const NO_MEMORY: Error = Error::raise("no memory");

fn capture(call: &Call<'_>) -> Result<Yield> {
    let count = call.count();
    if count != 1 && count != 2 {
        return Err(Error::raise("expecting one or two arguments"));
    }
    let options = (call.kind(2) != Kind::Nil && count == 2).then_some(2);
    if options.is_none() && call.kind(1) == Kind::Nil {
        return Err(bad_query(0));
    }
    let ctx = capturing(call)?;
    let answer = subrequest(ctx, call.stack(), &Query { index: 0, uri: 1, options })?;
    start(ctx, call.stack(), vec![answer])
}

fn capture_multi(call: &Call<'_>) -> Result<Yield> {
    let count = call.count();
    if count != 1 {
        let message = format!("only one argument is expected, but got {count}");
        return Err(Error::Raise(message.into()));
    }
    if call.kind(1) != Kind::Table {
        return Err(Error::BadArg { index: 1, expected: c"table" });
    }
    let stack = call.stack();
    let queries = stack.raw_len(1);
    if queries == 0 {
        return Err(Error::raise("at least one subrequest should be specified"));
    }
    let ctx = capturing(call)?;
    // The results are values of one call: LuaJIT bounds their number.
    let results = c_int::try_from(queries).ok().and_then(|n| n.checked_add(answer::ROOM));
    if !results.is_some_and(|n| n < MAX_RESULTS && stack.reserve(n)) {
        return Err(Error::raise("stack overflow"));
    }
    let mut answers = Vec::with_capacity(queries);
    for index in 0..queries {
        stack.raw_geti(1, index as c_int + 1);
        answers.push(query(ctx, stack, index)?);
        stack.set_top(1);
    }
    start(ctx, stack, answers)
}

/// LuaJIT's `LUAI_MAXCSTACK`.
///
/// Reference: pushes results beyond it.
const MAX_RESULTS: c_int = 8000;

/// The context of the call, where subrequests are possible.
fn capturing<'c>(call: &'c Call<'_>) -> Result<&'c RequestCtx> {
    let r = request_of(call.stack()).ok_or(Error::raise("no request object found"))?;
    let ctx = RequestCtx::of(r).ok_or(Error::raise("no ctx found"))?;
    let ctx = in_phase(ctx, Phases::REQUEST)?;
    ctx.waiter(call.stack())?;
    debug!(r.log(), "lua location capture, uri:\"{}\" c:{}", Text(r.uri()), r.count());
    Ok(ctx)
}

/// Starts the subrequests, and waits for all of them.
fn start(ctx: &RequestCtx, from: Stack, answers: Vec<Answer>) -> Result<Yield> {
    ctx.suspend(from, |waker| {
        // Where one cannot be started, those before it run for nobody.
        for answer in &answers {
            answer.request.launch().map_err(not_issued)?;
        }
        Ok(Group::new(waker, answers))
    })
}

fn not_issued(NoSubrequest: NoSubrequest) -> Error {
    Error::raise("failed to issue subrequest: -1")
}

fn not_adjusted(NoSubrequest: NoSubrequest) -> Error {
    Error::raise("failed to adjust the subrequest: -1")
}

fn bad_query(index: usize) -> Error {
    let message = format!("query argument {index} expecting one or two arguments");
    Error::Raise(message.into())
}

/// Where on the stack the arguments of one subrequest are.
struct Query {
    index: usize,
    uri: c_int,
    options: Option<c_int>,
}

/// Makes the subrequest that the table on top describes. stack: [-0, +2, m]
///
/// Reference: starts it at once, even if a later one is refused.
fn query(ctx: &RequestCtx, stack: Stack, index: usize) -> Result<Answer> {
    match stack.kind(-1) {
        Kind::Table => {}
        Kind::Nil => return Err(Error::raise("only array-like tables are allowed")),
        kind => {
            let message =
                format!("the query argument {index} is not a table, but a {}", kind.name());
            return Err(Error::Raise(message.into()));
        }
    }
    let count = stack.raw_len(-1);
    if count != 1 && count != 2 {
        return Err(bad_query(index));
    }
    let table = stack.top();
    stack.raw_geti(table, 1);
    let mut query = Query { index, uri: table + 1, options: None };
    if count == 2 {
        stack.raw_geti(table, 2);
        query.options = Some(table + 2);
    }
    subrequest(ctx, stack, &query)
}

/// Makes one subrequest.
fn subrequest(ctx: &RequestCtx, stack: Stack, query: &Query) -> Result<Answer> {
    let r = ctx.request;
    let top = stack.top();
    let options = match query.options {
        Some(at) => Options::read(stack, at, query.index)?,
        None => Options::default(),
    };
    let Some(uri) = stack.bytes(query.uri) else {
        // Where the reference has it on the stack.
        stack.push_value(query.uri);
        stack.insert(1);
        stack.push_nil();
        stack.insert(1);
        stack.push_nil();
        stack.insert(1);
        return Err(Error::BadArg { index: 3, expected: c"string" });
    };
    let target = r.target(uri).ok_or_else(|| {
        let uri = uri.split(|byte| *byte == 0).next().unwrap_or_default();
        let message = format!("unsafe uri in argument #1: {}", String::from_utf8_lossy(uri));
        Error::Raise(message.into())
    })?;
    let target = match &options.args {
        Args::None => Some(target),
        Args::Text(at) => with_args(r, target, stack.bytes(*at).unwrap_or_default()),
        Args::Encoded(args) => with_args(r, target, args),
    };
    let target = target.ok_or(NO_MEMORY)?;
    let answer = Answer::create(ctx, query.index, target).map_err(not_issued)?;
    options.apply(r, answer.request, stack)?;
    if let Some(table) = options.ctx {
        let ctx = RequestCtx::create(answer.request, ctx.vm).ok_or(NO_MEMORY)?;
        ctx::share(ctx, stack, table);
    }
    stack.set_top(top);
    Ok(answer)
}

enum Args {
    None,
    /// A string or number on the stack.
    Text(c_int),
    Encoded(Vec<u8>),
}

/// The options of a subrequest; values that are kept lie on the stack.
struct Options {
    args: Args,
    vars: Option<c_int>,
    headers: Option<c_int>,
    variables: Variables,
    always_forward_body: bool,
    method: f64,
    ctx: Option<c_int>,
    body: Option<c_int>,
}

const GET: f64 = sys::NGX_HTTP_GET as f64;
const PUT: f64 = sys::NGX_HTTP_PUT as f64;
const POST: f64 = sys::NGX_HTTP_POST as f64;

impl Default for Options {
    fn default() -> Self {
        Self {
            args: Args::None,
            vars: None,
            headers: None,
            variables: Variables::Fresh,
            always_forward_body: false,
            method: GET,
            ctx: None,
            body: None,
        }
    }
}

impl Options {
    /// Reads the options table at `at`. stack: [-0, +n, e]
    fn read(stack: Stack, at: c_int, index: usize) -> Result<Self> {
        if stack.kind(at) != Kind::Table {
            let kind = stack.kind(at).name();
            let message = format!(
                "expecting table as the 2nd argument for subrequest {index}, but got {kind}"
            );
            return Err(Error::Raise(message.into()));
        }
        let mut options = Self::default();
        let field = |name: &[u8]| {
            if !stack.field(at, name) {
                return Err(Error::Rethrow);
            }
            let kind = stack.kind(-1);
            if kind == Kind::Nil {
                stack.pop(1);
            }
            Ok(kind)
        };
        let flag = |name: &[u8], error: &'static str| match field(name)? {
            Kind::Nil => Ok(false),
            Kind::Boolean => {
                let value = stack.truth(-1);
                stack.pop(1);
                Ok(value)
            }
            _ => Err(Error::raise(error)),
        };
        options.args = match field(b"args")? {
            Kind::Nil => Args::None,
            Kind::String | Kind::Number => Args::Text(stack.top()),
            Kind::Table => Args::Encoded(args::encode_table(stack, -1)?),
            _ => return Err(Error::raise("Bad args option value")),
        };
        options.vars = match field(b"vars")? {
            Kind::Nil => None,
            Kind::Table => {
                check_vars(stack)?;
                Some(stack.top())
            }
            _ => return Err(Error::raise("Bad vars option value")),
        };
        // Reference: only in later releases than 0.10.23; there too, the messages speak of variables.
        options.headers = match field(b"headers")? {
            Kind::Nil => None,
            Kind::Table => {
                check_vars(stack)?;
                Some(stack.top())
            }
            _ => return Err(Error::raise("Bad headers option value")),
        };
        let share = flag(b"share_all_vars", "Bad share_all_vars option value")?;
        let copy = flag(b"copy_all_vars", "Bad copy_all_vars option value")?;
        options.variables = match (share, copy) {
            (true, _) => Variables::Shared,
            (false, true) => Variables::Copied,
            (false, false) => Variables::Fresh,
        };
        if field(b"always_forward_body")? != Kind::Nil {
            options.always_forward_body = stack.truth(-1);
            stack.pop(1);
        }
        match field(b"method")? {
            Kind::Nil => {}
            Kind::Number => {
                options.method = stack.number(-1).unwrap_or_default();
                stack.pop(1);
            }
            _ => return Err(Error::raise("Bad http request method")),
        }
        options.ctx = match field(b"ctx")? {
            Kind::Nil => None,
            Kind::Table => Some(stack.top()),
            kind => {
                let kind = kind.name();
                let message = format!("Bad ctx option value type {kind}, expected a Lua table");
                return Err(Error::Raise(message.into()));
            }
        };
        options.body = match field(b"body")? {
            Kind::Nil => None,
            Kind::String | Kind::Number => Some(stack.top()),
            _ => return Err(Error::raise("Bad http request body")),
        };
        Ok(options)
    }

    /// Gives the subrequest `sr` of `r` what the options say.
    fn apply(&self, r: Request, sr: Request, stack: Stack) -> Result<()> {
        let body = match self.body {
            Some(at) => BodySource::Bytes(stack.bytes(at).unwrap_or_default()),
            None if self.forwards_body(r) => BodySource::Parent,
            None => BodySource::Nothing,
        };
        sr.inherit_body(r, body).map_err(not_adjusted)?;
        if let Some(table) = self.headers {
            set_headers(sr, stack, table)?;
        }
        let number = self.method as i64;
        let Some(method) = c_int::try_from(number).ok().and_then(Method::from_number) else {
            r.log().print(Level::Error, format_args!("unsupported HTTP method: {number}"));
            return Err(not_adjusted(NoSubrequest));
        };
        sr.set_method(method);
        sr.inherit_variables(self.variables).map_err(not_adjusted)?;
        self.vars.map_or(Ok(()), |table| set_vars(sr, stack, table))
    }

    fn forwards_body(&self, r: Request) -> bool {
        self.always_forward_body
            || self.method == PUT
            || self.method == POST
            || !r.has_content_length()
    }
}

/// Checks the table on top: names and values of variables, or of headers. stack: [-0, +0, m]
fn check_vars(stack: Stack) -> Result<()> {
    let table = stack.top();
    stack.push_nil();
    while stack.next(table) {
        if stack.kind(-2) != Kind::String {
            let message = "attempt to use a non-string key in the \"vars\" option table";
            return Err(Error::raise(message));
        }
        let kind = stack.kind(-1);
        if !matches!(kind, Kind::String | Kind::Number) {
            let message = format!("attempt to use bad variable value type {}", kind.name());
            return Err(Error::Raise(message.into()));
        }
        stack.pop(1);
    }
    Ok(())
}

/// Sets the request headers in the table at `table`; an empty value removes one. stack: [-0, +0, m]
fn set_headers(sr: Request, stack: Stack, table: c_int) -> Result<()> {
    stack.push_nil();
    while stack.next(table) {
        let name = stack.bytes(-2).unwrap_or_default();
        let value = stack.bytes(-1).unwrap_or_default();
        request::set(sr, name, value, Mode::Replace).map_err(|_| not_adjusted(NoSubrequest))?;
        stack.pop(1);
    }
    Ok(())
}

/// Sets the variables in the table at `table`. stack: [-0, +0, m]
fn set_vars(sr: Request, stack: Stack, table: c_int) -> Result<()> {
    let mut lowercase = Vec::new();
    stack.push_nil();
    while stack.next(table) {
        let name = stack.bytes(-2).unwrap_or_default();
        let value = stack.bytes(-1);
        lowercase.resize(name.len(), 0);
        #[allow(unsafe_code)]
        // SAFETY: `lowercase` has room for the name.
        let set = unsafe { variable::set(sr, name, lowercase.as_mut_ptr(), value) };
        let code = match set {
            Ok(()) => {
                debug!(
                    sr.log(),
                    "variable \"{}\" set to value \"{}\"",
                    Text(&lowercase),
                    Text(value.unwrap_or_default())
                );
                stack.pop(1);
                continue;
            }
            Err(SetError::NotChangeable) => {
                let name = Text(&lowercase);
                sr.log().print(Level::Error, format_args!("variable \"{name}\" not changeable"));
                500
            }
            Err(SetError::NotFound | SetError::NotAssignable) => {
                let name = Text(&lowercase);
                sr.log().print(
                    Level::Error,
                    format_args!(
                        "variable \"{name}\" cannot be assigned a value (maybe you forgot to \
                         define it first?) "
                    ),
                );
                -1
            }
            Err(SetError::NoMemory) => -1,
        };
        return Err(Error::Raise(format!("failed to adjust the subrequest: {code}").into()));
    }
    Ok(())
}
