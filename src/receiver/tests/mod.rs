//! Deliveries of every host, as a whole: good ones, forged ones and broken ones.

mod reading;
mod verifying;

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, header};

use crate::config::Provider;

/// Every provider.
const PROVIDERS: [Provider; 9] = [
    Provider::GitHub,
    Provider::GitLab,
    Provider::Gitea,
    Provider::Forgejo,
    Provider::Gogs,
    Provider::BitbucketCloud,
    Provider::BitbucketDataCenter,
    Provider::AzureDevOps,
    Provider::Generic,
];

fn headers(entries: &[(&str, &str)]) -> HeaderMap {
    let entry = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
    };
    entries.iter().map(entry).collect()
}

fn form(json: &str) -> (HeaderMap, String) {
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("other", "1")
        .append_pair("payload", json)
        .finish();
    let kind = "application/x-www-form-urlencoded; charset=utf-8";
    (headers(&[(header::CONTENT_TYPE.as_str(), kind)]), body)
}
