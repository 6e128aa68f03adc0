//! Connections per peer, so that no single one takes them all.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Bits of an IPv6 address that name its network. One customer is given all addresses of one.
const NETWORK_BITS: u32 = 64;

/// The open connections of every peer that has one. Cheap to clone.
#[derive(Clone)]
pub(super) struct Peers {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most: usize,
}

/// One connection of a peer, which counts until this is dropped.
pub(super) struct Place {
    peers: Peers,
    peer: IpAddr,
}

impl Peers {
    /// Lets each peer have this many connections.
    pub(super) fn new(most: usize) -> Self {
        Self { open: Arc::default(), most }
    }

    /// Counts one more connection; none when the peer has as many as it may.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Place> {
        let peer = network(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(peer).or_default();
        // A peer that is new has none, and is let in: no entry of zero stays behind.
        if *count >= self.most.max(1) {
            return None;
        }
        *count += 1;
        Some(Place { peers: self.clone(), peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.peers.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

/// What is one peer: an IPv4 address, or a network of IPv6 addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mask = u128::MAX << (u128::BITS - NETWORK_BITS);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(peers: &Peers, address: &str) -> Option<Place> {
        peers.enter(address.parse().unwrap())
    }

    #[test]
    fn a_peer_has_so_many_connections_and_another_is_let_in() {
        for (peer, same, other) in [
            ("192.0.2.7", "::ffff:192.0.2.7", "192.0.2.8"),
            ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"),
        ] {
            let peers = Peers::new(2);
            let first = enter(&peers, peer);
            let second = enter(&peers, same);
            assert!(first.is_some() && second.is_some());
            assert!(enter(&peers, peer).is_none());
            assert!(enter(&peers, other).is_some());
            drop(first);
            assert!(enter(&peers, peer).is_some());
            drop(second);
            assert!(peers.open.lock().unwrap().is_empty(), "peers that left are forgotten");
        }
    }
}
