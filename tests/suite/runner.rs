//! Tests of the runner's own reading and writing, run beside the blocks as `runner::…`.
use libtest_mimic::{Failed, Trial};

use super::case::{Case, duration};
use super::perl;
use super::port::Port;
use super::preamble::Preamble;
use super::report::difference;
use super::request::Requests;
use super::response::Response;
use super::settings::version_after;
use super::skip::condition;
use super::spec::{Block, Spec};
use super::value::{Pattern, Value, replace_word};
use super::vars::Vars;

type Test = fn() -> Result<(), String>;

const TESTS: &[(&str, Test)] = &[
    ("blocks", blocks),
    ("bodies are normed and trimmed", bodies),
    ("filters", filters),
    ("typing errors are errors", typing_errors),
    ("ONLY and LAST", only_and_last),
    ("unknown sections and no assertion", unknown_sections),
    ("perl literals", perl_literals),
    ("perl beyond literals is refused", perl_refused),
    ("patterns are Perl's", patterns),
    ("preamble", preamble),
    ("preamble beyond settings is refused", preamble_refused),
    ("request gets its headers", request_headers),
    ("request body is counted", request_body),
    ("packets keep their cuts", request_packets),
    ("pipelined requests", pipelined_requests),
    ("responses", responses),
    ("broken chunks", broken_chunks),
    ("environment in sections", environment),
    ("versions and skips", versions),
    ("durations", durations),
    ("ports are leased once", ports),
    ("differences", differences),
];

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |(name, test): &(&str, Test)| {
        let test = *test;
        Trial::test(format!("runner::{name}"), move || test().map_err(Failed::from))
    };
    TESTS.iter().map(trial).collect()
}

fn same<T: std::fmt::Debug + PartialEq>(actual: T, expected: T) -> Result<(), String> {
    if actual == expected { Ok(()) } else { Err(format!("{actual:?} is not {expected:?}")) }
}

fn refused<T>(result: Result<T, String>, why: &str) -> Result<(), String> {
    match result {
        Ok(_) => Err(format!("accepted, expected the error `{why}`")),
        Err(text) if text.contains(why) => Ok(()),
        Err(text) => Err(format!("`{text}` does not say `{why}`")),
    }
}

fn block(data: &str) -> Result<Block, String> {
    let spec = Spec::parse(format!("__DATA__\n{data}").as_bytes());
    spec.blocks.into_iter().next().ok_or("no block".into())
}

fn case(data: &str) -> Result<Case, String> {
    Case::new(&block(data)?).map_err(|errors| errors.join("; "))
}

/// A case that is complete but for `sections`.
fn case_with(sections: &str) -> Result<Case, String> {
    case(&format!("=== t\n--- config\n--- error_code: 200\n{sections}"))
}

