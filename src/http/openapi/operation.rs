//! One line of the table: what is served at a path, to whom, and what the document says of it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{self, MethodRouter};
use serde_json::{Value, json};
use tower_http::timeout::RequestBodyDeadlineLayer;

use crate::config::Role;
use crate::http::App;
use crate::http::auth::authorize;
use crate::http::body::READ_TIMEOUT;
use crate::http::openapi::schemas::Schemas;
use crate::http::openapi::signature::{Signature, Sketch};
use crate::http::problem::Problem;

/// Operations that belong together.
pub(in crate::http) struct Section {
    /// Its name.
    pub(in crate::http) tag: &'static str,
    /// What its operations are about.
    pub(in crate::http) about: &'static str,
    /// Its operations.
    pub(in crate::http) operations: Vec<Operation>,
}

/// What is served at one path by one method.
pub(in crate::http) struct Operation {
    /// Its name, as clients that are generated call it.
    pub(in crate::http) id: &'static str,
    /// Where, and by whom it is handled.
    pub(in crate::http) route: Route,
    /// Who may ask.
    pub(in crate::http) access: Access,
    /// What it is for, in a few words.
    pub(in crate::http) summary: &'static str,
    /// What else is to be known; may be empty.
    pub(in crate::http) description: &'static str,
    /// Answers that neither the signature of the handler nor `access` tells of, each with when it
    /// comes.
    pub(in crate::http) problems: &'static [(StatusCode, &'static str)],
}

/// Who may ask.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) enum Access {
    /// Everybody.
    Everybody,
    /// A Git host, which proves itself by what it sends; the handler checks that.
    Signature,
    /// The holder of a token with at least this role.
    Token(Role),
}

impl Access {
    /// The name of the scheme of [`Access::Token`] in the document.
    pub(super) const TOKEN: &'static str = "token";
    /// The name of the scheme of [`Access::Signature`] in the document.
    pub(super) const SIGNATURE: &'static str = "signature";

    fn security(self) -> Value {
        match self {
            Self::Everybody => json!([]),
            Self::Signature => json!([{ Self::SIGNATURE: [] }]),
            // Roles of a scheme that is not OAuth's are allowed since OpenAPI 3.1.
            Self::Token(Role::Viewer) => json!([{ Self::TOKEN: ["viewer"] }]),
            Self::Token(Role::Operator) => json!([{ Self::TOKEN: ["operator"] }]),
        }
    }
}

/// A path with its handler, and what the signature of that says.
pub(in crate::http) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    service: MethodRouter<App>,
    tell: fn(&mut Sketch),
}

/// Handles GET (and HEAD) at a path.
pub(in crate::http) fn get<H, A, S>(path: &'static str, handler: H) -> Route
where
    H: Handler<A, App> + Signature<S>,
    A: 'static,
{
    Route { method: "get", path, service: routing::get(handler), tell: H::tell }
}

/// Handles POST at a path.
pub(in crate::http) fn post<H, A, S>(path: &'static str, handler: H) -> Route
where
    H: Handler<A, App> + Signature<S>,
    A: 'static,
{
    Route { method: "post", path, service: routing::post(handler), tell: H::tell }
}

/// Refuses a parameter that the operation does not have: a filter that is mistyped would show all.
async fn knows_parameters(
    State(known): State<Arc<Vec<String>>>,
    request: Request,
    next: Next,
) -> Response {
    let query = request.uri().query().unwrap_or_default().as_bytes();
    let mut given = form_urlencoded::parse(query).map(|(name, _)| name);
    let Some(unknown) = given.find(|name| !known.iter().any(|known| known == name)) else {
        return next.run(request).await;
    };
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let unknown = unknown.escape_debug();
    Problem::bad_request(format!("unknown parameter `{unknown}`; there is: {known}"))
        .into_response()
}

impl Operation {
    /// Puts it into the router, behind the check of who asks.
    pub(in crate::http) fn serve(self, router: Router<App>, app: &App) -> Router<App> {
        let known = self.parameters();
        let Route { path, service, .. } = self.route;
        let service = match self.access {
            Access::Token(role) => service
                .route_layer(from_fn_with_state(known, knows_parameters))
                .route_layer(from_fn_with_state((app.clone(), role), authorize))
                .layer(RequestBodyDeadlineLayer::new(READ_TIMEOUT)),
            Access::Everybody | Access::Signature => service,
        };
        // The URL of a webhook is typed by people into foreign forms.
        let router = match self.access {
            Access::Signature => router.route(&format!("{path}/"), service.clone()),
            Access::Everybody | Access::Token(_) => router,
        };
        router.route(path, service)
    }

    /// The parameters of the query that the document has.
    fn parameters(&self) -> Arc<Vec<String>> {
        let mut schemas = Schemas::default();
        let mut sketch = Sketch::new(self.route.path, &mut schemas);
        (self.route.tell)(&mut sketch);
        Arc::new(sketch.query_parameters().map(str::to_owned).collect())
    }

    /// What the document says of it.
    pub(super) fn describe(&self, tag: &str, schemas: &mut Schemas) -> Value {
        let mut sketch = Sketch::new(self.route.path, schemas);
        (self.route.tell)(&mut sketch);
        if let Access::Token(role) = self.access {
            sketch.problem(400, "a parameter is not known");
            sketch.problem(401, "there is no token, or a wrong one");
            sketch.problem(403, "the role of the token is not enough");
            sketch.problem(403, "no token is configured, and this is not the same machine");
            if role == Role::Operator {
                sketch.problem(415, "the `Content-Type` is not `application/json`");
            }
        }
        for (status, when) in self.problems {
            sketch.problem(status.as_u16(), when);
        }
        let mut described = json!({
            "operationId": self.id,
            "tags": [tag],
            "summary": self.summary,
            "description": self.description,
            "security": self.access.security(),
        });
        sketch.finish(&mut described);
        if self.description.is_empty()
            && let Some(described) = described.as_object_mut()
        {
            described.shift_remove("description");
        }
        described
    }
}
