use std::sync::atomic::AtomicBool;

use super::*;

#[test]
fn the_next_look_sees_the_update_lb_des_15() {
    let published = Arc::new(Published::new(0));
    let (mut a, mut b) = (published.subscribe(), published.subscribe());
    assert_eq!((a.changed(), **b.latest()), (None, 0));
    for version in 1..10 {
        published.publish(version);
        // `b` skips every other version and is none the worse for it.
        assert_eq!(a.changed().map(|value| **value), Some(version));
        assert_eq!(a.changed(), None);
        if version % 2 == 0 {
            assert_eq!(**b.latest(), version);
            assert_eq!(b.changed(), None);
        }
    }
    assert_eq!(**b.clone().latest(), 9);
    assert_eq!(*published.load(), 9);
}

#[test]
fn a_version_is_freed_when_nobody_has_it_any_more() {
    let first = Arc::new(1);
    let weak = Arc::downgrade(&first);
    let published = Arc::new(Published::new(first));
    let mut worker = published.subscribe();
    published.publish(2);
    assert!(weak.upgrade().is_some()); // a pick may still be under way on it
    assert_eq!(**worker.latest(), 2);
    assert!(weak.upgrade().is_none());
}

#[test]
fn workers_see_versions_in_order() {
    let published = Arc::new(Published::new(0_u32));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let (mut subscriber, mut last) = (published.subscribe(), 0);
                loop {
                    let over = done.load(Ordering::Acquire);
                    let seen = **subscriber.latest();
                    assert!(seen >= last);
                    last = seen;
                    if over {
                        break assert_eq!(last, 2_000);
                    }
                }
            });
        }
        for version in 1..=2_000 {
            published.publish(version);
        }
        done.store(true, Ordering::Release);
    });
}
