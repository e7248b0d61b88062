//! Load balancing (MODEL-LB).

use super::report::{At, Report, show};
use super::strings::duration;
use crate::common::{
    ConsistentHash, Distribute, LoadBalancerSettings, LocalityLbSetting, SimpleLb, WarmupConfiguration,
    ZoneAwareLbSetting,
};
use std::collections::BTreeSet;

const TOPOLOGY: [&str; 3] =
    ["topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"];

/// `outlier` says whether the same policy has outlier detection.
pub(super) fn load_balancer(report: &mut Report<'_>, at: &At<'_>, lb: &LoadBalancerSettings, outlier: bool) {
    if lb.simple.is_some() && lb.consistent_hash.is_some() {
        report
            .error("MODEL-LB-1", at, "`simple` and `consistentHash` exclude each other")
            .help("keep one of them");
    }
    if let Some(hash) = &lb.consistent_hash {
        consistent_hash(report, &at.field("consistentHash"), hash);
    }
    if lb.locality_lb_setting.is_some() && lb.zone_aware_lb_setting.is_some() {
        report
            .error("MODEL-LB-7", at, "`localityLbSetting` and `zoneAwareLbSetting` exclude each other")
            .help("keep one of them");
    }
    if let Some(setting) = &lb.locality_lb_setting {
        locality(report, &at.field("localityLbSetting"), setting, outlier);
    }
    if let Some(setting) = &lb.zone_aware_lb_setting {
        zone_aware(report, &at.field("zoneAwareLbSetting"), setting, outlier);
    }
    if let Some(warmup) = &lb.warmup {
        warm_up(report, &at.field("warmup"), warmup);
    }
    duration(report, "MODEL-TYPE-6", &at.field("warmupDurationSecs"), lb.warmup_duration_secs);
    if lb.warmup.is_some() || lb.warmup_duration_secs.is_some() {
        // The API says that the two exclude each other, the CRD does not: Istio takes both.
        if lb.warmup.is_some() && lb.warmup_duration_secs.is_some() {
            report
                .warning("MODEL-LB-16", &at.field("warmupDurationSecs"), "`warmup` is given as well")
                .help("remove `warmupDurationSecs`")
                .at_key();
        }
        let never = match lb.simple {
            Some(mode @ (SimpleLb::Random | SimpleLb::Passthrough)) => Some(mode.as_str()),
            None if lb.consistent_hash.is_some() => Some("consistentHash"),
            _ => None,
        };
        if let Some(mode) = never {
            report
                .warning("MODEL-LB-16", &at.field("warmup"), format!("a warm-up has no effect with {mode}"))
                .help("it needs ROUND_ROBIN or LEAST_REQUEST")
                .at_key();
        }
    }
}

fn consistent_hash(report: &mut Report<'_>, at: &At<'_>, hash: &ConsistentHash) {
    let keys = [
        ("httpHeaderName", hash.http_header_name.is_some()),
        ("httpCookie", hash.http_cookie.is_some()),
        ("useSourceIp", hash.use_source_ip.is_some()),
        ("httpQueryParameterName", hash.http_query_parameter_name.is_some()),
    ];
    let given: Vec<&str> = keys.into_iter().filter_map(|(name, set)| set.then_some(name)).collect();
    match given.as_slice() {
        [] => {
            report
                .warning("MODEL-LB-6", at, "no hash key is given, all requests hash alike")
                .help(
                    "give one of `httpHeaderName`, `httpCookie`, `useSourceIp` and `httpQueryParameterName`",
                )
                .absent();
        }
        [_] => {}
        [first, second, ..] => {
            report
                .warning("MODEL-TYPE-22", at, format!("`{first}` and `{second}` are two hash keys"))
                .help("keep one of them");
        }
    }
    if hash.ring_hash.is_some() && hash.maglev.is_some() {
        report
            .warning("MODEL-TYPE-22", at, "`ringHash` and `maglev` exclude each other")
            .help("keep one of them");
    }
    if let Some(cookie) = &hash.http_cookie {
        let at = at.field("httpCookie");
        if cookie.name.is_empty() {
            report
                .error("MODEL-LB-2", &at.field("name"), "the cookie has no name")
                .help("add `name`")
                .absent();
        }
        let at = at.field("attributes");
        let mut seen = BTreeSet::new();
        for (index, attribute) in cookie.attributes.iter().enumerate() {
            let name = &attribute.name;
            let at = at.index(index);
            let at = at.field("name");
            if name.is_empty() {
                report.error("MODEL-LB-3", &at, "the attribute has no name").help("add `name`").absent();
            } else if !seen.insert(name) {
                report
                    .error("MODEL-LB-3", &at, format!("the attribute `{}` is given twice", show(name)))
                    .help("remove one of the two");
            }
        }
    }
    if hash.minimum_ring_size != 0 {
        let at = at.field("minimumRingSize");
        if hash.ring_hash.is_some() || hash.maglev.is_some() {
            report
                .error("MODEL-LB-4", &at, "`minimumRingSize` contradicts `ringHash` and `maglev`")
                .help("remove it")
                .at_key();
        } else {
            report
                .warning("MODEL-LB-4", &at, "`minimumRingSize` is deprecated")
                .help("write ringHash: {minimumRingSize: ...}")
                .at_key();
        }
    }
    if let Some(maglev) = &hash.maglev {
        let size = maglev.table_size.unwrap_or(0);
        let at = at.field("maglev");
        let fault = if size == 0 {
            Some("the table has no size".to_owned())
        } else if size >= 5_000_011 {
            Some(format!("`{size}` is too large, at most 5000010 is allowed"))
        } else if !is_prime(size) {
            Some(format!("`{size}` is not a prime"))
        } else {
            None
        };
        if let Some(fault) = fault {
            report.error("MODEL-LB-5", &at.field("tableSize"), fault).help("write 65537");
        }
    }
}

