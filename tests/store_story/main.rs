//! The store as its callers see it, on a real SQLite file.

mod attempts;
mod deliveries;
mod events;
mod history;
mod inventory;
mod queue;
mod renders;
mod schema;
mod world;
