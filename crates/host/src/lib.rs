//! Reading a host, and only reading
