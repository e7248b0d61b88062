use super::*;

const NOW: Monotonic = Monotonic::ZERO;

fn pool(connections: u32, ready: bool) -> PoolState {
    PoolState { connections, ready }
}

fn current(breaker: &CircuitBreaker) -> [u32; 4] {
    [Resource::Connections, Resource::PendingRequests, Resource::Requests, Resource::Retries]
        .map(|resource| breaker.current(resource))
}

#[test]
fn each_step_counts_what_it_takes_lb_cb_20() {
    let breaker = CircuitBreaker::new(Limits::new());
    let Ok(Admission::Connect { pending, connection }) = breaker.place(pool(0, false), NOW) else { panic!() };
    assert_eq!(current(&breaker), [1, 1, 0, 0]); // counted while it connects
    let request = breaker.try_request(NOW).unwrap();
    drop(pending); // attached
    assert_eq!(current(&breaker), [1, 0, 1, 0]);
    let retry = breaker.try_retry(NOW).unwrap(); // decided, in backoff
    drop(request);
    assert_eq!(current(&breaker), [1, 0, 0, 1]);
    drop(retry);
    assert_eq!(current(&breaker), [1, 0, 0, 0]); // idle in the pool
    drop(connection);
    assert_eq!(current(&breaker), [0; 4]);
}

#[test]
fn a_ready_connection_comes_first_then_the_queue_lb_cb_24() {
    // Each case: limits on connections, pending, requests; the pool; what becomes of the request.
    let all = u32::MAX;
    let decide = |[connections, pending, requests]: [u32; 3], pool| {
        let limits = Limits::new().max_connections(connections).max_pending_requests(pending);
        match CircuitBreaker::new(limits.max_requests(requests)).place(pool, NOW) {
            Ok(Admission::Attach { .. }) => "attach".to_owned(),
            Ok(Admission::Connect { .. }) => "connect".to_owned(),
            Ok(Admission::Queue { .. }) => "queue".to_owned(),
            Err(overflow) => format!("too many {}", overflow.resource()),
        }
    };
    for (limits, pool, expected) in [
        ([all, all, all], pool(1, true), "attach"),
        ([0, 0, 1], pool(1, true), "attach"), // neither pending nor connections are asked for
        ([all, all, 0], pool(1, true), "too many requests"),
        ([all, all, all], pool(1, false), "connect"),
        ([all, all, 0], pool(1, false), "connect"), // the limit of requests comes with the attachment
        ([all, 0, all], pool(1, false), "too many pending requests"),
        ([0, all, all], pool(1, false), "queue"),
        ([0, 0, all], pool(0, false), "too many pending requests"), // LB-CB-22: before any connection
        ([0, 1, all], pool(0, false), "connect"),                   // LB-CB-23: the first is always allowed
    ] {
        assert_eq!(decide(limits, pool), expected, "{limits:?} {pool:?}");
    }
}

#[test]
fn one_connection_a_host_over_any_limit_lb_cb_23() {
    // [live] in the reference: limit 1, 3 hosts, 3 connections
    let breaker = CircuitBreaker::new(Limits::new().max_connections(1));
    let first: Vec<_> = (0..3).map(|_| breaker.place(pool(0, false), NOW).unwrap()).collect();
    assert!(first.iter().all(|admission| matches!(admission, Admission::Connect { .. })));
    assert_eq!(breaker.current(Resource::Connections), 3);
    // Otherwise the request waits, which is counted and no failure.
    assert!(matches!(breaker.place(pool(1, false), NOW), Ok(Admission::Queue { .. })));
    assert_eq!(breaker.overflows(Resource::Connections), 1);
    assert_eq!(breaker.overflows(Resource::PendingRequests), 0);
}

#[test]
fn a_host_may_have_a_limit_of_its_own_lb_cb_27() {
    let breaker = CircuitBreaker::new(Limits::new().max_connections_per_host(2));
    let place = |connections| breaker.place(pool(connections, false), NOW).unwrap();
    assert!(matches!(place(0), Admission::Connect { .. }));
    assert!(matches!(place(1), Admission::Connect { .. }));
    assert!(matches!(place(2), Admission::Queue { .. }));
}

