//! The name an endpoint is hashed by.

use std::fmt::Write as _;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::rc::Rc;
use std::sync::Arc;

/// The text an endpoint is hashed by (LB-KEY-01).
///
/// Under Istio it is always the address, `a.b.c.d:port` or `[v6]:port` (LB-KEY-02), which is what the
/// implementation for [`SocketAddr`] writes. A key type that carries Envoy's `hash_key` metadata or a host
/// name writes that instead.
pub trait HashKey {
    /// Appends the text to `out`. Called only while a table is built.
    fn write_hash_key(&self, out: &mut String);
}

macro_rules! text_keys {
    ($($kind:ty),*) => {$(
        impl HashKey for $kind {
            fn write_hash_key(&self, out: &mut String) {
                out.push_str(self);
            }
        }
    )*};
}
text_keys!(str, String);

macro_rules! address_keys {
    ($($kind:ty),*) => {$(
        impl HashKey for $kind {
            fn write_hash_key(&self, out: &mut String) {
                // Writing to a `String` cannot fail.
                let _ = write!(out, "{self}");
            }
        }
    )*};
}
address_keys!(SocketAddr, SocketAddrV4, SocketAddrV6);

macro_rules! pointer_keys {
    ($($kind:ty),*) => {$(
        impl<T: HashKey + ?Sized> HashKey for $kind {
            fn write_hash_key(&self, out: &mut String) {
                (**self).write_hash_key(out);
            }
        }
    )*};
}
pointer_keys!(&T, Box<T>, Rc<T>, Arc<T>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_in_canonical_form() {
        // LB-KEY-01: compressed lower-case IPv6 in brackets
        let text = |address: &str| {
            let mut out = String::new();
            address.parse::<SocketAddr>().unwrap().write_hash_key(&mut out);
            out
        };
        assert_eq!(text("10.0.0.7:8080"), "10.0.0.7:8080");
        assert_eq!(text("[2001:DB8:0:0:0:0:0:1]:80"), "[2001:db8::1]:80");
    }
}
