//! From values to text: tables, lines, JSON views. Nothing here decides anything.

pub(crate) mod check;
pub(crate) mod check_json;
pub(crate) mod devices;
pub(crate) mod findings;
pub(crate) mod groups;
pub(crate) mod json;
pub(crate) mod messages;
pub(crate) mod plan;
pub(crate) mod predicted;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod tree;
pub(crate) mod words;
pub(crate) mod wrap;
