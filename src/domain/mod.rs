//! The heart: names, records and decisions as plain functions over plain data. Nothing in here
//! does IO, reads a clock or an environment, or rolls dice; those come in as arguments.

pub mod commit;
pub mod delivery;
pub mod health;
pub mod inventory;
pub mod manifest;
pub mod name;
pub mod object;
pub mod retry;
pub mod sync;
