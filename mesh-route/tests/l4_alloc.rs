//! Neither sniffing nor the choice of a filter chain allocates (ROUTE-PERF-18).
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "an allocator that counts is unsafe, and tests fail by panicking"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use mesh_route::{ChainMatch, ChainTable, Connection, IpPrefix, Listeners, Sniffed, Transport, sniff};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`, which is that of `System::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer comes from `System::alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// A ClientHello with a server name and a protocol, in records of `size` bytes.
fn hello(size: usize) -> Vec<u8> {
    let long = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let name = [&[0][..], &long(b"A.b.c.example.com")].concat();
    let name = [vec![0, 0], long(&long(&name))].concat();
    let protocols = [vec![0, 16], long(&long(b"\x02h2"))].concat();
    let extensions = long(&[name, protocols].concat());
    let body = [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 1], &[1, 0], &extensions].concat();
    let message = [vec![1, 0], long(&body)].concat();
    message.chunks(size).flat_map(|part| [vec![22, 3, 1], long(part)].concat()).collect()
}

#[test]
fn a_connection_allocates_nothing() {
    let prefix = |text: &str| text.parse::<IpPrefix>().unwrap();
    let mut builder = ChainTable::builder();
    for i in 0..50_u8 {
        let when = ChainMatch::any()
            .server_names([format!("*.s{i}.example.com"), format!("s{i}.example.com")])
            .unwrap()
            .destination([prefix("10.0.0.0/8"), prefix(&format!("10.{i}.0.0/16"))])
            .transport(Transport::Tls);
        builder.push(&i.to_string(), when, i);
    }
    let wide = ChainMatch::any().server_names(["*.example.com"]).unwrap().destination([prefix("10.0.0.0/8")]);
    builder.push("wide", wide.application_protocols(["http/1.1", "h2"]), 100);
    let mut listeners = Listeners::new();
    listeners.insert("0.0.0.0:443".parse().unwrap(), builder.build().unwrap()).unwrap();
    let inputs = [hello(16_000), hello(3), b"GET / HTTP/1.1\r\n".to_vec(), b"hello world\n".to_vec()];
    let before = COUNT.get();
    assert!(before > 0, "the allocator does not count");
    let mut taken = 0;
    for bytes in &inputs {
        for end in [0, 5, bytes.len() / 2] {
            assert!(!matches!(sniff(bytes.get(..end).unwrap_or_default()), Sniffed::Tls(_)));
        }
        let to = "10.200.0.1:443".parse().unwrap();
        let connection = Connection::new(to).source(to).sniffed(&sniff(bytes));
        let found = listeners.find(to).and_then(|table| table.lookup(&connection).action());
        taken += usize::from(found == Some(&100));
    }
    assert_eq!(COUNT.get(), before);
    assert_eq!(taken, 2);
}
