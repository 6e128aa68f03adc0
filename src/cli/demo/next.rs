//! What people can do by hand once the story is told.

use std::path::Path;

use crate::cli::demo::broken::Broken;
use crate::cli::demo::folder::Folder;
use crate::cli::demo::place::Opened;
use crate::cli::demo::repository::quoted;
use crate::cli::demo::shop::{GREETING, PRODUCTION, SETTINGS};
use crate::cli::demo::story::Story;

/// Prints the commands.
pub(super) fn show(
    story: &mut Story<'_, '_>,
    program: &Path,
    folder: &Folder,
    place: &Opened,
) -> Result<(), Broken> {
    let namespace = story.view.namespace.clone();
    let repository = word(story.repository.path());
    let headstay = word(program);
    let kubectl = &place.kubectl;
    let screen = &mut *story.screen;

    screen.heading("It goes on until Ctrl-C. In another terminal:")?;
    if let Some(kubeconfig) = &place.kubeconfig {
        screen.command(&format!("export KUBECONFIG={}", word(kubeconfig)))?;
    }
    screen.command(&format!("export HEADSTAY_SERVER={}", story.view.api.server))?;
    for words in ["status", "history production", "diff production"] {
        screen.command(&format!("{headstay} {words}"))?;
    }
    screen.command(&format!("curl $HEADSTAY_SERVER/api/v1/applications/{PRODUCTION}"))?;
    screen.command(&format!("{kubectl} get deployments --all-namespaces"))?;
    screen.note("What is changed by hand is put back within seconds:")?;
    screen.command(&format!("{kubectl} --namespace {namespace} edit configmap {SETTINGS}"))?;
    screen.note("A push is applied at once, since a hook in the repository delivers it:")?;
    screen.command(&format!("git clone {repository} shop && cd shop"))?;
    screen.command(&format!(
        "sed -i 's/{GREETING}/Good evening/' apps/{PRODUCTION}/{SETTINGS}.yaml"
    ))?;
    screen.command("git commit --all --message 'Good evening' && git push")?;
    screen.note("How it is set up, and what it logs:")?;
    screen.command(&format!("cat {} {}", word(&folder.configuration()), word(&folder.log())))?;
    Ok(())
}

/// A path as a word for a shell, quoted where it must be.
fn word(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if path.chars().all(plain) { path } else { quoted(&path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_only_where_a_shell_needs_it() {
        assert_eq!(
            word(Path::new("/tmp/headstay-demo-Ab1/shop.git")),
            "/tmp/headstay-demo-Ab1/shop.git"
        );
        assert_eq!(word(Path::new("/home/ada/my files")), "'/home/ada/my files'");
    }
}
