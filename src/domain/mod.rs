//! The heart: names, records and decisions as plain functions over plain data. Nothing in here
//! does IO, reads a clock or an environment, or rolls dice; those come in as arguments.

pub mod account;
pub mod application;
pub mod commit;
mod controller_fields;
pub mod declaration;
pub mod delivery;
pub mod diff;
pub mod directives;
pub mod error;
pub mod fields;
pub mod fight;
pub mod file;
pub mod footprint;
pub mod health;
pub mod home;
pub mod installation;
pub mod inventory;
pub mod manifest;
pub mod matching;
pub mod name;
pub mod object;
pub mod obstacle;
pub mod order;
pub mod plan;
pub mod prune;
pub mod quoted;
pub mod repository_url;
pub mod resolve;
pub mod retry;
pub mod shares;
mod stamp;
pub mod stop;
pub mod sync;
pub mod visible;
