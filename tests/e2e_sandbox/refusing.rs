//! An API server that answers every call with a refusal serves nobody, and that is told.

use headstay::sandbox::fault::Effect;

use crate::outages::{assert_healthy, assert_unavailable, watched_world};

#[test]
fn a_cluster_that_refuses_everything_is_in_the_state_until_it_serves_again() {
    let world = watched_world();
    for effect in [Effect::Refuse(503), Effect::Refuse(401), Effect::HangUp] {
        let what = format!("an API server with {effect:?}");
        world.api_server.answer_all_with(effect);
        assert_unavailable(&world, &what);
        world.api_server.go_on();
        assert_healthy(&world, &what);
    }
    world.finish();
}
