//! Rows measured above "hello" of the same module instead of above nginx alone: what a phase adds to a
//! request, and what functions on text cost.

use crate::rows::{NONE, Row};

const OVER_HELLO: Row = Row { target: 0.5, over: "hello", ..NONE };

/// Calls `$call` ten times on what `$prepare` made before the first request; `hello` is the answer.
macro_rules! ten {
    ($name:literal, $target:literal, $prepare:literal, $call:literal) => {
        Row {
            name: concat!("10 × ", $name),
            target: $target,
            http: concat!("init_by_lua_block { ", $prepare, " }"),
            location: concat!(
                "content_by_lua_block { for i = 1, 10 do ",
                $call,
                r#" end ngx.say("hello") }"#
            ),
            ..OVER_HELLO
        }
    };
}

macro_rules! phase {
    ($name:literal, $directives:literal) => {
        Row {
            name: concat!("added: ", $name),
            location: concat!($directives, r#" content_by_lua_block { ngx.say("hello") }"#),
            ..OVER_HELLO
        }
    };
}

/// 1 KB in 42 pairs.
const POST: &str = "\
    k01=hello+world+number+one&k02=2&k03=some%20text%21&k04=plain_value_without_escapes&k05=5&k06=&k07&\
    k08=0123456789&k09=a+b+c&k10=%E4%B8%AD%E6%96%87&k11=hello+world+number+one&k12=2&k13=some%20text%21&\
    k14=plain_value_without_escapes&k15=5&k16=&k17&k18=0123456789&k19=a+b+c&k20=%E4%B8%AD%E6%96%87&\
    k21=hello+world+number+one&k22=2&k23=some%20text%21&k24=plain_value_without_escapes&k25=5&k26=&k27&\
    k28=0123456789&k29=a+b+c&k30=%E4%B8%AD%E6%96%87&k31=hello+world+number+one&k32=2&k33=some%20text%21&\
    k34=plain_value_without_escapes&k35=5&k36=&k37&k38=0123456789&k39=a+b+c&k40=%E4%B8%AD%E6%96%87&\
    k41=the+last+but+one+of+them+all+is+a+little+longer+than+the+others+so+that+it+is+1+KB+in+the+end&k42=1";

pub(crate) const ROWS: &[Row] = &[
    phase!("set", r#"set_by_lua_block $x { return "a" }"#),
    phase!("rewrite", "rewrite_by_lua_block { local a = 1 }"),
    phase!("access", "access_by_lua_block { local a = 1 }"),
    phase!("header_filter", "header_filter_by_lua_block { local a = 1 }"),
    phase!("body_filter", "body_filter_by_lua_block { local a = 1 }"),
    phase!("log", "log_by_lua_block { local a = 1 }"),
    Row {
        name: "post_args of 42, 1 KB",
        target: 0.4,
        location: r#"
            content_by_lua_block {
                ngx.req.read_body()
                local a = ngx.req.get_post_args()
                ngx.say("hello")
            }"#,
        body: POST,
        ..OVER_HELLO
    },
    Row {
        name: "print of 64 KB",
        target: 0.9,
        http: "init_by_lua_block { text = string.rep('x', 65536) }",
        location: "content_by_lua_block { ngx.print(text) }",
        ..NONE
    },
    Row {
        name: "10 × print of nested tables",
        http: r#"
            init_by_lua_block {
                nested = { "a", { "b", 1, { "c", true, { "d" } } }, "e", { 2, 3, { "f", "g" } }, "h\n" }
            }"#,
        location: "content_by_lua_block { for i = 1, 10 do ngx.print(nested) end }",
        ..OVER_HELLO
    },
    ten!("md5", 0.8, "text = ('hello '):rep(10)", "ngx.md5(text)"),
    ten!("sha1_bin", 0.5, "text = ('hello '):rep(10)", "ngx.sha1_bin(text)"),
    ten!("hmac_sha1", 0.4, "text = ('hello '):rep(10)", "ngx.hmac_sha1('secret', text)"),
    ten!("crc32_short", 0.8, "text = ('hello '):rep(10)", "ngx.crc32_short(text)"),
    ten!("crc32_long", 0.8, "text = ('hello '):rep(100)", "ngx.crc32_long(text)"),
    ten!(
        "base64 of 64 B, both ways",
        0.4,
        "text = ('hello wo'):rep(8)",
        "ngx.decode_base64(ngx.encode_base64(text))"
    ),
    ten!(
        "base64 of 16 KB, both ways",
        0.4,
        "text = ('hello wo'):rep(2048)",
        "ngx.decode_base64(ngx.encode_base64(text))"
    ),
    ten!(
        "escape_uri and unescape_uri",
        0.4,
        "text = 'some text with spaces, and more: a/b?c=d&e'",
        "ngx.unescape_uri(ngx.escape_uri(text))"
    ),
    ten!(
        "encode_args of 10",
        0.4,
        "args = { a = 'hello', b = 2, page = 17, sort = 'name', order = 'desc', q = 'some text!', lang = 'en', \
         x = true, y = '', z = { 'end', 'of' } }",
        "ngx.encode_args(args)"
    ),
    ten!(
        "quote_sql_str",
        0.5,
        "text = [[it's a \"quoted\" text with a \\\\ in it, and some length beyond that]]",
        "ngx.quote_sql_str(text)"
    ),
    Row {
        name: "10 × decode_args of 10",
        target: 0.8,
        location: r#"
            content_by_lua_block {
                for i = 1, 10 do ngx.decode_args(ngx.var.args) end
                ngx.say("hello")
            }"#,
        request: "/t?a=hello&b=2&page=17&sort=name&order=desc&q=some+text%21&lang=en&x&y=&z=end",
        ..OVER_HELLO
    },
];
