//! `headstay demo --once`, as it is run where there is nothing but this program.

use crate::demo::{Demo, STORY};

#[test]
fn alone_it_tells_its_story_and_ends() {
    let demo = Demo::start(&["--once"], None);
    let status = demo.end(STORY);
    assert_eq!(status.code(), Some(0), "{}", demo.told());
    demo.assert_told();
}
