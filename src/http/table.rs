//! Everything that is served. The router is made from this table and so is the OpenAPI document: what
//! is not in it is neither.

use axum::http::StatusCode;

use crate::config::Role;
use crate::http::api::{applications, deliveries, diff, status, syncs};
use crate::http::openapi;
use crate::http::openapi::operation::{Access, Operation, Section, get, post};
use crate::http::{probes, webhooks};

const READ: Access = Access::Token(Role::Viewer);
const CHANGE: Access = Access::Token(Role::Operator);

const NO_APPLICATION: (StatusCode, &str) =
    (StatusCode::NOT_FOUND, "there is no such application in the configuration");
const NO_STORE: (StatusCode, &str) = (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer");

/// The operations, in the order in which the document has them.
pub(super) fn sections() -> Vec<Section> {
    vec![
        Section {
            tag: "status",
            about: "Everything at a glance.",
            operations: vec![Operation {
                id: "getStatus",
                route: get("/api/v1/status", status::status),
                access: READ,
                summary: "The installation, its queue and all its applications",
                description: "",
                problems: &[NO_STORE],
            }],
        },
        Section {
            tag: "applications",
            about: "What is kept applied: its state, its inventory, and what is asked of it.",
            operations: of_applications(),
        },
        Section {
            tag: "syncs",
            about: "The history, the queue, and what a person decides about one sync.",
            operations: of_syncs(),
        },
        Section {
            tag: "deliveries",
            about: "What Git hosts sent, and what became of it.",
            operations: of_deliveries(),
        },
        Section {
            tag: "webhooks",
            about: "The door for Git hosts.",
            operations: vec![of_webhooks()],
        },
        Section {
            tag: "probes",
            about: "For those that watch over Headstay itself. They need no token.",
            operations: of_probes(),
        },
    ]
}

fn of_applications() -> Vec<Operation> {
    vec![
        Operation {
            id: "listApplications",
            route: get("/api/v1/applications", applications::list),
            access: READ,
            summary: "All applications, by name",
            description: "It is one page: `next` is always null.",
            problems: &[NO_STORE],
        },
        Operation {
            id: "getApplication",
            route: get("/api/v1/applications/{name}", applications::one),
            access: READ,
            summary: "One application with its inventory and its last error",
            description: "",
            problems: &[NO_APPLICATION, NO_STORE],
        },
        Operation {
            id: "diffApplication",
            route: get("/api/v1/applications/{name}/diff", diff::diff),
            access: READ,
            summary: "What a sync would change now",
            description: "It fetches, and asks the API server by dry runs; nothing is written. \
                Values of Secrets are masked.",
            problems: &[
                NO_APPLICATION,
                (StatusCode::TOO_MANY_REQUESTS, "another diff of the application is being made"),
                (StatusCode::BAD_GATEWAY, "Git or the API server does not answer, or refuses"),
            ],
        },
        Operation {
            id: "syncApplication",
            route: post("/api/v1/applications/{name}/sync", applications::sync),
            access: CHANGE,
            summary: "Asks for a sync",
            description: "It joins a sync of the same options that is queued already, and answers \
                with that one.",
            problems: &[NO_APPLICATION, NO_STORE],
        },
    ]
}

fn of_syncs() -> Vec<Operation> {
    vec![
        Operation {
            id: "listSyncs",
            route: get("/api/v1/syncs", syncs::list),
            access: READ,
            summary: "The history and the queue, newest first",
            description: "",
            problems: &[NO_STORE],
        },
        Operation {
            id: "getSync",
            route: get("/api/v1/syncs/{id}", syncs::one),
            access: READ,
            summary: "One sync with the result of each object",
            description: "",
            problems: &[NO_STORE],
        },
        Operation {
            id: "approveSync",
            route: post("/api/v1/syncs/{id}/approve", syncs::approve),
            access: CHANGE,
            summary: "Lets a blocked sync do what its plan shows",
            description: "The approval holds for exactly that plan, by its hash. Who sends the hash \
                that was looked at approves no plan that came since.",
            problems: &[
                (StatusCode::CONFLICT, "there is nothing to approve, or the plan is another one"),
                NO_STORE,
            ],
        },
        Operation {
            id: "cancelSync",
            route: post("/api/v1/syncs/{id}/cancel", syncs::cancel),
            access: CHANGE,
            summary: "Stops a sync",
            description: "One that runs stops between two objects, all others at once.",
            problems: &[(StatusCode::CONFLICT, "it has ended already"), NO_STORE],
        },
    ]
}

fn of_deliveries() -> Vec<Operation> {
    vec![
        Operation {
            id: "listDeliveries",
            route: get("/api/v1/deliveries", deliveries::list),
            access: READ,
            summary: "The deliveries, newest first",
            description: "Of those that failed verification one per minute and receiver.",
            problems: &[NO_STORE],
        },
        Operation {
            id: "getDelivery",
            route: get("/api/v1/deliveries/{id}", deliveries::one),
            access: READ,
            summary: "One delivery",
            description: "",
            problems: &[NO_STORE],
        },
    ]
}

fn of_webhooks() -> Operation {
    Operation {
        id: "receiveWebhook",
        route: post("/webhooks/{receiver}", webhooks::receive),
        access: Access::Signature,
        summary: "Takes a delivery of a Git host",
        description: "The receiver of the configuration says which host it is and with which \
            secret it signs. The body is verified as it comes, byte for byte.",
        problems: &[
            (StatusCode::BAD_REQUEST, "it is verified, but cannot be read"),
            (StatusCode::UNAUTHORIZED, "the signature is missing or wrong"),
            (StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
            (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is compressed"),
            (StatusCode::TOO_MANY_REQUESTS, "too many deliveries failed verification"),
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "it cannot be verified or made durable now, or there is no room for its body",
            ),
        ],
    }
}

fn of_probes() -> Vec<Operation> {
    vec![
        Operation {
            id: "getHealth",
            route: get("/healthz", probes::healthz),
            access: Access::Everybody,
            summary: "Whether the process runs",
            description: "",
            problems: &[],
        },
        Operation {
            id: "getReadiness",
            route: get("/readyz", probes::readyz),
            access: Access::Everybody,
            summary: "Whether deliveries can be made durable",
            description: "",
            problems: &[(StatusCode::SERVICE_UNAVAILABLE, "not now, for the reason in `detail`")],
        },
        Operation {
            id: "getMetrics",
            route: get("/metrics", probes::metrics),
            access: Access::Everybody,
            summary: "The metrics",
            description: "",
            problems: &[
                (StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written"),
                NO_STORE,
            ],
        },
        Operation {
            id: "getOpenApi",
            route: get("/api/openapi.json", openapi::serve),
            access: Access::Everybody,
            summary: "This document",
            description: "",
            problems: &[],
        },
    ]
}