/// The text a section comes to.
fn text_of(data: &str, section: &str) -> Result<String, String> {
    let block = block(data)?;
    let section = block.sections.iter().find(|s| s.name == section).ok_or("no such section")?;
    let Value::Text(text) = section.value()? else { return Err("not text".into()) };
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn blocks() -> Result<(), String> {
    let spec = Spec::parse(
        b"run_tests();\n__DATA__\nnoise\n\n=== TEST 1: a\nwhat it is\n--- config\nx;\n=== b\n",
    );
    let names: Vec<_> = spec.blocks.iter().map(|b| (b.name.as_str(), b.line)).collect();
    same(names, vec![("TEST 1: a", 5), ("b", 9)])?;
    same(spec.blocks[0].sections.len(), 1)
}

fn bodies() -> Result<(), String> {
    same(text_of("=== t\n--- a\n\n  \n  x\r\ny \n\n\n--- b\n", "a")?, "  x\ny \n".into())?;
    same(text_of("=== t\n--- a\n\n--- b\n", "a")?, String::new())?;
    same(text_of("=== t\n--- a: some: value  \n", "a")?, "some: value".into())
}

fn filters() -> Result<(), String> {
    same(text_of("=== t\n--- a chomp\nx\n\n", "a")?, "x".into())?;
    same(text_of("=== t\n--- a chop: xy\n", "a")?, "x".into())?;
    same(text_of("=== t\n--- a -trim\n\nx\n\n", "a")?, "\nx\n\n".into())?;
    same(text_of("=== t\n--- a eval: \"x\\n\"\n", "a")?, "x\n".into())?;
    refused(text_of("=== t\n--- a yaml\nx\n", "a"), "filter `yaml` is not supported")
}

fn typing_errors() -> Result<(), String> {
    let errors = |data: &str| block(data).map(|b| b.errors.join("; "));
    same(errors("=== t\n--- a\n--- a\n")?, "section `a` is given twice".into())?;
    same(errors("=== t\n---a\n")?, "no space in `---a`".into())?;
    same(errors("=== t\n--- a: 1\n2\n")?, "extra lines in section `a`".into())?;
    same(errors("=== t\n--- a")?, "the file does not end in a newline".into())
}

fn only_and_last() -> Result<(), String> {
    let names = |data: &str| -> Vec<String> {
        Spec::parse(data.as_bytes()).blocks.into_iter().map(|b| b.name).collect()
    };
    same(names("__DATA__\n=== a\n=== b\n--- ONLY\n=== c\n"), vec!["b".to_owned()])?;
    same(names("__DATA__\n=== a\n--- LAST\n=== b\n--- ONLY\n"), vec!["a".to_owned()])
}

fn unknown_sections() -> Result<(), String> {
    refused(case_with("--- respones_body\nx\n"), "unknown section `respones_body`")?;
    refused(case("=== t\n--- config\n--- request\nGET /\n"), "asserts nothing")?;
    refused(case("=== t\n--- error_code: 200\n"), "no section `config`")
}

fn perl_literals() -> Result<(), String> {
    let text = |source: &str| match perl::eval(source.as_bytes())? {
        Value::Text(text) => Ok(text.escape_ascii().to_string()),
        other => Err(other.kind().to_owned()),
    };
    same(text(r#""a\r\n\t\0\x41\x{42}\103\$\@\\\"""#)?, r#"a\r\n\t\x00ABC$@\\\""#.into())?;
    same(text(r"'a\n\'\\'")?, r"a\\n\'\\".into())?;
    same(text("'a' . # comment\n 'b' x 3\n . ('c' . 'd') x 2;")?, "abbbcdcd".into())?;
    same(text("qq{a{b}\\n} . q(c)")?, "a{b}\\nc".into())?;
    let list = perl::eval(b"[1, 'a' => undef, qr/x/i, [{value => 'v', delay_before => 0.5}],]")?;
    let Value::List(items) = list else { return Err("not a list".into()) };
    let kinds: Vec<_> = items.iter().map(Value::kind).collect();
    same(kinds, vec!["text", "text", "undef", "a pattern", "a list"])
}

fn perl_refused() -> Result<(), String> {
    let eval = |source: &str| perl::eval(source.as_bytes());
    refused(eval(r#""$x""#), "unescaped `$`")?;
    refused(eval(r#""a@b""#), "an array in a string")?;
    refused(eval("qr/$x/"), "a variable in a pattern")?;
    refused(eval("$::Config"), "expected a string")?;
    refused(eval("'a' + 1"), "an operator or the end")?;
    refused(eval("'a"), "a string that ends")
}

fn patterns() -> Result<(), String> {
    let matches = |source: &str, flags: &str, text: &str| {
        Ok::<_, String>(Pattern::new(source.as_bytes(), flags)?.matches(text.as_bytes()))
    };
    same(matches("^a$", "", "a\n")?, true)?;
    same(matches("^b$", "", "a\nb\n")?, false)?;
    same(matches("^b$", "m", "a\nb\nc")?, true)?;
    same(matches("a.b", "", "a\nb")?, false)?;
    same(matches("a.b", "s", "a\nb")?, true)?;
    same(matches("A b # why", "xi", "ab")?, true)?;
    same(matches("a(?!b)", "", "ab")?, false)?;
    same(Pattern::new("ü.".as_bytes(), "")?.find("xüy".as_bytes()), Some("üy".as_bytes()))?;
    refused(Pattern::new(b"(", "").map(drop), "pattern /(/")
}

fn preamble() -> Result<(), String> {
    let text = "# vim: x\nuse Test::Nginx::Socket 'no_plan';\nuse lib 't';\nrepeat_each(2);\nlog_level 'warn'; # not 'debug'\n\
        #workers(9);\nworkers(2); master_on();\nplan tests => repeat_each() *\n (blocks() * 3);\n\
        our $HtmlDir = html_dir();\n$ENV{TEST_NGINX_HTML_DIR} ||= $HtmlDir;\n\
        env_to_nginx('A', 'B=1');\nno_root_location();\nrun_tests();\n";
    let preamble = Preamble::parse(text)?;
    same((preamble.repeat_each, preamble.workers), (2, 2))?;
    same(preamble.log_level.as_deref(), Some("warn"))?;
    same((preamble.master, preamble.root_location), (Some(true), false))?;
    same(preamble.env_to_nginx, vec!["A".to_owned(), "B=1".to_owned()])?;
    same(preamble.env["TEST_NGINX_HTML_DIR"].default_only, true)
}

fn preamble_refused() -> Result<(), String> {
    let parse = |text: &str| Preamble::parse(text).map(drop);
    refused(parse("add_block_preprocessor(sub { });"), "preamble: `add_block_preprocessor")?;
    refused(parse("our $Config = <<'_EOC_';"), "preamble: `our $Config")
}

/// What the requests of a case come to, packets apart by `|`.
fn requests(sections: &str) -> Result<Vec<String>, String> {
    let vars = Vars::new(&Preamble::default(), std::path::Path::new("/"))?;
    let requests = Requests::of(&case_with(sections)?, &vars, "localhost")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let packets = |r: &super::request::Request| {
        r.packets.iter().map(|p| text(&p.bytes)).collect::<Vec<_>>().join("|")
    };
    Ok(requests.list.iter().map(packets).collect())
}

fn request_headers() -> Result<(), String> {
    let close = "Host: localhost\r\nConnection: close\r\n";
    same(requests("--- request\n  GET /t\n")?, vec![format!("GET /t HTTP/1.1\r\n{close}\r\n")])?;
    same(
        requests("--- request\nGET /t HTTP/1.0\n--- more_headers\nhost: x\nFoo:bar\n")?,
        vec!["GET /t HTTP/1.0\r\nConnection: close\r\nhost: x\r\nFoo: bar\r\n\r\n".to_owned()],
    )?;
    same(requests("--- request eval\n[\"GET /a\", \"GET /b\"]\n")?.len(), 2)?;
    refused(requests("--- request\nGET /a b c d\n"), "bad request line")?;
    refused(requests(""), "no section `request`")
}

fn request_body() -> Result<(), String> {
    let ends = |sections: &str, end: &str| -> Result<(), String> {
        let request = requests(sections)?.concat();
        let found = request.ends_with(end);
        if found { Ok(()) } else { Err(format!("{request:?} does not end in {end:?}")) }
    };
    ends("--- request\nPOST /t\nhello\n", "close\r\nContent-Length: 5\r\n\r\nhello")?;
    ends("--- request eval\n\"POST /t\\n a\\nb \\n\"\n", "Content-Length: 3\r\n\r\na\nb")?;
    ends(
        "--- request eval\n\"POST /t\\r\\n5\\r\\nhello\\r\\n0\\r\\n\\r\\n\"\n--- more_headers\n\
         Transfer-Encoding: chunked\n",
        "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    )
}

fn request_packets() -> Result<(), String> {
    let sections =
        "--- request eval\n[[\"POST /t\\nhel\", {value => \"lo\", delay_before => 0.1}]]\n";
    let head = "POST /t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 5";
    same(requests(sections)?, vec![format!("{head}\r\n\r\nhel|lo")])?;
    same(requests("--- raw_request eval\n[\"GE\", \"T /\"]\n")?, vec!["GE|T /".to_owned()])
}

fn pipelined_requests() -> Result<(), String> {
    let got = requests("--- pipelined_requests eval\n['GET /a', 'GET /b']\n")?.concat();
    let one = "GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";
    let two = "GET /b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    same(got, format!("{one}{two}"))
}

fn responses() -> Result<(), String> {
    let response = Response::parse(
        b"HTTP/1.1 201 Created\r\nA: 1\r\na: 2\r\nTransfer-Encoding: chunked\r\n\r\n\
          3\r\nabc\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nxyz",
    )?;
    same((response.code.as_str(), &response.body[..]), ("201", &b"abc"[..]))?;
    same(response.header("A"), Some(b"1, 2".to_vec()))?;
    let next = Response::parse(&response.left)?;
    same((&next.body[..], &next.left[..]), (&b"xy"[..], &b"z"[..]))?;
    same(Response::parse(b"")?.code, String::new())
}

fn broken_chunks() -> Result<(), String> {
    let parse = |body: &str| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        Response::parse(format!("{head}{body}").as_bytes()).map(drop)
    };
    refused(parse(""), "no last chunk")?;
    refused(parse("5\r\nabc"), "chunk cut off")?;
    refused(parse("1\r\nabc\r\n0\r\n\r\n"), "no CRLF after a chunk")?;
    refused(parse("x\r\n"), "bad chunk")
}

fn environment() -> Result<(), String> {
    let vars = Vars::new(&Preamble::default(), std::path::Path::new("/srv"))?;
    let port = vars.port.number();
    let expand =
        |text: &str| vars.expand(text.as_bytes()).map(|t| String::from_utf8_lossy(&t).into_owned());
    same(expand("a:$TEST_NGINX_SERVER_PORT;")?, format!("a:{port};"))?;
    same(expand("$TEST_NGINX_RAND_PORT_1")?, expand("$TEST_NGINX_RAND_PORT_1")?)?;
    refused(expand("$TEST_NGINX_NO_SUCH_NAME"), "is set neither")?;
    refused(expand("${TEST_NGINX_SERVER_PORT}"), "without braces")?;
    same(replace_word(b"$A $AB", b"$A", b"1"), b"1 $AB".to_vec())
}

fn versions() -> Result<(), String> {
    same(version_after("nginx version: nginx/1.22.1 (x)\n", "nginx/"), Some((1, 22, 1)))?;
    let holds = |spec: &str| condition(spec, Some((1, 22, 1)));
    same(holds("3: < 1.23.0"), Some(true))?;
    same(holds("3: >= 1.23.0: because"), Some(false))?;
    same(holds("3: < 1.20.0 or >= 1.22.1"), Some(true))?;
    same(holds("3: > 1.20.0 and < 1.22.1"), Some(false))?;
    same(holds("< 1.20.0"), None)
}

fn durations() -> Result<(), String> {
    let millis = |text: &str| duration(text).map(|d| d.as_millis());
    same(millis("200ms")?, 200)?;
    same(millis("0.5")?, 500)?;
    same(millis("2s")?, 2000)?;
    refused(millis("soon"), "is no time")
}

fn ports() -> Result<(), String> {
    let (one, other) = (Port::lease()?, Port::lease()?);
    same(one.number() == other.number(), false)
}

fn differences() -> Result<(), String> {
    let short = difference("body", b"a\r\n", b"b\n");
    same(short, "body\n   expected \"b\\n\"\n   actual   \"a\\r\\n\"".to_owned())?;
    let long = difference("body", b"a\nc\n", b"a\nb");
    same(
        long,
        "body (- expected, + actual)\n   @@ -1,2 +1,2 @@\n    a\n   -b (no newline)\n   +c"
            .to_owned(),
    )
}
