use proptest::prelude::*;

use super::*;
use crate::endpoint::Weight;

fn set(keys: &[&'static str]) -> Result<EndpointSet<&'static str>, BuildError> {
    EndpointSet::new(keys.iter().map(|key| Endpoint::new(*key, Weight::ONE)))
}

#[test]
fn bad_input_is_named() {
    // LB-TEST-50
    let text = |keys: &[&'static str]| set(keys).map(|_| ()).unwrap_err().to_string();
    assert_eq!(text(&[]), "the endpoint set is empty, give at least one endpoint");
    assert_eq!(text(&["a", "b", "a"]), "endpoint 2 repeats the key of endpoint 0, keys must differ");
    let weighted = |list: &[(&'static str, u32)]| EndpointSet::from_weights(list.iter().copied());
    assert_eq!(weighted(&[("a", 0), ("b", 2), ("c", 0)]).unwrap().find(&"b"), EndpointIndex::new(0));
    let none = weighted(&[("a", 0)]).unwrap_err();
    assert_eq!(none.kind(), &BuildErrorKind::AllWeightsZero { endpoints: 1 });
    assert_eq!(weighted(&[]).unwrap_err().kind(), &BuildErrorKind::EmptySet);
    let zero = Weight::new(0).unwrap_err();
    assert_eq!(zero.to_string(), "weight is 0, leave an endpoint without traffic out of the set");
    assert_eq!((Weight::or_one(0), Weight::or_one(7).get()), (Weight::ONE, 7));
}

#[test]
fn the_number_of_endpoints_is_bounded() {
    // LB-TEST-50: 65,535 fit, one more does not
    let many = |n: u32| EndpointSet::new((0..n).map(|key| Endpoint::new(key, Weight::ONE)));
    let full = many(65_535).unwrap();
    let last = full.find(&65_534).unwrap();
    assert_eq!((full.len(), last.get()), (65_535, 65_534));
    let kind = BuildErrorKind::TooManyEndpoints { max: 65_535, found: 65_536 };
    assert_eq!(many(65_536).unwrap_err().kind(), &kind);
    assert_eq!((EndpointIndex::new(65_534), EndpointIndex::new(65_535)), (Some(last), None));
}

#[test]
fn weights_must_add_up_in_32_bits() {
    // LB-HOST-07: in each locality of each priority
    let heavy =
        |key, place: &str| Endpoint::new(key, Weight::or_one(u32::MAX)).locality(Locality::parse(place));
    assert!(EndpointSet::new([heavy("a", "r/x"), heavy("b", "r/y"), heavy("c", "r/x").priority(1)]).is_ok());
    let error = EndpointSet::new([heavy("a", "r/x"), heavy("b", "r/x")]).unwrap_err();
    let text = "locality `r/x`: endpoint weights in priority 0 add up to more than 4294967295";
    assert_eq!(error.to_string(), text);
}

#[test]
fn localities_are_sorted_by_their_texts() {
    // LB-HOST-05
    let places = ["b", "a/z", "", "a/b/c", "a/z"];
    let endpoints = places
        .iter()
        .enumerate()
        .map(|(key, place)| Endpoint::new(key, Weight::ONE).locality(Locality::parse(place)));
    let set = EndpointSet::new(endpoints).unwrap();
    let texts: Vec<String> = set.localities().iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["", "a/b/c", "a/z", "b"]);
    let of: Vec<usize> = set.iter().map(|(index, _)| set.locality_of(index)).collect();
    assert_eq!(of, [3, 2, 0, 1, 2]);
}

#[test]
fn changes_that_cannot_be_are_named() {
    // LB-TEST-50
    let full = EndpointSet::new((0..65_535_u32).map(|key| Endpoint::new(key, Weight::ONE))).unwrap();
    let one_more = full.with_changes([Change::Put(Endpoint::new(70_000, Weight::ONE))]);
    let kind = BuildErrorKind::TooManyEndpoints { max: 65_535, found: 65_536 };
    assert_eq!(one_more.unwrap_err().kind(), &kind);
    let none = set(&["a"]).unwrap().with_changes([Change::Remove("b"), Change::Remove("a")]);
    assert_eq!(none.unwrap_err().kind(), &BuildErrorKind::EmptySet);
    let heavy = |key| Change::Put(Endpoint::new(key, Weight::or_one(u32::MAX)));
    let error = set(&["a", "b"]).unwrap().with_changes([heavy("a")]).unwrap_err();
    assert!(matches!(error.kind(), BuildErrorKind::EndpointWeightOverflow { priority: 0, .. }));
}

#[test]
fn errors_are_small_and_can_cross_threads() {
    fn crosses<T: Send + Sync + std::error::Error + 'static>() -> usize {
        size_of::<T>()
    }
    assert!(crosses::<BuildError>() <= 64);
    assert!(crosses::<crate::Overflow>() <= 8);
}

proptest! {
    #[test]
    fn every_key_is_found_and_no_other(keys in prop::collection::hash_set(0_u16..500, 1..100)) {
        let keys: Vec<u16> = keys.into_iter().collect();
        let set = EndpointSet::new(keys.iter().map(|&key| Endpoint::new(key, Weight::ONE))).unwrap();
        for key in 0..500 {
            let want = keys.iter().position(|&known| known == key);
            prop_assert_eq!(set.find(&key).map(EndpointIndex::get), want);
        }
        prop_assert_eq!(set.iter().count(), set.len());
        prop_assert!(!set.is_empty());
    }

    #[test]
    fn a_changed_set_equals_a_new_one(
        keys in prop::collection::hash_set(0_u8..40, 1..30),
        changes in prop::collection::vec((0_u8..40, 0_u32..4, 0_u8..3, 0_u8..4), 0..30),
    ) {
        // LB-HOST-02, LB-HOST-08: the change is in the set at once, whoever stays keeps the place in the order
        let endpoint = |key, weight, priority, place: u8| {
            let place = Locality::parse(["", "r/a", "r/b", "s/a"][usize::from(place)]);
            Endpoint::new(key, Weight::or_one(weight)).priority(priority).locality(place)
        };
        let mut list: Vec<_> = keys.into_iter().map(|key| endpoint(key, 1, 0, key % 4)).collect();
        let set = EndpointSet::new(list.clone()).unwrap();
        let changes = changes.into_iter().map(|(key, weight, priority, place)| {
            let at = list.iter().position(|known| *known.key() == key);
            if weight == 0 {
                list.retain(|known| *known.key() != key);
                return Change::Remove(key);
            }
            let new = endpoint(key, weight, priority, place);
            match at {
                Some(at) => list[at] = new.clone(),
                None => list.push(new.clone()),
            }
            Change::Put(new)
        });
        let found = set.with_changes(changes.collect::<Vec<_>>());
        let Ok(want) = EndpointSet::new(list) else {
            prop_assert_eq!(found.unwrap_err(), BuildErrorKind::EmptySet.into());
            return Ok(());
        };
        let found = found.unwrap();
        let endpoints = |set: &EndpointSet<u8>| {
            let of = |(index, endpoint): (EndpointIndex, &Endpoint<u8>)| {
                (format!("{endpoint:?}"), set.locality_of(index), set.find(endpoint.key()) == Some(index))
            };
            set.iter().map(of).collect::<Vec<_>>()
        };
        prop_assert_eq!(endpoints(&found), endpoints(&want));
        prop_assert_eq!(found.localities(), want.localities());
        prop_assert_eq!(found.by_key.len(), want.len());
        prop_assert!(endpoints(&found).iter().all(|(_, _, is_found)| *is_found));
    }
}