/// MODEL-CHK-21: 1, 2 and 3 count.
fn is_prime(number: u64) -> bool {
    if number < 4 {
        return number > 0;
    }
    // At most 1118 divisions below the bound that was checked before.
    !number.is_multiple_of(2)
        && (3..).step_by(2).take_while(|d| d * d <= number).all(|d| !number.is_multiple_of(d))
}

fn warm_up(report: &mut Report<'_>, at: &At<'_>, warmup: &WarmupConfiguration) {
    if warmup.duration.is_none() {
        report
            .error("MODEL-LB-15", &at.field("duration"), "`duration` is missing")
            .help("add duration: 30s")
            .absent();
    }
    duration(report, "MODEL-LB-15", &at.field("duration"), warmup.duration);
    if let Some(percent) = warmup.minimum_percent
        && !(0.0..=100.0).contains(&percent)
    {
        report
            .error("MODEL-LB-15", &at.field("minimumPercent"), format!("`{percent}` is not a percentage"))
            .help("write a number from 0 to 100");
    }
    if let Some(aggression) = warmup.aggression
        && (aggression <= 0.0 || aggression.is_nan())
    {
        report
            .error("MODEL-LB-15", &at.field("aggression"), format!("`{aggression}` is not above 0"))
            .help("1.0 is a straight line");
    }
}

pub(super) fn locality(report: &mut Report<'_>, at: &At<'_>, setting: &LocalityLbSetting, outlier: bool) {
    if !setting.distribute.is_empty() && !setting.failover.is_empty() {
        report
            .error("MODEL-LB-8", at, "`distribute` and `failover` exclude each other")
            .help("keep one of them");
    }
    if !setting.failover.is_empty() {
        topology_labels(report, "MODEL-LB-9", &at.field("failoverPriority"), &setting.failover_priority);
    }
    distribute(report, &at.field("distribute"), &setting.distribute);
    let pairs = setting.failover.iter().map(|entry| (entry.from.as_str(), entry.to.as_str()));
    failover(report, "MODEL-LB-13", &at.field("failover"), pairs);
    if !outlier && (!setting.failover.is_empty() || !setting.failover_priority.is_empty()) {
        report
            .warning("MODEL-LB-12", at, "nothing fails over without `outlierDetection` in the same policy")
            .help("add outlierDetection: {}");
    }
}

pub(super) fn zone_aware(report: &mut Report<'_>, at: &At<'_>, setting: &ZoneAwareLbSetting, outlier: bool) {
    topology_labels(report, "MODEL-LB-14", &at.field("failoverPriority"), &setting.failover_priority);
    let pairs = setting.failover.iter().map(|entry| (entry.from.as_str(), entry.to.as_str()));
    failover(report, "MODEL-LB-14", &at.field("failover"), pairs);
    if setting.min_cluster_size == Some(0) {
        report
            .error("MODEL-LB-14", &at.field("minClusterSize"), "`0` is below 1")
            .help("leave it out for 6, or write a positive number");
    }
    if !outlier && (!setting.failover.is_empty() || !setting.failover_priority.is_empty()) {
        report
            .warning("MODEL-LB-14", at, "nothing fails over without `outlierDetection` in the same policy")
            .help("add outlierDetection: {}");
    }
}

