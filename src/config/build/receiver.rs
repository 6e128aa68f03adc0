//! `receivers`.

use crate::config::problem::{Place, Problems};
use crate::config::raw::receiver as raw;
use crate::config::{Provider, Receiver, ReceiverAuth};

/// A receiver whose secrets fit its provider.
pub(super) fn receiver(
    raw: raw::Receiver,
    place: &Place<'_>,
    problems: &mut Problems,
) -> Option<Receiver> {
    let proofs = match raw.secrets {
        raw::Proofs::Many(proofs) => proofs,
        raw::Proofs::One(proof) => vec![proof],
    };
    let auth = if raw.provider == raw::Provider::AzureDevops {
        azure(proofs).ok_or(
            "Azure DevOps signs nothing: expected one {username: …, password: …} or \
             {header: …, value: …}",
        )
    } else {
        secrets(proofs).ok_or("expected at least one secret, each as {env: NAME} or {file: PATH}")
    };
    match auth {
        Ok(auth) => Some(Receiver { name: raw.name, provider: provider(raw.provider), auth }),
        Err(expected) => {
            problems.report_whole(&place.key("secrets"), expected);
            None
        }
    }
}

fn azure(proofs: Vec<raw::Proof>) -> Option<ReceiverAuth> {
    let [proof] = <[raw::Proof; 1]>::try_from(proofs).ok()?;
    match proof {
        raw::Proof::Secret(_) => None,
        raw::Proof::Basic(raw::BasicProof { username, password }) => {
            Some(ReceiverAuth::Basic { username, password: password.into() })
        }
        raw::Proof::Header(raw::HeaderProof { header, value }) => {
            Some(ReceiverAuth::Header { name: header.to_ascii_lowercase(), value: value.into() })
        }
    }
}

fn secrets(proofs: Vec<raw::Proof>) -> Option<ReceiverAuth> {
    let secret = |proof| match proof {
        raw::Proof::Secret(secret) => Some(secret.into()),
        raw::Proof::Basic(_) | raw::Proof::Header(_) => None,
    };
    let secrets: Option<Vec<_>> = proofs.into_iter().map(secret).collect();
    secrets.filter(|secrets| !secrets.is_empty()).map(ReceiverAuth::Secrets)
}

fn provider(raw: raw::Provider) -> Provider {
    match raw {
        raw::Provider::Github => Provider::GitHub,
        raw::Provider::Gitlab => Provider::GitLab,
        raw::Provider::Gitea => Provider::Gitea,
        raw::Provider::Forgejo => Provider::Forgejo,
        raw::Provider::Gogs => Provider::Gogs,
        raw::Provider::BitbucketCloud => Provider::BitbucketCloud,
        raw::Provider::BitbucketDataCenter => Provider::BitbucketDataCenter,
        raw::Provider::AzureDevops => Provider::AzureDevOps,
        raw::Provider::Generic => Provider::Generic,
    }
}
