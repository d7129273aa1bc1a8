//! What is measured: one row an operation. A new API adds a row here, and nothing else.

pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The most our cost above the floor may be, as a part of the C module's.
    pub(crate) target: f64,
    /// Directives of the `http` block.
    pub(crate) http: &'static str,
    /// Directives of the location that is asked for.
    pub(crate) location: &'static str,
    /// What stands in `row.lua`, for `*_by_lua_file`.
    pub(crate) file: &'static str,
    /// The request line's target; the location is `/t`.
    pub(crate) request: &'static str,
}

const NONE: Row = Row { name: "", target: 0.7, http: "", location: "", file: "", request: "/t" };

/// What every row is compared with: a response made by nginx alone.
pub(crate) const FLOOR: Row = Row { name: "return 200", location: "return 200 'hello\n';", ..NONE };

pub(crate) const ROWS: &[Row] = &[
    Row { name: "empty chunk", location: "content_by_lua_block { }", ..NONE },
    Row {
        name: "hello",
        target: 0.6,
        location: r#"content_by_lua_block { ngx.say("hello") }"#,
        ..NONE
    },
    Row {
        name: "hello from a file",
        target: 0.6,
        location: "content_by_lua_file row.lua;",
        file: r#"ngx.say("hello")"#,
        ..NONE
    },
    Row {
        name: "20 × say",
        target: 0.3,
        location: r#"content_by_lua_block { for i = 1, 20 do ngx.say("hello") end }"#,
        ..NONE
    },
    Row {
        name: "access + content",
        location: r#"
            access_by_lua_block { local a = 1 }
            content_by_lua_block { ngx.say("hello") }"#,
        ..NONE
    },
    Row {
        name: "content + log",
        location: r#"
            content_by_lua_block { ngx.say("hello") }
            log_by_lua_block { local a = 1 }"#,
        ..NONE
    },
    Row {
        name: "sleep(0)",
        location: r#"content_by_lua_block { ngx.sleep(0) ngx.say("hello") }"#,
        ..NONE
    },
    Row {
        name: "sleep(0.001)",
        location: r#"content_by_lua_block { ngx.sleep(0.001) ngx.say("hello") }"#,
        ..NONE
    },
    Row {
        name: "var get",
        location: "content_by_lua_block { ngx.say(ngx.var.arg_a) }",
        request: "/t?a=hello",
        ..NONE
    },
    // Often enough for LuaJIT to compile the loop, FFI call included: what is left is the function itself.
    Row {
        name: "200 × var get",
        location: r#"
            content_by_lua_block {
                local var, length = ngx.var, 0
                for i = 1, 200 do
                    length = length + #var.uri
                end
                ngx.say(length)
            }"#,
        ..NONE
    },
    Row {
        name: "var set",
        location: r#"
            set $mark "";
            content_by_lua_block { ngx.var.mark = "hello" ngx.say(ngx.var.mark) }"#,
        ..NONE
    },
    Row {
        name: "ctx",
        location: r#"content_by_lua_block { ngx.ctx.a = "hello" ngx.say(ngx.ctx.a) }"#,
        ..NONE
    },
    Row {
        name: "read_body, set_body_data, get_body_data",
        target: 0.8,
        location: r#"
            content_by_lua_block {
                ngx.req.read_body()
                ngx.req.set_body_data("hello")
                ngx.say(ngx.req.get_body_data())
            }"#,
        ..NONE
    },
    Row {
        name: "init_body, 10 × append_body, finish_body",
        target: 0.9,
        location: r#"
            content_by_lua_block {
                ngx.req.read_body()
                ngx.req.init_body(100)
                for i = 1, 10 do ngx.req.append_body("hello") end
                ngx.req.finish_body()
                ngx.say(ngx.req.get_body_data())
            }"#,
        ..NONE
    },
];
