//! The `headstay` program.

fn main() {}
