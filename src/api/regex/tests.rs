//! Patterns against subjects, without nginx and without Lua.
use super::*;

const UTF8: u32 = 0x800;
const CASELESS: u32 = 0x1;
const JIT: i32 = Mode::JIT;
const DFA: i32 = Mode::DFA;
const NO_CHECK: i32 = Mode::NO_UTF8_CHECK;

struct Outcome {
    rc: i32,
    offsets: Vec<i32>,
}

fn matched(pattern: &[u8], bits: u32, flags: i32, subject: &[u8], at: i32) -> Outcome {
    let matcher = Matcher::new(pcre1::limits(0)).unwrap();
    let mode = Mode::of(flags);
    let code = compile(pattern, bits, mode).unwrap();
    let mut offsets = vec![-7; 2 * (code.captures() + 1)];
    let rc = run(&matcher, &code, mode.algorithm(), subject, at, &mut offsets);
    Outcome { rc, offsets }
}

#[test]
fn groups_are_told_by_every_way_of_running() {
    for flags in [0, JIT] {
        let found = matched(br"(\d)(x)?(y)?", 0, flags, b"ab1y", 0);
        assert_eq!((found.rc, found.offsets), (4, vec![2, 4, 2, 3, -1, -1, 3, 4]));
        let found = matched(br"(\d)(x)?", 0, flags, b"1", 0);
        assert_eq!((found.rc, found.offsets), (2, vec![0, 1, 0, 1, -1, -1]));
    }
    let found = matched(b"a|aa|aaa", 0, DFA, b"xaaa", 0);
    assert_eq!((found.rc, found.offsets), (0, vec![1, 4]));
    assert_eq!(matched(b"b", 0, DFA, b"ab", 0).rc, 1);
}

#[test]
fn offsets_outside_of_the_subject_are_refused() {
    for flags in [0, JIT, DFA] {
        for at in [4, -1, i32::MAX, i32::MIN] {
            assert_eq!(matched(b"", 0, flags, b"abc", at).rc, -24);
        }
        assert!(matched(b"", 0, flags, b"abc", 3).rc >= 0);
    }
}

#[test]
fn subjects_have_to_be_utf8_if_the_pattern_is() {
    for flags in [0, JIT, DFA] {
        assert_eq!(matched(b".", UTF8, flags, b"ab\xff", 0).rc, -10);
        assert_eq!(matched(b".", UTF8, flags, "aä".as_bytes(), 2).rc, -11);
        // The pattern may ask for it as well.
        assert_eq!(matched(b"(*UTF).", 0, flags, b"ab\xff", 0).rc, -10);
        let found = matched("Ä".as_bytes(), UTF8 | CASELESS, flags, "xä".as_bytes(), 0);
        assert_eq!(found.offsets, [1, 3]);
    }
}

#[test]
fn what_is_not_checked_is_safe_all_the_same() {
    for flags in [NO_CHECK, NO_CHECK | JIT] {
        let found = matched(b"..", UTF8, flags, b"a\xe4\xbdbc", 0);
        assert_eq!((found.rc, found.offsets), (1, vec![3, 5]));
        assert_eq!(matched(b"[^x]", UTF8, flags, b"\xff\xc3", 0).rc, -1);
        assert_eq!(matched(b"b", UTF8, flags, b"\xe4\xbd\xa0b", 1).rc, 1);
    }
    assert_eq!(matched(b".", UTF8, NO_CHECK | DFA, b"\xff", 0).rc, -10);
}

#[test]
fn a_match_does_not_begin_before_the_search() {
    for flags in [0, JIT] {
        let Ok(code) = compile(br"(?<=(?=(a\K)))b|(?1)b", 0, Mode::of(flags)) else { continue };
        let matcher = Matcher::new(pcre1::limits(0)).unwrap();
        let mut offsets = vec![0; 2 * (code.captures() + 1)];
        let rc = run(&matcher, &code, Algorithm::Backtracking, b"ab", 1, &mut offsets);
        assert!(rc < 0 || (1 <= offsets[0] && offsets[0] <= offsets[1]), "{rc} {offsets:?}");
    }
}

#[test]
fn what_a_pattern_asks_for_itself_holds_for_machine_code_as_well() {
    for flags in [0, JIT] {
        let found = matched(b"(*NOTEMPTY)a*", 0, flags, b"ba", 0);
        assert_eq!((found.rc, found.offsets), (1, vec![1, 2]));
    }
}

#[test]
fn the_limit_ends_what_would_not_end() {
    let matcher = Matcher::new(pcre1::limits(5000)).unwrap();
    for flags in [0, JIT] {
        let code = compile(b"(?:.*)*x?$y", 0, Mode::of(flags)).unwrap();
        let mut offsets = [0; 2];
        let subject = b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaay";
        let rc = run(&matcher, &code, Algorithm::Backtracking, subject, 0, &mut offsets);
        assert_eq!(rc, -8);
    }
}

