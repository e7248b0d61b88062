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
}
