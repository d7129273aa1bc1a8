//! Makes statements of templates.
//!
//! A template is Lua text. `$x` in it is replaced by something random of the kind `x` (`values.rs`); `@` is the
//! beginning of a function, and `~` where a block of other statements goes. So a new API is one line in one of
//! the tables (`productions.rs`), in every phase and in every context at once.
use super::productions::{ANY, CONTEXTS, COROUTINES, Row, THREADS, TREE, WAITS};
use super::program::Node;
use super::random::Random;
use super::values;

/// Blocks are not nested deeper.
const DEEPEST: usize = 5;

/// Phases that run outside of the scheduler.
const DIRECT: &[&str] = &["set", "header_filter", "body_filter", "log", "exit_worker"];

pub(crate) struct Grammar<'a> {
    pub(crate) random: &'a mut Random,
    depth: usize,
    /// How many statements the chunk may still get.
    left: usize,
    /// Within a context in which nothing can wait: then it is tried more often.
    cramped: bool,
    /// Within a function that another request may run.
    shared: bool,
    /// Within a coroutine that the chunk has made: more of them make a tree.
    in_tree: bool,
    /// Whether LuaJIT's own functions for coroutines are used as well.
    raw: bool,
}

impl<'a> Grammar<'a> {
    pub(crate) fn new(random: &'a mut Random, phase: &str, raw: bool) -> Self {
        let left = 4 + random.below(24);
        // Coroutines made where nothing can wait are LuaJIT's own: they run for whoever resumes them.
        let shared = DIRECT.contains(&phase);
        Grammar { random, depth: 0, left, cramped: false, shared, in_tree: false, raw }
    }

    /// The statements of a whole chunk.
    pub(crate) fn chunk(mut self) -> Vec<Node> {
        let most = 2 + self.random.below(9);
        self.block(most)
    }

    fn block(&mut self, most: usize) -> Vec<Node> {
        let mut nodes = Vec::new();
        for _ in 0..1 + self.random.below(most) {
            if self.left == 0 {
                break;
            }
            self.left -= 1;
            nodes.push(self.statement());
        }
        nodes
    }

    fn statement(&mut self) -> Node {
        if !self.shared && self.random.one_in(12) {
            let own = "R.own(T)";
            return Node { tag: own, open: own.into(), body: Vec::new(), close: String::new() };
        }
        let row = if self.cramped && !self.random.one_in(3) {
            self.random.weighted(WAITS)
        } else if self.in_tree && self.random.one_in(3) {
            let table = self.random.pick(&[COROUTINES, THREADS]);
            self.random.weighted(table)
        } else if self.random.one_in(7) {
            self.random.weighted(CONTEXTS)
        } else {
            let table = self.random.weighted(ANY);
            self.random.weighted(table)
        };
        let row = *row;
        // One in six may end the chunk.
        let guarded = !self.random.one_in(6);
        self.node(row, guarded)
    }

    fn node(&mut self, row: Row, guarded: bool) -> Node {
        let (opening, closing) = row.template.split_once('~').unwrap_or((row.template, ""));
        let mut open = self.fill(opening);
        let outer = (self.cramped, self.shared, self.in_tree);
        self.in_tree |= row.template.starts_with(TREE);
        self.cramped |= row.cramped;
        self.shared |= row.shared;
        self.depth += 1;
        let has_body = row.template.contains('~');
        let body = match has_body {
            true if self.depth <= DEEPEST => self.block(4),
            _ => Vec::new(),
        };
        self.depth -= 1;
        (self.cramped, self.shared, self.in_tree) = outer;
        let mut close = self.fill(closing);
        if guarded {
            open.insert_str(0, "try(function() ");
            let end = if has_body { &mut close } else { &mut open };
            end.push_str(" end)");
        }
        Node { tag: row.template, open, body, close }
    }

    /// `template` with its placeholders replaced.
    fn fill(&mut self, template: &str) -> String {
        let mut text = String::new();
        let mut rest = template.chars();
        while let Some(c) = rest.next() {
            match c {
                '$' => {
                    let kind = rest.next().unwrap_or('v');
                    text.push_str(&values::any(self.random, kind));
                }
                '@' => text.push_str("function(...) if R.spent(S) then return end"),
                _ => text.push(c),
            }
        }
        if self.shared {
            // Whoever it runs for must not be given this request's token.
            text = text.replace("ngx.say(T)", "ngx.say(1)");
        }
        if self.raw { text } else { text.replace("coroutine._", "coroutine.") }
    }
}
