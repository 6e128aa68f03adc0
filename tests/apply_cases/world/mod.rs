//! A kube-apiserver without controllers, in which nothing changes by itself; the rest is from the world
//! of the stories.

pub mod api_server;

#[path = "../../e2e/world/call.rs"]
pub mod call;
#[path = "../../e2e/world/kubernetes.rs"]
pub mod kubernetes;
#[path = "../../e2e/world/leash.rs"]
pub mod leash;
#[path = "../../e2e/world/wait.rs"]
pub mod wait;
