//! The pages of `docs/`, most of which go on from README's own cluster.

use crate::play::Play;
use crate::readme::{OWN_CLUSTER, PUSHED, ada_says_hello, github_pushes};
use crate::session::Session;
use crate::town::Town;

fn from_own_cluster(play: Play) -> Play {
    let (readme, heading) = OWN_CLUSTER;
    play.after(readme, heading).before(PUSHED, ada_says_hello)
}

#[test]
fn http() {
    from_own_cluster(Play::of("docs/http.md"))
        .before("id=$(curl -s -H \"$A\" \"$U/api/v1/syncs?state=Blocked", ada_closes_the_archive)
        .in_town(Town::with_sandbox().and_a_shop());
}

fn ada_closes_the_archive(session: &mut Session) {
    let archive = "apiVersion: v1\nkind: Namespace\nmetadata: {name: archive}\n";
    for (message, archive) in [("Open the archive", Some(archive)), ("Close the archive", None)] {
        session.town().push(message, &[("apps/shop/archive.yaml", archive)]);
        session.run("headstay sync shop --wait");
    }
}

#[test]
fn operations() {
    from_own_cluster(Play::of("docs/operations.md"))
        .before("strace", Session::interrupt)
        .before("sed -n", github_pushes)
        .in_town(Town::with_sandbox().and_a_shop());
}

#[test]
fn demo() {
    Play::of("docs/demo.md").in_town(Town::with_sandbox());
}

#[test]
fn sandbox() {
    Play::of("docs/sandbox.md").in_town(Town::with_sandbox());
}

#[test]
fn quick_start() {
    Play::of("docs/quick-start.md").in_town(Town::with_sandbox());
}

#[test]
fn webhooks() {
    Play::of("docs/webhooks.md").in_town(Town::with_sandbox().and_a_shop());
}

#[test]
fn configuration() {
    let parts = ["server:", "store:", "receivers:", "clusters:", "repositories:", "applications:"];
    let page = Play::of("docs/configuration.md");
    let left_out = |page: Play, part| page.without(part, "config::tests holds it to the code");
    parts.into_iter().fold(page, left_out).nowhere();
}
