//! A side that does not read stops the side that writes (`PROXY-FLOW-01`).

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crate::support::{Backend, PATIENCE, World, eventually, get};

/// What a sender offers. No system buffers that much.
const OFFERED: u64 = 1 << 30;

/// What may be under way at most: the buffers of four sockets, which the system may grow to some megabytes each, and
/// the proxy's own.
const BOUND: u64 = 64 << 20;

/// Waits until `counter` has begun and then stood still for a while, and returns where.
fn stall(counter: &AtomicU64) -> u64 {
    let deadline = Instant::now() + PATIENCE;
    let mut last = (0, Instant::now());
    loop {
        std::thread::sleep(Duration::from_millis(50));
        let now = counter.load(Ordering::SeqCst);
        if now != last.0 {
            last = (now, Instant::now());
        } else if now > 0 && last.1.elapsed() > Duration::from_millis(1500) {
            return now;
        }
        assert!(now < BOUND, "{now} bytes were taken from the sender although nobody reads");
        assert!(Instant::now() < deadline, "the sender got rid of {now} bytes and still goes on");
    }
}

/// PROXY-FLOW-01: the download direction; PROXY-LOG-02: flag `DC` when the client leaves.
#[test]
fn a_client_that_does_not_read_stops_the_backend() {
    let written = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&written);
    let backend = Backend::raw(move |mut wire, _| {
        let Ok(Some(_)) = wire.head() else { return };
        wire.stream.set_write_timeout(None).expect("an option");
        let _ = wire.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {OFFERED}\r\n\r\n"));
        let chunk = vec![b'x'; 64 * 1024];
        while let Ok(count @ 1..) = wire.stream.write(&chunk) {
            counter.fetch_add(count as u64, Ordering::SeqCst);
        }
    });
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    client.send(get("/download"));
    let (status, head) = client.head().expect("a head");
    assert_eq!((status, head.header("content-length")), (200, Some(OFFERED.to_string())));
    let before = stall(&written);

    // Reading what was under way makes room again.
    let under_way = usize::try_from(before).expect("a size");
    assert!(client.0.exact(under_way).expect("the body").iter().all(|byte| *byte == b'x'));
    eventually("the backend goes on", || (written.load(Ordering::SeqCst) > before).then_some(()));

    drop(client);
    eventually("the backend's connection is closed", || (backend.open_connections() == 0).then_some(()));
    let line = proxy.log_line("/download");
    assert_eq!((line.code, line.flags), (200, vec!["DC".to_owned()]));
    assert!(line.sent >= before && line.sent < OFFERED, "{}", line.sent);
}

/// PROXY-FLOW-01: the upload direction.
#[test]
fn a_backend_that_does_not_read_stops_the_client() {
    let (go_on, told) = channel::<()>();
    let told = std::sync::Mutex::new(told);
    let read = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&read);
    let backend = Backend::raw(move |mut wire, _| {
        let Ok(Some(_)) = wire.head() else { return };
        if told.lock().expect("one connection only").recv().is_err() {
            return;
        }
        while let Ok(part) = wire.exact(64 * 1024) {
            counter.fetch_add(part.len() as u64, Ordering::SeqCst);
        }
    });
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    client.send(format!("POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: {OFFERED}\r\n\r\n"));
    let written = Arc::new(AtomicU64::new(0));
    let mut stream = client.0.stream.try_clone().expect("a second handle");
    stream.set_write_timeout(None).expect("an option");
    let counter = Arc::clone(&written);
    let sender = std::thread::spawn(move || {
        let chunk = vec![b'x'; 64 * 1024];
        while let Ok(count @ 1..) = stream.write(&chunk) {
            counter.fetch_add(count as u64, Ordering::SeqCst);
        }
    });
    let before = stall(&written);
    assert_eq!(read.load(Ordering::SeqCst), 0);
    go_on.send(()).expect("the backend waits");
    eventually("the client goes on", || (written.load(Ordering::SeqCst) > before).then_some(()));
    eventually("the backend gets it", || (read.load(Ordering::SeqCst) > before).then_some(()));

    client.0.stream.shutdown(std::net::Shutdown::Both).expect("open until here");
    sender.join().expect("the sender ends");
    eventually("the backend's connection is closed", || (backend.open_connections() == 0).then_some(()));
    // Nobody was answered: 0 (PROXY-MET-02).
    let line = proxy.log_line("/upload");
    assert_eq!((line.code, line.flags), (0, vec!["DC".to_owned()]));
}
