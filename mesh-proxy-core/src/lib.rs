//! The snapshot bridge and the reference proxy.