#[test]
fn an_expensive_match_leaves_no_memory_behind() {
    let matcher = Matcher::new(pcre1::limits(0)).unwrap();
    let code = compile(b"^(?:a|b)*(?:c|d)", 0, Mode::of(0)).unwrap();
    let mut offsets = [0; 2];
    let subject = vec![b'a'; 100_000];
    assert_eq!(run(&matcher, &code, Algorithm::Backtracking, &subject, 0, &mut offsets), -1);
    assert!(matcher.memory_held() < 100_000);
    // 64 MB are the end.
    let subject = vec![b'a'; 2_000_000];
    assert_eq!(run(&matcher, &code, Algorithm::Backtracking, &subject, 0, &mut offsets), -21);
    assert!(matcher.memory_held() < 100_000);
}

#[test]
fn one_matcher_serves_patterns_of_any_size() {
    let matcher = Matcher::new(pcre1::limits(0)).unwrap();
    for groups in [0, 40, 3, 200, 1] {
        let pattern = "(a)".repeat(groups);
        let code = compile(pattern.as_bytes(), 0, Mode::of(JIT)).unwrap();
        let mut offsets = vec![0; 2 * (groups + 1)];
        let subject = "a".repeat(groups);
        let rc = run(&matcher, &code, Algorithm::Backtracking, subject.as_bytes(), 0, &mut offsets);
        assert_eq!(rc as usize, groups + 1);
        assert_eq!(offsets[1] as usize, groups);
    }
}

/// xorshift: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    fn text(&mut self, pieces: &[&[u8]], most: usize) -> Vec<u8> {
        let count = self.below(most);
        (0..count).flat_map(|_| pieces[self.below(pieces.len())].to_vec()).collect()
    }
}

#[test]
fn random_patterns_and_subjects_do_no_harm() {
    const PATTERN: &[&[u8]] = &[
        b"a",
        b"b",
        b".",
        b"*",
        b"+",
        b"?",
        b"(",
        b")",
        b"(?:",
        b"(?=",
        b"(?!",
        b"(?<=",
        b"(?<!",
        b"(?>",
        b"(?<n>",
        b"\\1",
        b"\\k<n>",
        b"(?R)",
        b"(?1)",
        b"|",
        b"[",
        b"]",
        b"^",
        b"$",
        b"-",
        b"\\w",
        b"\\d",
        b"\\b",
        b"\\K",
        b"\\X",
        b"\\C",
        b"\\p{L}",
        b"{2}",
        b"{0,3}",
        b"\\",
        b"(?i)",
        b"(*ACCEPT)",
        b"(*SKIP)",
        b"(*UTF)",
        b"\\R",
        b"\\h",
        b"\xc3\xa4",
        b"\xff",
        b"\0",
        b"[^a]",
        b"[\\w-.]",
        b"(?(1)a|b)",
        b"(?C)",
        b"\\Q",
        b"\\E",
        b"(?|",
    ];
    const SUBJECT: &[&[u8]] = &[
        b"a",
        b"b",
        b"A",
        b"\n",
        b"\r\n",
        b"\xc3\xa4",
        b"\xc3",
        b"\xff",
        b"\xf0\x9f",
        b"1",
        b"\0",
    ];
    const BITS: &[u32] = &[0x1, 0x2, 0x4, 0x8, 0x10, UTF8, 0x8_0000, 0x200_0000];
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let matcher = Matcher::new(pcre1::limits(20_000)).unwrap();
    let mut compiled = 0;
    for _ in 0..60_000 {
        let pattern = random.text(PATTERN, 9);
        let bits = (0..2).fold(0, |bits, _| bits | BITS[random.below(BITS.len())]);
        let mode = Mode::of([0, JIT, DFA, NO_CHECK, NO_CHECK | JIT][random.below(5)]);
        let Ok(code) = compile(&pattern, bits, mode) else { continue };
        compiled += 1;
        let groups = if mode.algorithm() == Algorithm::Dfa { 0 } else { code.captures() };
        let mut offsets = vec![0; 2 * (groups + 1)];
        for _ in 0..3 {
            let subject = random.text(SUBJECT, 12);
            let at = random.below(subject.len() + 1);
            let rc = run(&matcher, &code, mode.algorithm(), &subject, at as i32, &mut offsets);
            assert!(rc <= groups as i32 + 1);
            if rc < 0 {
                continue;
            }
            let (from, to) = (offsets[0] as usize, offsets[1] as usize);
            assert!(at <= from && from <= to && to <= subject.len());
            for pair in offsets.chunks(2) {
                assert!(pair.iter().all(|offset| (-1..=subject.len() as i32).contains(offset)));
            }
        }
    }
    assert!(compiled > 10_000, "{compiled}");
}
