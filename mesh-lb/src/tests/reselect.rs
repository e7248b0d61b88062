use super::*;
use crate::priority::PriorityHealth;

#[test]
fn the_last_result_is_used_even_if_rejected() {
    // LB-RSEL-01
    let mut tries = Vec::new();
    let chosen = reselect(
        3,
        |attempt| {
            tries.push(attempt);
            Some(attempt)
        },
        |_| true,
    );
    assert_eq!((chosen, tries), (Some(3), vec![0, 1, 2, 3]));
    assert_eq!(reselect(0, Some, |_| true), Some(0));
}

#[test]
fn nothing_to_pick_ends_at_once() {
    // LB-RSEL-01
    let mut tries = 0;
    let chosen = reselect(
        5,
        |attempt| {
            tries += 1;
            (attempt == 0).then_some(())
        },
        |()| true,
    );
    assert_eq!((chosen, tries), (None, 2));
}

fn three() -> PriorityLoad {
    let all = PriorityHealth { hosts: 4, healthy: 4, degraded: 0, excluded: 0 };
    let half = PriorityHealth { healthy: 2, ..all };
    PriorityLoad::new(&[half, half, all], 140, 0)
}

fn loads(load: &PriorityLoad) -> [u32; 3] {
    [0, 1, 2].map(|priority| load.healthy(priority))
}

#[test]
fn used_priorities_are_left_out_every_second_attempt() {
    // LB-RSEL-04, the frequency of Istio's retryRemoteLocalities
    let load = three();
    assert_eq!(loads(&load), [70, 30, 0]);
    let mut previous = PreviousPriorities::new(2);
    assert_eq!(loads(previous.load(&load)), [70, 30, 0]);
    previous.attempted(0);
    assert_eq!(loads(previous.load(&load)), [70, 30, 0]);
    previous.attempted(0);
    assert_eq!(loads(previous.load(&load)), [0, 70, 30]);
    previous.attempted(1);
    assert_eq!(loads(previous.load(&load)), [0, 70, 30]); // between two updates the last one holds
    previous.attempted(1);
    assert_eq!(loads(previous.load(&load)), [0, 0, 100]);
    previous.attempted(2);
    previous.attempted(2);
    assert_eq!(loads(previous.load(&load)), [70, 30, 0]); // nothing is left: start over
}

#[test]
fn taking_out_what_has_no_capacity_changes_nothing() {
    let load = three();
    assert_eq!(load.without(|_| false), Some(load.clone()));
    assert_eq!(load.without(|_| true), None);
    assert_eq!(load.without(|priority| priority == 200).as_ref().map(loads), Some([70, 30, 0]));
}
