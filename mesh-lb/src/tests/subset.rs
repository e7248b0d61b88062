use super::*;
use crate::{
    AllUsable, Availability, Endpoint, HealthStatus, Ineligible, Locality, LocalityWeights, Random,
    SplitMix64, Weight,
};

/// Key: version and stage; a `+` separates the elements of a list.
type Key = (usize, &'static str, &'static str);

fn set() -> EndpointSet<Key> {
    let keys = [("1", "prod"), ("1", "dev"), ("2", "prod"), ("2+3", "prod"), ("3", "dev"), ("", "dev")];
    EndpointSet::new(keys.iter().enumerate().map(|(at, (version, stage))| {
        let place = Locality::parse(if at < 4 { "a" } else { "b" });
        Endpoint::new((at, *version, *stage), Weight::ONE).locality(place)
    }))
    .unwrap()
}

fn metadata(key: &Key, name: &str) -> Vec<String> {
    let text = match name {
        "version" => key.1,
        "stage" => key.2,
        _ => "",
    };
    text.split('+').filter(|value| !value.is_empty()).map(str::to_owned).collect()
}

fn subsets(config: &SubsetConfig) -> Subsets {
    Subsets::new(&set(), &PrioritySetConfig::new(), config, &AllUsable, metadata)
}

fn members(view: Option<&Arc<PrioritySet>>) -> Option<Vec<usize>> {
    Some(view?.eligible(0, Availability::Healthy).iter().map(|index| index.get()).collect())
}

fn selectors() -> [SubsetSelector; 2] {
    [SubsetSelector::new(["version"]), SubsetSelector::new(["stage", "version"])]
}

#[test]
fn criteria_with_exactly_the_keys_select_lb_sub_01() {
    let subsets = subsets(&SubsetConfig::new(selectors()));
    let find = |criteria: &[(&str, &str)]| members(subsets.find(criteria));
    assert_eq!(find(&[("version", "1")]), Some(vec![0, 1]));
    assert_eq!(find(&[("version", "2")]), Some(vec![2, 3])); // an element of a list matches
    assert_eq!(find(&[("version", "3")]), Some(vec![3, 4]));
    assert_eq!(find(&[("version", "1"), ("stage", "prod")]), Some(vec![0]));
    assert_eq!(find(&[("stage", "prod"), ("version", "1")]), Some(vec![0])); // in any order
    for nothing in [&[("version", "9")][..], &[("stage", "prod")], &[("version", "1"), ("stage", "x")], &[]] {
        assert_eq!(find(nothing), None, "{nothing:?}");
    }
}

#[test]
fn what_selects_nothing_falls_back_lb_sub_01() {
    let base = || SubsetConfig::new(selectors()).default_subset([("stage", "dev")]);
    let find = |config: &SubsetConfig, criteria: &[(&str, &str)]| members(subsets(config).find(criteria));
    let nothing = [("version", "9")];
    assert_eq!(find(&base(), &nothing), None);
    let any = base().fallback(SubsetFallback::AnyEndpoint);
    assert_eq!(find(&any, &nothing), Some((0..6).collect()));
    let default = base().fallback(SubsetFallback::DefaultSubset);
    assert_eq!(find(&default, &nothing), Some(vec![1, 4, 5]));
    assert_eq!(find(&base().panic_mode_any(), &nothing), Some((0..6).collect()));
    // A selector's own fallback comes first.
    let own = SubsetSelector::new(["version"]).fallback(SubsetFallback::NoFallback);
    let own = SubsetConfig::new([own]).fallback(SubsetFallback::AnyEndpoint);
    assert_eq!(find(&own, &nothing), None);
    assert_eq!(find(&own, &[("other", "9")]), Some((0..6).collect()));
    // KEYS_SUBSET: again without the stage.
    let [version, both] = selectors();
    let fewer = SubsetConfig::new([version, both.fallback_keys(["version"])]);
    assert_eq!(find(&fewer, &[("version", "1"), ("stage", "x")]), Some(vec![0, 1]));
    assert_eq!(find(&fewer, &[("version", "9"), ("stage", "x")]), None);
    // One that goes round in circles ends.
    let circle = SubsetConfig::new([SubsetSelector::new(["version"]).fallback_keys(["version"])]);
    assert_eq!(find(&circle, &nothing), None);
}

#[test]
fn alternatives_are_tried_in_order_lb_sub_01() {
    let subsets = subsets(&SubsetConfig::new(selectors()).fallback(SubsetFallback::AnyEndpoint));
    let find = |alternatives: &[&[(&str, &str)]]| members(subsets.find_first(alternatives));
    assert_eq!(find(&[&[("version", "9")], &[("version", "3")]]), Some(vec![3, 4]));
    assert_eq!(find(&[&[("version", "9")], &[("version", "8")]]), Some((0..6).collect()));
    assert_eq!(find(&[]), None);
}

#[test]
fn a_subset_can_hold_one_endpoint_lb_sub_01() {
    let one = SubsetSelector::new(["version"]).single_host_per_subset();
    let subsets = subsets(&SubsetConfig::new([one]));
    assert_eq!(members(subsets.find(&[("version", "2")])), Some(vec![2]));
}

#[test]
fn locality_weights_can_be_scaled_lb_sub_01() {
    // Version 3: 1 of 4 in locality a, 1 of 2 in locality b.
    let weights = LocalityWeights::new([(0, Locality::parse("a"), 100), (0, Locality::parse("b"), 100)]);
    let priorities = PrioritySetConfig::new().locality_weights(weights.unwrap());
    let share_of_a = |config: SubsetConfig| {
        let subsets = Subsets::new(&set(), &priorities, &config, &AllUsable, metadata);
        let balancer = Random::new(Arc::clone(subsets.find(&[("version", "3")]).unwrap()));
        let mut draw = SplitMix64::new(1);
        let picks = (0..30_000).map(|_| balancer.pick(&mut draw).unwrap().endpoint.get());
        f64::from(u32::try_from(picks.filter(|at| *at == 3).count()).unwrap()) / 30_000.0
    };
    let config = || SubsetConfig::new(selectors());
    assert!((share_of_a(config()) - 0.5).abs() < 0.02);
    assert!((share_of_a(config().scale_locality_weight()) - 1.0 / 3.0).abs() < 0.02);
}

#[test]
fn health_is_that_of_the_subset_lb_sub_01() {
    let verdict = |index: EndpointIndex| index.get() != 0;
    let subsets =
        Subsets::new(&set(), &PrioritySetConfig::new(), &SubsetConfig::new(selectors()), &verdict, metadata);
    let view = subsets.find(&[("version", "1")]).unwrap();
    assert_eq!(view.load().health(0), 70); // one of two
    let reason = |at| view.explain(EndpointIndex::new(at).unwrap()).unwrap().reason();
    assert_eq!([0, 1, 2].map(reason), [Some(Ineligible::Ejected), None, Some(Ineligible::NotInSubset)]);
    let text = view.explain(EndpointIndex::new(2).unwrap()).unwrap().to_string();
    assert_eq!(text, "not eligible: healthy, not in the subset; priority 0 has 100 % of the traffic");
    assert_eq!(set().iter().filter(|(_, endpoint)| endpoint.status() == HealthStatus::Unknown).count(), 6);
}

#[test]
fn no_selector_and_no_key_are_harmless() {
    let none = subsets(&SubsetConfig::default());
    assert!(none.find(&[("version", "1")]).is_none());
    let empty = subsets(&SubsetConfig::new([SubsetSelector::new([])]));
    assert!(empty.find(&[]).is_none());
}
