//! The host as data, what is wanted, what will be done