#[test]
fn streams_are_bounded_by_both_sides_lb_cb_25() {
    let state = |limits: ConnectionLimits, active, started| {
        limits.state(active, started, Duration::ZERO, Duration::ZERO)
    };
    use ConnectionState::{Busy, Closing, Draining, Ready};
    // HTTP/1: one at a time
    assert_eq!([0, 1].map(|active| state(ConnectionLimits::http1(), active, 5)), [Ready, Busy]);
    // HTTP/2: the smaller of the two
    for limits in [ConnectionLimits::http2(Some(3), 100), ConnectionLimits::http2(Some(100), 3)] {
        assert_eq!([2, 3].map(|active| state(limits, active, 5)), [Ready, Busy]);
    }
    assert_eq!(state(ConnectionLimits::http2(None, 100), 99, 500), Ready);
    // [live] in the reference: 2 requests a connection means a new connection every 2 requests
    let two = ConnectionPool::new().max_requests_per_connection(2);
    let limits = ConnectionLimits::http2(two.concurrent_streams(), 100).of_pool(&two);
    assert_eq!(
        [(0, 0), (1, 1), (1, 2), (2, 2), (0, 2)].map(|(active, started)| state(limits, active, started)),
        [Ready, Ready, Draining, Draining, Closing]
    );
    // `maxRequestsPerConnection: 1` is no keep-alive; 0 is no limit.
    let of =
        |most| ConnectionLimits::http1().of_pool(&ConnectionPool::new().max_requests_per_connection(most));
    assert_eq!((state(of(1), 0, 1), state(of(0), 0, 1_000)), (Closing, Ready));
}

#[test]
fn old_and_idle_connections_end_lb_cb_26() {
    let seconds = Duration::from_secs;
    let pool = ConnectionPool::new().max_connection_duration(seconds(60)).http_idle_timeout(seconds(10));
    let limits = ConnectionLimits::http2(None, 100).of_pool(&pool);
    let state = |active, age, idle| limits.state(active, 1, seconds(age), seconds(idle));
    assert_eq!(state(0, 59, 9), ConnectionState::Ready);
    assert_eq!(state(1, 60, 0), ConnectionState::Draining); // what is in flight finishes
    assert_eq!(state(0, 60, 0), ConnectionState::Closing);
    assert_eq!(state(0, 59, 10), ConnectionState::Closing);
    assert_eq!(state(1, 59, 10), ConnectionState::Ready); // not idle while it carries a request
}

#[test]
fn a_field_of_0_is_not_set_lb_cb_01() {
    let zero = ConnectionPool::new()
        .max_connections(0)
        .http1_max_pending_requests(0)
        .http2_max_requests(0)
        .max_retries(0)
        .max_requests_per_connection(0)
        .max_concurrent_streams(0);
    assert_eq!(zero, ConnectionPool::new());
    assert_eq!(zero.limits(), Limits::new()); // LB-CB-02: 2^32 - 1
    let set = ConnectionPool::new()
        .max_connections(1)
        .http1_max_pending_requests(2)
        .http2_max_requests(3)
        .max_retries(4);
    let limits = Limits::new().max_connections(1).max_pending_requests(2).max_requests(3).max_retries(4);
    assert_eq!(set.limits(), limits);
    // LB-CB-08: a budget takes the place of `maxRetries`.
    let budget = set.retry_budget(RetryBudget::new());
    assert_eq!(CircuitBreaker::new(budget.limits()).retry_limit(NOW), 3);
    // The times of the table in section 4.1
    assert_eq!(zero.effective_connect_timeout(), Duration::from_secs(10));
    assert_eq!(zero.effective_idle_timeout(), Some(Duration::from_hours(1)));
    let tcp = zero.tcp_idle_timeout(Duration::from_secs(5));
    assert_eq!(tcp.effective_idle_timeout(), Some(Duration::from_secs(5)));
    assert_eq!(
        tcp.http_idle_timeout(Duration::from_secs(6)).effective_idle_timeout(),
        Some(Duration::from_secs(6))
    );
    assert_eq!(ConnectionPool::new().tcp_idle_timeout(Duration::ZERO).effective_idle_timeout(), None);
}

#[test]
fn durations_are_at_least_a_millisecond_lb_cb_07() {
    let (small, enough) = (Duration::from_micros(999), Duration::from_millis(1));
    type Setter = fn(ConnectionPool, Duration) -> ConnectionPool;
    let setters: [(Setter, &str); 4] = [
        (ConnectionPool::connect_timeout, "connectTimeout"),
        (ConnectionPool::http_idle_timeout, "http.idleTimeout"),
        (ConnectionPool::tcp_idle_timeout, "tcp.idleTimeout"),
        (ConnectionPool::max_connection_duration, "maxConnectionDuration"),
    ];
    for (set, name) in setters {
        assert_eq!(set(ConnectionPool::new(), enough).check(), Ok(()));
        let error = set(ConnectionPool::new(), small).check().unwrap_err();
        assert!(
            matches!(*error.kind(), BuildErrorKind::OutOfRange { field, found: 999_000, .. } if field == name)
        );
    }
    assert_eq!(ConnectionPool::new().tcp_idle_timeout(Duration::ZERO).check(), Ok(()));
    assert!(ConnectionPool::new().http_idle_timeout(Duration::ZERO).check().is_err());
}

#[test]
fn high_priority_keeps_the_limits_of_envoy_lb_cb_03() {
    let breaker = CircuitBreaker::new(Limits::envoy());
    let limits = [Resource::Connections, Resource::PendingRequests, Resource::Requests, Resource::Retries]
        .map(|resource| breaker.limits().get(resource));
    assert_eq!(limits, [1_024, 1_024, 1_024, 3]);
}
