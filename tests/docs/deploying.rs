//! `deploy/README.md`, on a real API server.

use crate::play::Play;
use crate::session::Session;
use crate::town::Town;

#[test]
fn deploying() {
    Play::of("deploy/README.md")
        .without("docker build", "it wants an image engine and a registry; scripts/check-image")
        .before("kubectl --namespace headstay create secret", ada_has_a_token)
        .before("mkdir ours", somebody_else_takes_kustomize)
        .in_town(Town::with_api_server());
}

fn ada_has_a_token(session: &mut Session) {
    session.run("printf %s \"$GIT_TOKEN\" >git-token.txt");
}

/// Who takes Kustomize has no chart. Nobody here takes the finalizers off volume claims.
fn somebody_else_takes_kustomize(session: &mut Session) {
    let free = r#"{"metadata":{"finalizers":null}}"#;
    session.run(&format!("kubectl --namespace headstay patch pvc headstay --patch '{free}'"));
    session.run("kubectl delete namespace headstay");
}
