//! The API server of a world, as the stories know it. Which one it is says the root of the test: the
//! real one (`kube_apiserver.rs`) or the sandbox (`sandbox.rs`).

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::sync::Mutex;

use crate::world::random::random;

pub use crate::server::ApiServer;

/// Who is asking.
#[derive(Debug, Clone, Copy)]
pub enum User {
    /// May do everything.
    Admin,
    /// `deployer`: may do what a story grants it, at first nothing.
    Deployer,
}

impl User {
    /// The bearer token.
    pub fn token(self) -> &'static str {
        match self {
            Self::Admin => "kubernetes-admin-0d6c1f",
            Self::Deployer => "kubernetes-deployer-9a2e47",
        }
    }
}

/// A free port below those that the system gives to outgoing connections, so that nobody takes it
/// while its server is down. It is given to one story only, whose server may yet have to start. It is
/// not tried by listening: a program that another story starts at that moment holds the port on for a
/// while.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = u16::try_from(20_000 + random() % 10_000).unwrap();
        let first = GIVEN.lock().unwrap().insert(port);
        if first && TcpStream::connect(("127.0.0.1", port)).is_err() {
            return port;
        }
    }
}
