//! Responses of subrequests as Lua tables.
use super::{Answer, spare};
use crate::nginx::headers::response::{self, Derived};
use crate::vm::Stack;

/// How many headers there may be besides nginx's list.
const DERIVED: usize = 4;

/// Pushes a table for each answer, and returns how many. stack: [-0, +n, m]
pub(super) fn push_all(answers: &[Answer], stack: Stack) -> i32 {
    let count = answers.len() as i32;
    // The number was checked when the subrequests were made.
    stack.reserve(count + ROOM);
    for answer in answers {
        push(answer, stack);
    }
    count
}

/// What pushing one answer needs besides the result.
pub(super) const ROOM: i32 = 8;

fn push(answer: &Answer, stack: Stack) {
    stack.new_table(0, 4);
    stack.push_integer(answer.status.get() as isize);
    stack.set_raw_field(-2, b"status");
    stack.push_boolean(!answer.complete.get());
    stack.set_raw_field(-2, b"truncated");
    let body = answer.body.take();
    stack.push_bytes(&body);
    spare::give(body);
    stack.set_raw_field(-2, b"body");
    push_headers(answer, stack);
    stack.set_raw_field(-2, b"header");
}

fn push_headers(answer: &Answer, stack: Stack) {
    let r = answer.request;
    stack.new_table(0, (response::count(r) + DERIVED) as i32);
    let table = stack.top();
    for (name, value) in response::all(r) {
        stack.push_bytes(name);
        stack.push_bytes(value);
        stack.add_field(table);
    }
    response::derived(r, |name, value| {
        match value {
            Derived::Text(text) => stack.push_bytes(text),
            Derived::Number(number) => stack.push_number(number as f64),
        }
        stack.set_raw_field(table, name);
    });
}
