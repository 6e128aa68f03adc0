//! Asks before anything is done to a cluster of somebody.

use std::io::{self, BufRead, IsTerminal};

use crate::cli::CommandError;
use crate::cli::demo::shop::{APPLICATIONS, Shop};
use crate::cli::terminal::Terminal;
use crate::config::kubeconfig;

/// The address of the cluster of a context, as the usual kubeconfig tells it.
pub(super) fn server_of(context: &str) -> Result<String, CommandError> {
    let kubeconfig = kubeconfig::read(None).map_err(|error| {
        CommandError::wrong_usage(format!(
            "read the kubeconfig (KUBECONFIG, else ~/.kube/config): {error}"
        ))
    })?;
    let found = kubeconfig.contexts.iter().find(|named| named.name == context);
    let Some(found) = found.and_then(|named| named.context.as_ref()) else {
        let names: Vec<_> = kubeconfig.contexts.iter().map(|named| named.name.as_str()).collect();
        return Err(CommandError::wrong_usage(format!(
            "the kubeconfig has no context `{context}`; it has: {}",
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        )));
    };
    let cluster = kubeconfig.clusters.iter().find(|named| named.name == found.cluster);
    let server = cluster.and_then(|named| named.cluster.as_ref()?.server.clone());
    Ok(server.unwrap_or_else(|| "an unknown address".to_owned()))
}

/// Asks on the terminal; without a terminal nobody can be asked, which is an error.
pub(super) fn ask(
    out: &mut Terminal<'_>,
    context: &str,
    server: &str,
    shop: &Shop,
) -> Result<bool, CommandError> {
    if !io::stdin().is_terminal() {
        return Err(CommandError::wrong_usage(
            "there is no terminal to ask on before anything is done to the cluster: give --yes",
        ));
    }
    let namespaces = APPLICATIONS.map(|application| shop.namespace(application)).join(" and ");
    for line in [
        &*format!("The demo will be played on the cluster of context {context} ({server})."),
        &format!("It makes the namespaces {namespaces} with a small shop in them,"),
        "and one CustomResourceDefinition; at the end it deletes all of it again.",
    ] {
        out.line(line)?;
    }
    out.ask("Go on? [y/N]")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        assert!(is_yes("y\n") && is_yes(" YES \n"));
        assert!(!is_yes("") && !is_yes("\n") && !is_yes("no\n") && !is_yes("yesterday\n"));
    }
}
