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
    // LB-HOST-02, LB-TEST-44, LB-DES-03
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

#[test]
fn counters_that_share_lines_do_not_share_counts() {
    // LB-TEST-44: from few endpoints to many and back, each counts for itself and keeps its count
    let numbered = |keys: std::ops::Range<usize>| {
        let endpoint = |key| crate::Endpoint::new(key, crate::Weight::ONE);
        EndpointSet::new(keys.map(endpoint)).unwrap()
    };
    let sets = [numbered(0..200), numbered(100..1_000), numbered(90..300), numbered(250..900)];
    let mut counts = ActiveCounts::new(sets[0].len());
    let mut set = &sets[0];
    // Endpoint 150 stays up to the third set, 260 comes with the second and stays.
    let start = |counts: &ActiveCounts, set: &EndpointSet<usize>, key: usize, times: usize| {
        let index = set.find(&key).unwrap();
        (0..times).for_each(|_| std::mem::forget(counts.start(index)));
    };
    start(&counts, set, 150, 3);
    for next in &sets[1..] {
        counts = counts.carried_over(set, next);
        set = next;
        start(&counts, set, 260, 1);
        let of = |key: usize| if key == 150 { 3 } else { 0 };
        for (index, endpoint) in set.iter().filter(|(_, endpoint)| *endpoint.key() != 260) {
            assert_eq!(counts.active_requests(index), of(*endpoint.key()), "{}", endpoint.key());
        }
    }
    assert_eq!(counts.active_requests(set.find(&260).unwrap()), 3);
    // All at once, each as often as its number says.
    let all = ActiveCounts::new(700);
    for index in 0..700 {
        (0..index % 17).for_each(|_| std::mem::forget(all.start(at(index))));
    }
    assert!((0..700).all(|index| all.active_requests(at(index)) as usize == index % 17));
}
