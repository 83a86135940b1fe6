//! From values to text: tables, lines, JSON views. Nothing here decides anything.

pub(crate) mod devices;
pub(crate) mod groups;
pub(crate) mod json;
pub(crate) mod plan;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod tree;
pub(crate) mod words;
