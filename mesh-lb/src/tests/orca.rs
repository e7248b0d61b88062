use super::*;
use crate::Endpoint;

fn at(seconds: u64) -> Monotonic {
    Monotonic::new(Duration::from_secs(seconds))
}

fn index(at: usize) -> EndpointIndex {
    EndpointIndex::new(at).unwrap()
}

fn report(rps: f64, cpu: f64) -> LoadReport {
    LoadReport { rps, cpu_utilization: cpu, ..LoadReport::default() }
}

fn numbers(weights: &ReportedWeights, now: u64) -> Vec<u32> {
    weights.weights(at(now)).into_iter().map(Weight::get).collect()
}

#[test]
fn the_weight_is_rate_over_utilization_lb_orca_01() {
    let base = report(100.0, 0.5);
    let application = LoadReport { application_utilization: 0.25, ..base };
    let named = LoadReport { named_utilization: Some(0.8), ..application };
    let failing = LoadReport { eps: 50.0, ..base };
    for (report, penalty, want) in [
        (base, 1.0, Some(200)),
        (application, 1.0, Some(400)),
        (named, 1.0, Some(125)),
        (LoadReport { named_utilization: Some(0.0), ..named }, 1.0, Some(400)),
        (failing, 1.0, Some(100)), // 100 / (0.5 + 50 / 100)
        (failing, 0.0, Some(200)),
        (report(0.0, 0.5), 1.0, None),
        (report(100.0, 0.0), 1.0, None),
        (report(0.1, 0.5), 1.0, None), // less than 1
        (report(f64::NAN, 0.5), 1.0, None),
        (report(f64::INFINITY, 1e-300), 1.0, Some(u32::MAX)),
    ] {
        assert_eq!(weight(&report, penalty), want, "{report:?} {penalty}");
    }
}

#[test]
fn reports_count_between_blackout_and_expiry_lb_orca_01() {
    let mut weights = ReportedWeights::new(ReportedWeightsConfig::new(), 4);
    assert_eq!(numbers(&weights, 0), [1; 4]); // nobody is known
    for second in [0, 10] {
        weights.report(index(0), &report(100.0, 0.5), at(second));
        weights.report(index(1), &report(100.0, 0.25), at(second));
    }
    assert_eq!(numbers(&weights, 10), [1; 4]); // not longer than the blackout
    assert_eq!(numbers(&weights, 11), [200, 400, 300, 300]); // the others have the median
    weights.report(index(0), &report(100.0, 0.5), at(189));
    assert_eq!(numbers(&weights, 189), [200, 400, 300, 300]);
    assert_eq!(numbers(&weights, 190), [200; 4]); // the second's last report is 180 seconds old
    // After an expiry the blackout begins again.
    weights.report(index(1), &report(100.0, 0.25), at(191));
    assert_eq!(numbers(&weights, 195), [200; 4]);
    weights.report(index(1), &report(100.0, 0.25), at(202));
    assert_eq!(numbers(&weights, 202)[1], 400);
    weights.report(index(9), &report(1.0, 1.0), at(202)); // not of this set
}

#[test]
fn weights_follow_the_key_and_go_into_the_set_lb_orca_01() {
    let set = |keys: &[&'static str]| {
        EndpointSet::new(keys.iter().map(|key| Endpoint::new(*key, Weight::ONE))).unwrap()
    };
    let (old, new) = (set(&["a", "b"]), set(&["b", "c", "d"]));
    let mut weights = ReportedWeights::new(ReportedWeightsConfig::new().blackout(Duration::ZERO), 2);
    weights.report(index(1), &report(90.0, 0.3), at(1));
    let weights = weights.carried_over(&old, &new);
    let found = weights.apply(&new, at(2)).unwrap();
    let found: Vec<_> =
        found.iter().map(|(_, endpoint)| (*endpoint.key(), endpoint.weight().get())).collect();
    assert_eq!(found, [("b", 300), ("c", 300), ("d", 300)]);
}
