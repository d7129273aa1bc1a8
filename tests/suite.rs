//! Runs t/ (placeholder until the runner lands).
fn main() {}
