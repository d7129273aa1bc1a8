//! The locations of the server: a kind of content, filters, error pages and early phases, in every combination.
use std::fmt::Write as _;

use super::random::Random;

/// Who makes the content, and how often it is chosen.
const CONTENTS: &[(usize, (&str, &str))] = &[
    (12, ("lua", "content_by_lua_block { runtime.run(\"content\") }")),
    (1, ("file", "alias $ROOT/file.txt;")),
    (1, ("proxied", "proxy_pass http://127.0.0.1:$PORT0/l/lua-none-none-bare?c=s&d=2;")),
    (1, ("returned", "return 200 \"returned\";")),
    (1, ("included", "ssi on; ssi_types *; alias $ROOT/included.txt;")),
];

const HEADER_FILTER: &str = "header_filter_by_lua_block { runtime.run(\"header_filter\") }";
const BODY_FILTER: &str = "body_filter_by_lua_block { runtime.run(\"body_filter\") }";

const FILTERS: &[(usize, (&str, &[&str]))] = &[
    (3, ("none", &[])),
    (3, ("header", &[HEADER_FILTER])),
    (1, ("body", &[BODY_FILTER])),
    (3, ("both", &[HEADER_FILTER, BODY_FILTER])),
];

const ERRORS: &[(usize, (&str, &str))] = &[
    (2, ("none", "")),
    (2, ("static", "error_page 400 403 404 413 416 500 502 503 504 /static;")),
    (2, ("lua", "error_page 400 403 404 413 416 500 502 503 504 =200 /error;")),
    (1, ("named", "error_page 400 403 404 413 416 500 502 503 504 @named;")),
    (
        1,
        (
            "caught",
            "proxy_intercept_errors on; recursive_error_pages on; error_page 404 500 502 503 /error;",
        ),
    ),
];

const EARLY: &[(usize, (&str, &str))] = &[
    (3, ("bare", "")),
    (
        4,
        (
            "early",
            "set_by_lua_block $y { return runtime.run(\"set\") } rewrite_by_lua_block { runtime.run(\"rewrite\") }
            access_by_lua_block { runtime.run(\"access\") } precontent_by_lua_block { runtime.run(\"precontent\") }",
        ),
    ),
];

/// The path of one of them.
pub(crate) fn any(random: &mut Random) -> String {
    let content = random.weighted(CONTENTS).0;
    let filters = random.weighted(FILTERS).0;
    let errors = random.weighted(ERRORS).0;
    let early = random.weighted(EARLY).0;
    format!("/l/{content}-{filters}-{errors}-{early}")
}

/// All of them for nginx.conf.
pub(crate) fn locations() -> String {
    let mut text = String::new();
    for (_, (content, serve)) in CONTENTS {
        for (_, (filters, filter)) in FILTERS {
            for (_, (errors, page)) in ERRORS {
                for (_, (early, phases)) in EARLY {
                    let filter = filter.join(" ");
                    let _ = writeln!(
                        text,
                        "location = /l/{content}-{filters}-{errors}-{early} {{ {page} {phases} {filter} {serve} }}"
                    );
                }
            }
        }
    }
    text
}
