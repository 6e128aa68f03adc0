//! A thin client of the API.

use std::time::Duration;

use serde_json::Value;

use crate::cli::{ClientArgs, CommandError};

/// Longest time for an answer; a diff asks Git and a cluster.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Speaks to one server.
pub(super) struct Client<'a> {
    args: &'a ClientArgs,
    agent: ureq::Agent,
}

impl<'a> Client<'a> {
    pub(super) fn new(args: &'a ClientArgs) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .build()
            .into();
        Self { args, agent }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.args.server.trim_end_matches('/'))
    }

    fn bearer(&self) -> String {
        self.args.token.as_ref().map(|token| format!("Bearer {token}")).unwrap_or_default()
    }

    /// Reads a path below `/api/v1`.
    pub(super) fn get(&self, path: &str) -> Result<Value, CommandError> {
        let mut request = self.agent.get(self.url(path));
        if self.args.token.is_some() {
            request = request.header("Authorization", self.bearer());
        }
        self.answer(request.call())
    }

    /// Sends a change to a path below `/api/v1`.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, CommandError> {
        let mut request =
            self.agent.post(self.url(path)).header("Content-Type", "application/json");
        if self.args.token.is_some() {
            request = request.header("Authorization", self.bearer());
        }
        self.answer(request.send(body.to_string()))
    }

    fn answer(
        &self,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Value, CommandError> {
        let server = &self.args.server;
        let mut response = response.map_err(|error| {
            CommandError::failed(format!("no answer from {server}: {error}; is it running?"))
        })?;
        let status = response.status();
        let text = response.body_mut().read_to_string().map_err(|error| {
            CommandError::failed(format!("the answer of {server} broke off: {error}"))
        })?;
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        let detail = body["detail"].as_str().unwrap_or("the answer has no explanation");
        Err(CommandError::failed(format!("{server} answered {status}: {detail}")))
    }
}