fn topology_labels(report: &mut Report<'_>, code: &'static str, at: &At<'_>, list: &[String]) {
    for (index, entry) in list.iter().enumerate() {
        let label = entry.split('=').next().unwrap_or(entry);
        if TOPOLOGY.contains(&label) {
            report
                .error(
                    code,
                    &at.index(index),
                    format!("`{}` is the locality, which is compared already", show(label)),
                )
                .help("remove it");
        }
    }
}

fn failover<'l>(
    report: &mut Report<'_>,
    code: &'static str,
    at: &At<'_>,
    pairs: impl Iterator<Item = (&'l str, &'l str)>,
) {
    for (index, (from, to)) in pairs.enumerate() {
        let at = at.index(index);
        if from == to {
            report
                .error(code, &at, format!("`{}` fails over to itself", show(from)))
                .help("write another region in `to`");
        }
        if [from, to].iter().any(|region| region.contains(['/', '*'])) {
            report
                .error(code, &at, format!("`{}` to `{}` does not name two regions", show(from), show(to)))
                .help("write regions only, without `/` and `*`");
        }
    }
}

fn distribute(report: &mut Report<'_>, at: &At<'_>, list: &[Distribute]) {
    let mut from = Localities::default();
    for (index, entry) in list.iter().enumerate() {
        let at = at.index(index);
        if let Err(fault) = from.add(&entry.from) {
            report
                .error("MODEL-LB-11", &at.field("from"), fault)
                .help("write region/zone/subzone, `*` at the end for the rest");
        }
        let at = at.field("to");
        let mut to = Localities::default();
        let mut sum: u64 = 0;
        for (locality, weight) in &entry.to {
            let at = at.key(locality);
            sum += u64::from(*weight);
            if !(1..=100).contains(weight) {
                report
                    .error("MODEL-LB-10", &at, format!("the weight `{weight}` is outside 1..100"))
                    .help("leave out localities that get nothing");
            }
            if let Err(fault) = to.add(locality) {
                report
                    .error("MODEL-LB-11", &at, fault)
                    .help("write region/zone/subzone, `*` at the end for the rest")
                    .at_key();
            }
        }
        if sum != 100 {
            report
                .error("MODEL-LB-10", &at, format!("the weights add up to {sum}, 100 is needed"))
                .help("the weights of one entry are percentages");
        }
    }
}

/// Localities that may not overlap.
#[derive(Default)]
struct Localities {
    /// What each covers, without a final `*`; and everything above it.
    covering: BTreeSet<String>,
    covered: BTreeSet<String>,
}

impl Localities {
    fn add(&mut self, locality: &str) -> Result<(), String> {
        let shown = show(locality);
        let stars = locality.matches('*').count();
        if stars > 1 || (stars == 1 && !locality.ends_with('*')) {
            return Err(format!("`{shown}` has a `*` that is not at its end"));
        }
        let base = locality.strip_suffix('*').map_or(locality, |base| base.strip_suffix('/').unwrap_or(base));
        let parts: Vec<&str> =
            if base.is_empty() && stars == 1 { Vec::new() } else { base.splitn(4, '/').collect() };
        if parts.iter().any(|part| part.is_empty()) {
            return Err(format!("`{shown}` has an empty region, zone or subzone"));
        }
        // A locality covers those below it, so one of the parts above may not be there, nor may it be below another.
        let above: Vec<String> = (0..=parts.len())
            .map(|len| parts.get(..len).map(|head| head.join("/")).unwrap_or_default())
            .collect();
        let whole = parts.join("/");
        if above.iter().any(|part| self.covering.contains(part)) || self.covered.contains(&whole) {
            return Err(format!("`{shown}` overlaps another locality"));
        }
        self.covering.insert(whole);
        self.covered.extend(above);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_chk_21_primes() {
        for prime in [1, 2, 3, 5, 65537, 4_999_999] {
            assert!(is_prime(prime), "{prime}");
        }
        for other in [0, 4, 9, 65535, 5_000_001] {
            assert!(!is_prime(other), "{other}");
        }
    }

    #[test]
    fn model_lb_11_localities() {
        let fails = |list: &[&str]| {
            let mut all = Localities::default();
            list.iter().filter(|locality| all.add(locality).is_err()).count()
        };
        assert_eq!(fails(&["a/b/*", "a/c/*", "b", "c/d/e", "c/d/f"]), 0);
        assert_eq!(fails(&["a", "a/b"]), 1);
        assert_eq!(fails(&["a/b/c", "a/b"]), 1);
        assert_eq!(fails(&["*", "a"]), 1);
        assert_eq!(fails(&["a", "*"]), 1);
        assert_eq!(fails(&["a", "a"]), 1);
        assert_eq!(fails(&["a//c", "*/a", "a*b", "**", ""]), 5);
    }
}
