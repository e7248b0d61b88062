use super::*;
use crate::{Endpoint, Weight};

fn set(keys: &[&'static str]) -> EndpointSet<&'static str> {
    EndpointSet::new(keys.iter().map(|key| Endpoint::new(*key, Weight::ONE))).unwrap()
}

fn at(index: usize) -> EndpointIndex {
    EndpointIndex::new(index).unwrap()
}

#[test]
fn counters_follow_the_key_to_the_next_set() {
    // LB-HOST-02, LB-TEST-44
    let (before, after) = (set(&["a", "b", "c"]), set(&["c", "d", "a"]));
    let counts = ActiveCounts::new(before.len());
    let (of_a, of_b) = (counts.start(at(0)).unwrap(), counts.start(at(1)).unwrap());
    let next = counts.carried_over(&before, &after);
    let _of_c = next.start(at(0)).unwrap();
    let read = |counts: &ActiveCounts| [0, 1, 2].map(|index| counts.active_requests(at(index)));
    assert_eq!(read(&next), [1, 0, 1]);
    assert_eq!(read(&counts), [1, 1, 1]);
    drop(of_a);
    drop(of_b); // its endpoint has left: nobody else is counted down
    assert_eq!(read(&next), [1, 0, 0]);
}

#[test]
fn an_index_of_another_set_counts_nothing() {
    let counts = ActiveCounts::new(1);
    assert!(counts.start(at(1)).is_none());
    assert_eq!(counts.active_requests(at(1)), 0);
}

#[test]
fn every_start_has_one_end_on_every_path() {
    // LB-TEST-40, LB-CB-28: ended, dropped, unwound
    let counts = ActiveCounts::new(2);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let counts = &counts;
            scope.spawn(move || {
                for request in 0..1_000 {
                    let guard = counts.start(at(request % 2)).unwrap();
                    if (request + thread) % 100 == 0 {
                        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
                            let _guard = guard;
                            std::panic::resume_unwind(Box::new("the caller's panic"));
                        }));
                        assert!(unwound.is_err());
                    }
                }
            });
        }
    });
    assert_eq!([0, 1].map(|index| counts.active_requests(at(index))), [0, 0]);
}
