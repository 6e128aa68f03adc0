use super::*;

const BOUNDS: Bounds = Bounds { all: 4, per_peer: 3, reserve: 1, waiting: 3, waiting_per_peer: 2 };

fn peer(name: &str) -> IpAddr {
    [192, 0, 2, name.as_bytes()[0]].into()
}

/// `a:idle` and so on: a peer and what its connection is about, oldest first.
fn treated(newcomer: &str, seats: &str) -> String {
    let seats: Vec<_> = seats.split_whitespace().collect();
    let taken = seats.iter().zip(0..).map(|(seat, since)| {
        let (name, stage) = seat.split_once(':').unwrap();
        let stage = match stage {
            "idle" => Stage::Idle,
            "sending" => Stage::Sending,
            "answering" => Stage::Answering,
            _ => Stage::Working,
        };
        let leave = CancellationToken::new();
        (since, Taken { peer: peer(name), stage, since, leave })
    });
    match treat(peer(newcomer), &taken.collect(), BOUNDS) {
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
        ("a", "a:answering a:sending a:working", "instead of 1, a:sending"),
        ("a", "b:idle a:working a:working a:working", "Refused"),
        // All seats are taken.
        ("b", "a:idle a:sending a:idle c:idle", "instead of 0, a:idle"),
        ("b", "c:idle a:sending a:working a:sending", "instead of 1, a:sending"),
        ("b", "c:idle a:answering a:working a:answering", "instead of 1, a:answering"),
        ("b", "c:idle d:idle a:working a:working", "instead of 0, c:idle"),
        ("b", "a:sending c:sending d:idle e:working", "instead of 2, d:idle"),
        // Every request is worked on: who holds next to nothing gets the reserve, others wait.
        ("b", "a:working a:working c:working c:working", "Seated"),
        ("b", "a:working a:working a:working b:working", "Seated"),
        ("b", "a:working a:working a:working b:sending", "Seated"),
        ("b", "a:working a:idle a:working b:sending", "instead of 1, a:idle"),
        ("b", "a:working a:working a:working b:working c:working", "Later"),
        ("b", "a:working a:working a:working c:working c:working", "Later"),
        ("b", "a:working a:working a:working b:working b:working", "Later"),
        // It holds as many as anybody: nobody is to suffer for it but itself.
        ("b", "a:idle b:working b:sending d:idle", "instead of 2, b:sending"),
        // Two that hold as little do not change places.
        ("b", "a:sending c:sending d:answering e:working", "Seated"),
        ("b", "a:sending c:sending d:answering e:working f:sending", "Later"),
        ("b", "a:idle a:idle b:working b:working", "Refused"),
        ("b", "a:working a:working b:working b:working c:working", "Refused"),
    ] {
        assert_eq!(treated(newcomer, seats), expected, "{newcomer} comes to {seats}");
    }
}

fn seated(seats: &Seats, address: IpAddr) -> Option<Seat> {
    match seats.arrive(address) {
        Arrival::Seated(seat) => Some(seat),
        _ => None,
    }
}

/// A seat whose request is worked on.
fn working(seats: &Seats, address: IpAddr) -> Seat {
    seated(seats, address).inspect(Seat::works).unwrap()
}

#[test]
fn an_address_or_a_network_is_one_peer_and_who_left_is_forgotten() {
    for (peer, same, other) in [
        ("192.0.2.7", "::ffff:192.0.2.7", "192.0.2.8"),
        ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"),
    ] {
        let seats = Seats::new(Bounds { all: 3, per_peer: 2, ..BOUNDS });
        let [peer, same, other] = [peer, same, other].map(|address| address.parse().unwrap());
        let first = working(&seats, peer);
        let second = working(&seats, same);
        assert!(seated(&seats, peer).is_none());
        let third = working(&seats, other);
        assert!(third.answers(), "all seats are taken");
        drop(first);
        assert!(seated(&seats, peer).is_some());
        drop((second, third));
        assert!(seats.ledger().seats.is_empty());
    }
}

#[test]
fn a_connection_is_idle_when_the_last_of_its_answer_is_flushed() {
    let seats = Seats::new(BOUNDS);
    let seat = working(&seats, peer("a"));
    let stage = || seats.ledger().seats[&seat.id].stage;
    seat.answers();
    seat.is_flushed();
    assert_eq!(stage(), Stage::Answering, "only the beginning of the answer is out");
    seat.has_said_all();
    assert_eq!(stage(), Stage::Answering, "it has yet to be flushed");
    seat.is_flushed();
    assert_eq!(stage(), Stage::Idle);

    seat.answers();
    seat.has_said_all();
    seat.works();
    seat.is_flushed();
    assert_eq!(stage(), Stage::Working, "the next request is there already");
}

#[tokio::test]
async fn all_who_wait_get_a_seat_as_soon_as_there_is_one() {
    let seats = Seats::new(Bounds { reserve: 0, ..BOUNDS });
    let mut taken: Vec<_> =
        ["a", "a", "c", "c"].iter().map(|name| working(&seats, peer(name))).collect();
    let wait = |name| match seats.arrive(peer(name)) {
        Arrival::Waits(place) => place,
        _ => panic!("{name} does not wait"),
    };
    let (first, second) = (wait("b"), wait("d"));
    let mut leave = async || drop((taken.pop(), taken.pop()));
    let (b, d, ()) = tokio::join!(first.seat(), second.seat(), leave());
    let (b, d) = (b.unwrap(), d.unwrap());
    b.works();
    d.works();

    // What gives way makes room as well as what ends.
    let third = wait("e");
    let answer = async || _ = taken[0].answers();
    let (e, ()) = tokio::join!(third.seat(), answer());
    assert!(e.is_some() && taken[0].leave.is_cancelled());
}

#[test]
fn the_waiting_room_has_bounds() {
    let seats = Seats::new(Bounds { reserve: 0, ..BOUNDS });
    let _taken = ["a", "a", "c", "c"].map(|name| working(&seats, peer(name)));
    let mut places = Vec::new();
    let mut come = |name| match seats.arrive(peer(name)) {
        Arrival::Waits(place) => {
            places.push(place);
            true
        }
        _ => false,
    };
    assert!(come("b") && come("b"));
    assert!(!come("b"), "a peer has its share of it");
    assert!(come("d"));
    assert!(!come("e"), "it is full");
    places.clear();
    assert!(seats.ledger().waiting.is_empty());
}
