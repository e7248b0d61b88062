use super::*;

#[test]
fn which_endpoints_proxies_hear_of_lb_host_09() {
    use EndpointState::{Draining, Healthy, Terminating, Unhealthy};
    let all = [1, 2, 3, 4, 0, 5].map(EndpointState::from_number);
    assert_eq!(all, [Some(Healthy), Some(Unhealthy), Some(Draining), Some(Terminating), None, None]);
    let (healthy, unhealthy, draining) =
        (Some(HealthStatus::Healthy), Some(HealthStatus::Unhealthy), Some(HealthStatus::Draining));
    let plain = ServiceHealth::new();
    for (service, want) in [
        (plain, [healthy, unhealthy, None, None]),
        (plain.persistent_sessions(), [healthy, unhealthy, draining, None]),
        (plain.outlier_detection(0), [healthy, unhealthy, None, None]),
        (plain.outlier_detection(30), [healthy, None, None, None]),
        (plain.outlier_detection(30).traffic_distribution(), [healthy, unhealthy, None, None]),
    ] {
        let found = [Healthy, Unhealthy, Draining, Terminating].map(|state| service.status(state));
        assert_eq!(found, want, "{service:?}");
    }
}

#[test]
fn min_health_percent_is_a_panic_threshold_lb_panic_07() {
    let plain = ServiceHealth::new();
    assert_eq!(plain.panic_threshold_percent(), 0);
    assert_eq!(plain.outlier_detection(0).panic_threshold_percent(), 0);
    assert_eq!(plain.outlier_detection(50).panic_threshold_percent(), 50);
    assert_eq!(plain.outlier_detection(50).always_accepts_unhealthy().panic_threshold_percent(), 0);
}

#[test]
fn weights_are_divided_over_gateways_lb_host_10() {
    let weights = GatewayWeights::new([2, 3, 4]);
    assert_eq!((weights.direct(1), weights.direct(0)), (12, 12)); // 0 and absent count as 1
    assert_eq!((weights.behind(1, 2), weights.behind(1, 3), weights.behind(5, 4)), (6, 4, 15));
    let none = GatewayWeights::new([]);
    assert_eq!((none.direct(7), none.behind(7, 0), none.behind(1, 9)), (7, 1, 1));
    // A factor that does not fit, and a product that does not.
    assert_eq!(GatewayWeights::new([65_521, 65_519, 65_497]).direct(3), 3);
    assert_eq!(weights.direct(u32::MAX), u32::MAX);
}
