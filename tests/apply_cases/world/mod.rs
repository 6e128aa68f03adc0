//! What is taken from the world of the stories.

#[path = "../../e2e/world/api_server.rs"]
pub mod api_server;
#[path = "../../e2e/world/call.rs"]
pub mod call;
#[path = "../../e2e/world/kubernetes.rs"]
pub mod kubernetes;
#[path = "../../e2e/world/leash.rs"]
pub mod leash;
#[path = "../../e2e/world/random.rs"]
pub mod random;
#[path = "../../e2e/world/wait.rs"]
pub mod wait;
