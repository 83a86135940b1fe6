//! Every change of a host: lock, journal, perform, verify, undo
