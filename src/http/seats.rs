//! Seats for connections: how many there are, and who gives way when they are taken.
//!
//! Anybody can connect, so whoever opens the most connections must not keep the others out. A newcomer
//! is let in as long as somebody else holds more than it does: of the peer that holds the most, what
//! has been idle longest ends, then what has been sending longest, then what has been taking its answer
//! longest. A request that is being worked on never gives way. Where every one is, who holds next to
//! nothing, as a probe does, gets one of a few seats in reserve, and others wait for a moment, outside of
//! the loop that accepts. So a webhook, a probe or a call of the API from an address that holds little
//! finds room, however many connections others keep open and whatever they do with them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Bits of an IPv6 address that name its network. One customer is given all addresses of one.
const NETWORK_BITS: u32 = 64;
/// Who holds fewer seats than that may take one in reserve: a kubelet asks two probes at a time.
const HOLDS_LITTLE: usize = 2;

/// How many connections there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// All together.
    pub(super) all: usize,
    /// Of one peer.
    pub(super) per_peer: usize,
    /// Beyond `all`, for who holds next to nothing while every request of `all` is worked on.
    pub(super) reserve: usize,
    /// Newcomers that wait for a seat, all together.
    pub(super) waiting: usize,
    /// Of them, those of one peer.
    pub(super) waiting_per_peer: usize,
}

/// What a connection is about, in the order in which they give way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It has been answered, has taken its answer, and has asked nothing since.
    Idle,
    /// Its request has not come in whole.
    Sending,
    /// Its answer has not gone out whole.
    Answering,
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
    /// Nobody gives way for now: the next one that ends makes room.
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
    /// Rings when a seat is left, or what a connection is about has changed.
    changed: Notify,
}

#[derive(Default)]
struct Ledger {
    clock: u64,
    seats: BTreeMap<u64, Taken>,
    /// How many of a peer wait.
    waiting: HashMap<IpAddr, usize>,
}

/// What a newcomer gets at once.
pub(super) enum Arrival {
    /// A seat.
    Seated(Seat),
    /// A place to wait for one.
    Waits(Place),
    /// Nothing.
    Refused,
}

/// A place of one newcomer in the waiting room, until it is dropped.
pub(super) struct Place {
    peer: IpAddr,
    seats: Seats,
}

/// A seat of one connection, until it is dropped.
pub(super) struct Seat {
    id: u64,
    seats: Seats,
    leave: CancellationToken,
    /// Whether the last of an answer is with the connection, and has yet to be flushed.
    last_is_out: AtomicBool,
}

impl Seats {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, room: Arc::default() }
    }

    /// Decides about a connection from an address, without waiting for anything.
    pub(super) fn arrive(&self, address: IpAddr) -> Arrival {
        let peer = network(address);
        match self.try_take(peer) {
            Ok(seat) => Arrival::Seated(seat),
            Err(Treatment::Later) => self.try_wait(peer).map_or(Arrival::Refused, Arrival::Waits),
            Err(_) => Arrival::Refused,
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
        Ok(Seat { id: since, seats: self.clone(), leave, last_is_out: AtomicBool::new(false) })
    }

    fn try_wait(&self, peer: IpAddr) -> Option<Place> {
        let mut ledger = self.ledger();
        let all: usize = ledger.waiting.values().sum();
        let own = ledger.waiting.entry(peer).or_default();
        let admitted = all < self.bounds.waiting && *own < self.bounds.waiting_per_peer;
        *own += usize::from(admitted);
        ledger.waiting.retain(|_, count| *count > 0);
        admitted.then(|| Place { peer, seats: self.clone() })
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

impl Place {
    /// A seat, once there is one; none when the peer has got as many as it may meanwhile.
    pub(super) async fn seat(&self) -> Option<Seat> {
        let mut changed = pin!(self.seats.room.changed.notified());
        loop {
            // Before looking, so that nothing is missed between the two.
            changed.as_mut().enable();
            match self.seats.try_take(self.peer) {
                Ok(seat) => return Some(seat),
                Err(Treatment::Later) => {}
                Err(_) => return None,
            }
            changed.as_mut().await;
            changed.set(self.seats.room.changed.notified());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut ledger = self.seats.ledger();
        if let Some(count) = ledger.waiting.get_mut(&self.peer) {
            *count -= 1;
        }
        ledger.waiting.retain(|_, count| *count > 0);
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

    /// The answer to a request begins to go out. Whether seats run low, and the connection had better
    /// end with it.
    pub(super) fn answers(&self) -> bool {
        let taken = self.enter(Stage::Answering);
        taken * 4 >= self.seats.bounds.all * 3
    }

    /// The last of an answer is with the connection.
    pub(super) fn has_said_all(&self) {
        self.last_is_out.store(true, Ordering::Relaxed);
    }

    /// All that is with the connection has been handed to the system. With the last of an answer, the
    /// connection is idle.
    pub(super) fn is_flushed(&self) {
        if self.last_is_out.load(Ordering::Relaxed) {
            self.enter(Stage::Idle);
        }
    }

    /// Returns how many seats are taken.
    fn enter(&self, stage: Stage) -> usize {
        // What is flushed from now on is of this stage.
        self.last_is_out.store(false, Ordering::Relaxed);
        let mut ledger = self.seats.ledger();
        let since = ledger.tick();
        if let Some(taken) = ledger.seats.get_mut(&self.id) {
            (taken.stage, taken.since) = (stage, since);
        }
        let taken = ledger.seats.len();
        drop(ledger);
        self.seats.room.changed.notify_waiters();
        taken
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.ledger().seats.remove(&self.id);
        self.seats.room.changed.notify_waiters();
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
    let holds_more = |taken: &Taken| !at_its_share && count(&taken.peer) > own;
    let gives_way = |taken: &Taken| match taken.stage {
        Stage::Working => false,
        _ if taken.peer == newcomer => true,
        Stage::Idle => holds_more(taken),
        // Else the two would only change places.
        Stage::Sending | Stage::Answering => holds_more(taken) && count(&taken.peer) > own + 1,
    };
    let first = seats
        .iter()
        .filter(|(_, taken)| gives_way(taken))
        .min_by_key(|(_, taken)| (Reverse(count(&taken.peer)), taken.stage, taken.since));
    let reserved = !at_its_share && own < HOLDS_LITTLE && seats.len() < bounds.all + bounds.reserve;
    match first {
        // The reserve is better than to give up one of its own.
        Some((id, taken)) if taken.peer != newcomer || !reserved => Treatment::Instead(*id),
        _ if reserved => Treatment::Seated,
        Some((id, _)) => Treatment::Instead(*id),
        None if seats.values().any(holds_more) => Treatment::Later,
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
mod tests;
