//! Seats for connections: how many there are, and who gives way when they are taken.
//!
//! Anybody can connect, so whoever opens the most connections must not keep the others out. A newcomer
//! is let in as long as somebody else holds more than it does: of the peer that holds the most, what
//! has been idle longest ends, then what has been sending longest. A request that is being worked on
//! never gives way. So a webhook, a probe or a call of the API from an address that holds little finds
//! room, however many connections others keep open and whatever they do with them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Bits of an IPv6 address that name its network. One customer is given all addresses of one.
const NETWORK_BITS: u32 = 64;

/// How many connections there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// All together.
    pub(super) all: usize,
    /// Of one peer.
    pub(super) per_peer: usize,
}

/// What a connection is about, in the order in which they give way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It has been answered, and has asked nothing since.
    Idle,
    /// Its request has not come in whole.
    Sending,
    /// Its request is worked on.
    Working,
}

/// One connection, as far as it matters for who gives way.
#[derive(Debug, Clone)]
struct Taken {
    peer: IpAddr,
    stage: Stage,
    /// When the stage began, by a clock that counts changes.
    since: u64,
    leave: CancellationToken,
}

/// How a newcomer is treated.
#[derive(Debug, PartialEq, Eq)]
enum Treatment {
    /// There is a seat.
    Seated,
    /// It gets the seat of this one.
    Instead(u64),
    /// Every request is worked on: the next one that ends makes room.
    Later,
    /// Its peer has as many as it may.
    Refused,
}

/// The seats of a server. Cheap to clone.
#[derive(Clone)]
pub(super) struct Seats {
    bounds: Bounds,
    room: Arc<Room>,
}

#[derive(Default)]
struct Room {
    taken: Mutex<Ledger>,
    left: Notify,
}

#[derive(Default)]
struct Ledger {
    clock: u64,
    seats: BTreeMap<u64, Taken>,
}

/// A seat of one connection, until it is dropped.
pub(super) struct Seat {
    id: u64,
    seats: Seats,
    leave: CancellationToken,
}

impl Seats {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, room: Arc::default() }
    }

    /// A seat for a connection from an address; none when its peer has as many as it may, and none
    /// of them can give way.
    pub(super) async fn take(&self, address: IpAddr) -> Option<Seat> {
        let peer = network(address);
        loop {
            // A permit is kept for who comes late, so that nothing is missed between the two.
            match self.try_take(peer) {
                Ok(seat) => return Some(seat),
                Err(Treatment::Later) => self.room.left.notified().await,
                Err(_) => return None,
            }
        }
    }

    fn try_take(&self, peer: IpAddr) -> Result<Seat, Treatment> {
        let mut ledger = self.ledger();
        match treat(peer, &ledger.seats, self.bounds) {
            Treatment::Seated => {}
            Treatment::Instead(id) => {
                if let Some(given_up) = ledger.seats.remove(&id) {
                    tracing::debug!(peer = %given_up.peer, "a connection gives way to a newcomer");
                    given_up.leave.cancel();
                }
            }
            other => return Err(other),
        }
        let since = ledger.tick();
        let leave = CancellationToken::new();
        let taken = Taken { peer, stage: Stage::Sending, since, leave: leave.clone() };
        ledger.seats.insert(since, taken);
        Ok(Seat { id: since, seats: self.clone(), leave })
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.room.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}

impl Seat {
    /// Is done once the connection is to give way.
    pub(super) async fn given_up(&self) {
        self.leave.cancelled().await;
    }

    /// A request has begun to come in.
    pub(super) fn sends(&self) {
        self.enter(Stage::Sending);
    }

    /// A request has come in whole.
    pub(super) fn works(&self) {
        self.enter(Stage::Working);
    }

    /// A request is answered. Whether seats run low, and the connection had better end with it.
    pub(super) fn is_answered(&self) -> bool {
        let taken = self.enter(Stage::Idle);
        taken * 4 >= self.seats.bounds.all * 3
    }

    /// Returns how many seats are taken.
    fn enter(&self, stage: Stage) -> usize {
        let mut ledger = self.seats.ledger();
        let since = ledger.tick();
        if let Some(taken) = ledger.seats.get_mut(&self.id) {
            (taken.stage, taken.since) = (stage, since);
        }
        ledger.seats.len()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.ledger().seats.remove(&self.id);
        self.seats.room.left.notify_one();
    }
}

