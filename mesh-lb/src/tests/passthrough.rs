use super::*;

fn address(text: &str) -> Option<SocketAddr> {
    text.parse().ok()
}

#[test]
fn the_first_source_decides_lb_odst_01_03() {
    let all = DestinationInput {
        request_override: address("10.0.0.1:1"),
        metadata: address("10.0.0.2:2"),
        header: Some(b"10.0.0.3:3"),
        connection: address("10.0.0.4:4"),
    };
    let with_header = OriginalDestination::new().header("");
    assert_eq!(with_header.header_name(), Some("x-envoy-original-dst-host"));
    let find = |input| with_header.find(&input).address;
    assert_eq!(find(all), address("10.0.0.1:1"));
    let rest = DestinationInput { request_override: None, ..all };
    assert_eq!(find(rest), address("10.0.0.2:2"));
    let rest = DestinationInput { metadata: None, ..rest };
    assert_eq!(find(rest), address("10.0.0.3:3"));
    assert_eq!(find(DestinationInput { header: None, ..rest }), address("10.0.0.4:4"));
    // LB-ODST-03
    assert_eq!(find(DestinationInput::default()), None);
    // The header counts only if it is enabled.
    let plain = OriginalDestination::new();
    assert_eq!((plain.header_name(), plain.find(&rest).address), (None, address("10.0.0.4:4")));
    // An invalid one is counted and ignored.
    for bad in [&b"10.0.0.3"[..], b"name:80", b"10.0.0.3:99999", b"", b"\xff"] {
        let found = with_header.find(&DestinationInput { header: Some(bad), ..rest });
        assert_eq!((found.address, found.invalid_header), (address("10.0.0.4:4"), true), "{bad:?}");
    }
    assert!(!with_header.find(&rest).invalid_header);
    let six = with_header.find(&DestinationInput { header: Some(b"[2001:db8::1]:443"), ..rest });
    assert_eq!(six.address, address("[2001:db8::1]:443"));
}

#[test]
fn the_port_can_be_replaced_lb_odst_01() {
    let moved = OriginalDestination::new().port(15_008).unwrap();
    let input = DestinationInput { connection: address("10.0.0.4:4"), ..DestinationInput::default() };
    assert_eq!(moved.find(&input).address, address("10.0.0.4:15008"));
    assert_eq!(moved.find(&DestinationInput::default()).address, None);
    let error = OriginalDestination::new().port(0).unwrap_err();
    assert_eq!(error.to_string(), "upstreamPortOverride: 0 is out of range, allowed is 1 to 65535");
}

#[test]
fn endpoints_live_while_they_are_used_lb_odst_02() {
    let made = std::sync::atomic::AtomicUsize::new(0);
    let hosts = OriginalHosts::new(|_: &u8| made.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    assert!(hosts.is_empty());
    let (one, same) = (hosts.get(1), hosts.get(1));
    assert!(Arc::ptr_eq(&one, &same));
    drop(hosts.get(2));
    assert_eq!((hosts.len(), hosts.sweep()), (2, 0)); // both were used in this period
    assert_eq!((hosts.sweep(), hosts.len()), (1, 1)); // the second was not, and nobody holds it
    assert_eq!(hosts.sweep(), 0); // somebody holds the first
    drop((one, same));
    drop(hosts.get(1));
    assert_eq!(hosts.sweep(), 0);
    assert_eq!(hosts.sweep(), 1);
    assert_eq!(*hosts.get(1).value(), 2); // a new one after that
    assert_eq!(format!("{hosts:?}"), "OriginalHosts { len: 1, .. }");
}

#[test]
fn workers_share_endpoints_lb_odst_02() {
    let hosts = OriginalHosts::new(|address: &u32| *address);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for address in 0..500 {
                    assert_eq!(*hosts.get(address % 50).value(), address % 50);
                    if address % 100 == 0 {
                        hosts.sweep();
                    }
                }
            });
        }
    });
    assert_eq!(hosts.len(), 50);
}
