//! The values that fields of many kinds have: names, hosts, durations, ports, labels, matches.

use super::build::{Tree, distinct, flag, list, map, may, message, must, one_of, only, text, whole, words};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A DNS label; some are words that YAML would read as something else.
pub const LABEL: &str = "[a-z]([a-z0-9-]{0,6}[a-z0-9])?|true|null|yes|on|n|e1";

pub fn name() -> Tree {
    text(LABEL)
}

/// A name of several parts, without wildcard.
pub fn domain() -> Tree {
    text("[a-z]([a-z0-9-]{0,5}[a-z0-9])?\\.[a-z]{2,7}\\.(com|org|local)")
}

pub fn wildcard() -> Tree {
    text("\\*\\.[a-z]{1,6}\\.[a-z]{2,7}\\.com")
}

/// A service, by its short or whole name.
pub fn service() -> Tree {
    one_of([name(), domain(), text("[a-z]([a-z0-9-]{0,6}[a-z0-9])?\\.[a-z]{2,7}\\.svc\\.cluster\\.local")])
}

pub fn port() -> Tree {
    one_of([words_of(&[1, 80, 443, 8080, 15443, 65535]), whole(1..=65535)])
}

pub fn words_of(numbers: &'static [i64]) -> Tree {
    prop::sample::select(numbers).prop_map(|number| json!(number)).boxed()
}

/// At least a millisecond, and whole milliseconds.
pub fn duration() -> Tree {
    one_of([
        words(&["1ms", "1s", "1.5s", "1h30m", "250ms", "3600s", "0.25s", "2m", "1h0m0.5s"]),
        (1..100_000u32).prop_map(|n| json!(format!("{n}ms"))).boxed(),
        (1..9_000u32).prop_map(|n| json!(format!("{n}s"))).boxed(),
    ])
}

/// 0 to 100, also between whole numbers.
pub fn percent() -> Tree {
    one_of([
        whole(0..=100),
        (0..=1000u32).prop_map(|n| json!(f64::from(n) / 10.0)).boxed(),
        words_of(&[0, 100]),
    ])
}

pub fn percentage() -> Tree {
    message([must("value", percent())])
}

/// A label's value; some are numbers and words of YAML.
pub const LABEL_VALUE: &str =
    "[A-Za-z0-9]([A-Za-z0-9_.-]{0,6}[A-Za-z0-9])?|true|off|1|1e3|0x1f|1_000|012|1\\.0|2024-01-01|null";

pub const LABEL_KEY: &str = "app|version|[a-z][a-z0-9_.-]{0,5}[a-z0-9]|example\\.com/[a-z]{1,5}|yes|1";

pub fn labels() -> Tree {
    map(LABEL_KEY, text(LABEL_VALUE), 1..=3)
}

/// `{matchLabels: ...}`
pub fn policy_selector() -> Tree {
    message([must("matchLabels", labels())])
}

/// `{labels: ...}`
pub fn workload_selector() -> Tree {
    message([must("labels", labels())])
}

pub fn target_refs() -> Tree {
    let target = |kind: &'static str, group: &'static str| {
        message([must("kind", only(json!(kind))), must("group", only(json!(group))), must("name", name())])
    };
    list(
        one_of([
            target("Service", ""),
            message([must("kind", only(json!("Service"))), must("name", name())]),
            target("ServiceEntry", "networking.istio.io"),
            target("Gateway", "gateway.networking.k8s.io"),
            target("GatewayClass", "gateway.networking.k8s.io"),
        ]),
        1..=2,
    )
}

/// What a policy is for: nothing said, labels, or names.
pub fn targets() -> Tree {
    one_of([
        only(json!({})),
        message([must("selector", policy_selector())]),
        message([must("targetRefs", target_refs())]),
    ])
}

/// Where an object is seen.
pub fn export_to() -> Tree {
    one_of([
        only(json!(["*"])),
        only(json!(["."])),
        distinct(text("ns-[a-z]{1,4}"), 1..=3, Value::clone),
        only(json!(["other", "."])),
    ])
}

/// Any line of text that is not empty.
pub const LINE: &str = "[a-zA-Z0-9 ~._:/#'\"{}&*!|>%@,\\[\\]=+-]{0,10}[a-zA-Zäß✓0-9]";

pub const REGEXES: &[&str] = &["a.*", "(?i)abc|def", "[a-z]+", "^/v[0-9]+/.*$", "\\d{1,3}", "(a|b)?c", ".*"];

pub fn string_match() -> Tree {
    one_of([
        message([must("exact", text(LINE))]),
        message([must("prefix", text(LINE))]),
        message([must("regex", words(REGEXES))]),
    ])
}

/// A header's name.
pub const HEADER: &str = "x-[a-z]{1,6}(-[a-z0-9]{1,3})?";

pub fn header_matches() -> Tree {
    map(HEADER, string_match(), 1..=2)
}

/// A destination without weight.
pub fn destination() -> Tree {
    message([must("host", service()), may("subset", name()), may("port", message([must("number", port())]))])
}

pub const V4: &str = "10\\.[1-9]\\.[1-9][0-9]\\.[1-9]";

pub fn address() -> Tree {
    one_of([text(V4), words(&["2001:db8::1", "::1", "fd00::a:1", "192.0.2.1"])])
}

pub fn subnet() -> Tree {
    one_of([
        address(),
        words(&["10.0.0.0/8", "0.0.0.0/0", "192.168.1.0/24", "2001:db8::/32", "::/0", "10.1.2.3/32"]),
    ])
}

/// A whole, not negative number of some size.
pub fn count() -> Tree {
    one_of([whole(1..=100), words_of(&[1, 1024, 2_147_483_647])])
}

/// Any tree, as parts of objects are that nobody reads.
pub fn anything() -> Tree {
    let leaf = one_of([
        flag(),
        whole(-5..=70_000),
        text(LINE),
        words(&["", "yes", "null", "1"]),
        only(Value::Null),
        only(json!(1.5)),
    ]);
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![list(inner.clone(), 0..=3), map("[a-z]{1,4}|[0-9]|yes", inner, 0..=3)]
    })
    .boxed()
}

/// A mapping of anything.
pub fn structure() -> Tree {
    map("[a-z_@]{1,6}", anything(), 0..=3)
}