/// Decides about a newcomer. Whom it replaces is of its own peer, or of one that holds more.
fn treat(newcomer: IpAddr, seats: &BTreeMap<u64, Taken>, bounds: Bounds) -> Treatment {
    let mut held: HashMap<IpAddr, usize> = HashMap::new();
    for taken in seats.values() {
        *held.entry(taken.peer).or_default() += 1;
    }
    let count = |peer: &IpAddr| held.get(peer).copied().unwrap_or_default();
    let own = count(&newcomer);
    let at_its_share = own >= bounds.per_peer.max(1);
    if !at_its_share && seats.len() < bounds.all {
        return Treatment::Seated;
    }
    let may_be_replaced =
        |taken: &Taken| taken.peer == newcomer || (!at_its_share && count(&taken.peer) > own);
    let replaceable = || seats.iter().filter(|(_, taken)| may_be_replaced(taken));
    let first = replaceable()
        .filter(|(_, taken)| taken.stage != Stage::Working)
        .min_by_key(|(_, taken)| (Reverse(count(&taken.peer)), taken.stage, taken.since));
    match first {
        Some((id, _)) => Treatment::Instead(*id),
        None if replaceable().any(|(_, taken)| taken.peer != newcomer) => Treatment::Later,
        None => Treatment::Refused,
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

    /// `a:idle` and so on: a peer and what its connection is about, oldest first.
    fn treated(newcomer: &str, seats: &str) -> String {
        let peer = |name: &str| IpAddr::from([192, 0, 2, name.as_bytes()[0]]);
        let seats: Vec<_> = seats.split_whitespace().collect();
        let taken = seats.iter().zip(0..).map(|(seat, since)| {
            let (name, stage) = seat.split_once(':').unwrap();
            let stage = match stage {
                "idle" => Stage::Idle,
                "sending" => Stage::Sending,
                _ => Stage::Working,
            };
            let leave = CancellationToken::new();
            (since, Taken { peer: peer(name), stage, since, leave })
        });
        match treat(peer(newcomer), &taken.collect(), Bounds { all: 4, per_peer: 3 }) {
            Treatment::Instead(id) => {
                format!("instead of {id}, {}", seats[usize::try_from(id).unwrap()])
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn who_holds_the_most_gives_way_with_what_is_least_worth() {
        for (newcomer, seats, expected) in [
            ("a", "", "Seated"),
            ("a", "a:working a:idle", "Seated"),
            ("b", "a:idle a:idle a:idle", "Seated"),
            // Its own share is taken.
            ("a", "a:sending a:idle a:idle", "instead of 1, a:idle"),
            ("a", "a:working a:sending a:sending", "instead of 1, a:sending"),
            ("a", "b:idle a:working a:working a:working", "Refused"),
            // All seats are taken.
            ("b", "a:idle a:sending a:idle c:idle", "instead of 0, a:idle"),
            ("b", "c:idle a:sending a:working a:sending", "instead of 1, a:sending"),
            ("b", "c:idle d:idle a:working a:working", "instead of 0, c:idle"),
            ("b", "a:sending c:sending d:idle e:working", "instead of 2, d:idle"),
            ("b", "a:working a:working c:working c:working", "Later"),
            // It holds as many as anybody: nobody is to suffer for it but itself.
            ("b", "a:idle c:idle b:sending d:idle", "instead of 2, b:sending"),
            ("b", "a:idle a:idle b:working b:working", "Refused"),
            ("b", "a:working a:working a:working b:working", "Later"),
        ] {
            assert_eq!(treated(newcomer, seats), expected, "{newcomer} comes to {seats}");
        }
    }

    #[tokio::test]
    async fn an_address_or_a_network_is_one_peer_and_who_left_is_forgotten() {
        for (peer, same, other) in [
            ("192.0.2.7", "::ffff:192.0.2.7", "192.0.2.8"),
            ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"),
        ] {
            let seats = Seats::new(Bounds { all: 3, per_peer: 2 });
            let take = async |address: &str| {
                let seat = seats.take(address.parse().unwrap()).await;
                seat.inspect(Seat::works)
            };
            let first = take(peer).await;
            let second = take(same).await;
            assert!(first.is_some() && second.is_some());
            assert!(take(peer).await.is_none());
            let third = take(other).await.unwrap();
            assert!(third.is_answered(), "all seats are taken");
            drop(first);
            assert!(take(peer).await.is_some());
            drop((second, third));
            assert!(seats.ledger().seats.is_empty());
        }
    }

    #[tokio::test]
    async fn who_comes_while_all_are_worked_on_gets_the_next_seat() {
        let seats = Seats::new(Bounds { all: 2, per_peer: 2 });
        let big: IpAddr = [192, 0, 2, 1].into();
        let first = seats.take(big).await.unwrap();
        let second = seats.take(big).await.unwrap();
        first.works();
        second.works();
        let newcomer = seats.take([192, 0, 2, 2].into());
        let (seat, ()) = tokio::join!(newcomer, async { drop(first) });
        assert!(seat.is_some());
        assert!(!second.leave.is_cancelled());
    }
}
