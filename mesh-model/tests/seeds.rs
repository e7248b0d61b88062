//! The resources of the project's founding documents load in `compat` and mean what the documents say.
#![allow(
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test"
)]

use mesh_model::common::{SimpleLb, StringMatch};
use mesh_model::networking::envoy_filter::PatchOperation;
use mesh_model::networking::service_entry::{Location, Resolution};
use mesh_model::security::authorization_policy::AuthorizationAction;
use mesh_model::security::peer_authentication::MutualTlsMode;
use mesh_model::{Body, LoadState, Loaded, Options, Source, load};
use std::path::PathBuf;

fn seeds() -> Option<Vec<(String, String)>> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/seeds/yaml");
    let Ok(entries) = std::fs::read_dir(&dir) else {
        println!("SKIPPED: {} is not there", dir.display());
        return None;
    };
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                std::fs::read_to_string(&path).unwrap(),
            )
        })
        .collect();
    files.sort();
    Some(files)
}

fn load_one(name: &str, text: &str) -> Loaded {
    let loaded = load([Source::new(name, text)], &Options::default());
    assert_eq!(loaded, mesh_model::load_by_tree([Source::new(name, text)], &Options::default()), "{name}");
    loaded
}

/// What section 4 of the reference says of each resource; of the others there is nothing to say.
const TOLD: &[(&str, &[&str])] = &[
    // MODEL-SEED-22
    ("000-0186", &["info MODEL-SEED-22"]),
    // MODEL-SEED-28
    ("000-0510", &["info MODEL-SEED-28"]),
    // MODEL-SEED-7, MODEL-SEED-9 and MODEL-SEED-10
    ("000-0561", &["warning MODEL-SEED-7", "warning MODEL-SEED-7", "warning MODEL-SEED-7"]),
    (
        "000-0578",
        &[
            "warning MODEL-SEED-7",
            "warning MODEL-SEED-7",
            "warning MODEL-SEED-7",
            "info MODEL-SEED-10",
            "warning MODEL-TYPE-19",
        ],
    ),
    // MODEL-SEED-12
    ("001-0084", &["info MODEL-SEED-12"]),
    // A heading of the document stands behind the resource.
    ("003-0284", &["warning MODEL-LEG-7", "error MODEL-DOC-5"]),
    // MODEL-SEED-16
    ("003-0312", &["warning MODEL-LEG-14", "warning MODEL-LEG-13"]),
    // MODEL-SEED-17
    ("003-0343", &["warning MODEL-LEG-6"]),
    ("003-0410", &["warning MODEL-SEED-6"]),
    // MODEL-SEED-21
    ("003-0530", &["info MODEL-LEG-16"]),
    // MODEL-SEED-20
    ("003-0565", &["info MODEL-SEED-20"]),
    // MODEL-SEED-14
    ("004-0062", &["warning MODEL-LEG-4", "warning MODEL-VS-32", "warning MODEL-TYPE-2"]),
    ("004-0195", &["warning MODEL-LEG-10"]),
    ("004-0207", &["warning MODEL-LEG-10"]),
    ("004-0228", &["warning MODEL-LEG-10"]),
    // MODEL-SEED-32
    (
        "004-0318",
        &["info MODEL-EF-1", "warning MODEL-LEG-19", "warning MODEL-LEG-20", "warning MODEL-LEG-19"],
    ),
    ("004-0406", &["info MODEL-LEG-16"]),
    // MODEL-SEED-1 and MODEL-SEED-2
    ("004-0453", &["warning MODEL-SEED-1", "warning MODEL-TYPE-25"]),
    // MODEL-SEED-13
    ("004-0490", &["warning MODEL-META-1"]),
    ("004-0521", &["warning MODEL-LEG-7"]),
    ("004-0545", &["warning MODEL-LEG-6"]),
    ("004-0572", &["info MODEL-SEED-12"]),
    // MODEL-SEED-5
    ("004-0606", &["warning MODEL-SEED-5"]),
    ("004-0768", &["warning MODEL-LEG-13"]),
    ("004-0809", &["error MODEL-DOC-5"]),
    ("004-0843", &["info MODEL-LEG-16"]),
    // MODEL-SEED-29
    ("004-0893", &["info MODEL-SEED-29"]),
    // MODEL-SEED-4
    ("004-1018", &["error MODEL-UNK-2"]),
    ("004-1048", &["info MODEL-SEED-20"]),
    // MODEL-SEED-30
    ("004-1086", &["info MODEL-SEED-30"]),
    ("004-1159", &["warning MODEL-LEG-10"]),
    ("004-1187", &["warning MODEL-META-1"]),
    ("004-1270", &["warning MODEL-DR-12"]),
];

#[test]
fn all_75_resources_load_with_types_and_with_what_the_reference_says() {
    let Some(files) = seeds() else { return };
    assert_eq!(files.len(), 75);
    let mut failures = String::new();
    for (name, text) in &files {
        let loaded = load_one(name, text);
        assert_eq!(loaded.objects.len(), 1, "{name}");
        let object = &loaded.objects[0];
        assert!(name.contains(object.kind.as_str()), "{name}: {}", object.kind);
        assert!(!matches!(object.body, Body::Opaque(_)), "{name}");
        assert!(object.state <= LoadState::Recovered, "{name}: {:?}", object.state);
        let told: Vec<String> =
            loaded.diagnostics.iter().map(|found| format!("{} {}", found.severity, found.code)).collect();
        let want = TOLD.iter().find(|(seed, _)| name.starts_with(seed)).map_or(&[][..], |(_, want)| want);
        if told != want {
            failures += &format!("{name}: want {want:?}, got {:#?}\n", loaded.diagnostics);
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

fn seed<'f>(files: &'f [(String, String)], start: &str) -> Loaded {
    let (name, text): &'f (String, String) = files.iter().find(|(name, _)| name.starts_with(start)).unwrap();
    load_one(name, text)
}

/// What was repaired means what its author wrote about it.
#[test]
fn repaired_resources_mean_what_the_documents_say() {
    let Some(files) = seeds() else { return };
    // MODEL-SEED-1, MODEL-SEED-2
    let loaded = seed(&files, "004-0453");
    let rules = &loaded.objects[0].as_virtual_service().unwrap().http;
    assert_eq!(
        rules[0].matches[0].headers["cookie"],
        StringMatch::Regex(r"^(.*;\s*)?user=dev-123(;.*)?$".to_owned())
    );
    assert_eq!(rules[1].matches[0].uri, Some(StringMatch::Prefix("/reviews/".to_owned())));
    // MODEL-SEED-4
    let loaded = seed(&files, "004-1018");
    let rules = &loaded.objects[0].as_virtual_service().unwrap().http;
    assert_eq!(rules[1].matches[0].gateways, ["istio-egressgateway"]);
    // MODEL-SEED-5
    let loaded = seed(&files, "004-0606");
    assert!(loaded.objects[0].as_virtual_service().unwrap().http[0].redirect.is_some());
    // MODEL-SEED-6
    let loaded = seed(&files, "003-0410");
    let rules = &loaded.objects[0].as_virtual_service().unwrap().http;
    assert_eq!(rules[0].route[0].destination.as_ref().unwrap().host, "ratings");
    // MODEL-SEED-7, MODEL-SEED-9
    let loaded = seed(&files, "000-0578");
    let policy = loaded.objects[0].as_authorization_policy().unwrap();
    assert_eq!(policy.rules[0].to[1].operation.as_ref().unwrap().ports, ["3306"]);
    assert_eq!(policy.selector.as_ref().unwrap().match_labels["app"], "nginx");
    // MODEL-SEED-14
    let loaded = seed(&files, "004-0062");
    let cors = loaded.objects[0].as_virtual_service().unwrap().http[0].cors_policy.clone().unwrap();
    assert_eq!(cors.allow_origins, [StringMatch::Exact("example.com".to_owned())]);
    assert_eq!(cors.max_age.unwrap().to_string(), "86400s");
    // MODEL-SEED-16
    let loaded = seed(&files, "003-0312");
    let rule = loaded.objects[0].as_destination_rule().unwrap();
    let outlier = rule.traffic_policy.as_ref().unwrap().outlier_detection.as_ref().unwrap();
    assert!(outlier.consecutive_5xx_errors.is_some() && outlier.interval.is_some());
    // MODEL-SEED-32
    let loaded = seed(&files, "004-0318");
    let filter = loaded.objects[0].as_envoy_filter().unwrap().modern();
    assert_eq!(filter.workload_selector.unwrap().labels["app"], "reviews");
    let change = filter.config_patches[0].patch.as_ref().unwrap();
    assert_eq!(change.operation, PatchOperation::InsertFirst);
    assert_eq!(
        change.value.as_ref().unwrap().get("config").unwrap().get("inlineCode").unwrap().as_str(),
        Some("... lua code .\n")
    );
    // MODEL-SEED-17
    let loaded = seed(&files, "003-0343");
    let fault = loaded.objects[0].as_virtual_service().unwrap().http[0].fault.clone().unwrap();
    assert!(fault.delay.unwrap().percentage.unwrap().value > 0.0);
}

/// The same in the strict profile: refused are exactly those that current Istio refuses or of which it drops a part.
#[test]
fn what_the_strict_profile_refuses() {
    let Some(files) = seeds() else { return };
    let mut refused = Vec::new();
    for (name, text) in &files {
        let loaded = load([Source::new(name, text)], &Options::strict());
        if loaded.objects.iter().any(|object| object.state == LoadState::Rejected) {
            refused.push(name.get(..8).unwrap());
        }
    }
    assert_eq!(
        refused,
        [
            "000-0561", "000-0578", "003-0284", "003-0312", "003-0410", "004-0062", "004-0318", "004-0453",
            "004-0490", "004-0521", "004-0606", "004-0809", "004-1018", "004-1187"
        ]
    );
}

/// Resources that need no repair mean what the documents say of them.
#[test]
fn whole_resources_mean_what_the_documents_say() {
    let Some(files) = seeds() else { return };
    let service = |start: &str| seed(&files, start).objects[0].as_virtual_service().unwrap().clone();
    let rule = |start: &str| seed(&files, start).objects[0].as_destination_rule().unwrap().clone();
    let entry = |start: &str| seed(&files, start).objects[0].as_service_entry().unwrap().clone();
    // MODEL-SEED-18: three parts to the one, one part to the other.
    let weights: Vec<_> = service("004-0289").http[0].route.iter().map(|target| target.weight).collect();
    assert_eq!(weights, [25, 75]);
    // MODEL-SEED-22: hosts are kept as they are written.
    assert_eq!(service("000-0186").hosts, ["10.0.0.1", "nginx.default", "test.com", "*.test.com"]);
    // MODEL-SEED-26: what is not written is not set, whatever the default was once.
    let found = rule("000-0375");
    assert!(found.traffic_policy.is_none() && found.subsets[0].traffic_policy.is_none());
    let policy = found.subsets[1].traffic_policy.clone().unwrap();
    assert_eq!(policy.load_balancer.unwrap().simple, Some(SimpleLb::RoundRobin));
    assert_eq!(policy.connection_pool.unwrap().tcp.unwrap().connect_timeout.unwrap().to_string(), "2s");
    let pool = rule("004-0768").traffic_policy.unwrap().connection_pool.unwrap().http.unwrap();
    assert_eq!((pool.http2_max_requests, pool.http1_max_pending_requests), (1000, 0));
    // MODEL-SEED-27
    let found = entry("000-0424");
    assert_eq!((found.resolution, found.location), (Resolution::Static, Location::MeshExternal));
    assert_eq!((found.ports[0].protocol.as_str(), found.endpoints[0].address.as_str()), ("tcp", "10.0.0.1"));
    // MODEL-SEED-20
    let found = entry("003-0565");
    assert_eq!((found.resolution, found.location), (Resolution::None, Location::MeshExternal));
    // MODEL-SEED-31
    assert_eq!(entry("004-1066").endpoints[0].address, "unix:///var/run/example/socket");
    // MODEL-SEED-33
    let hash = rule("004-0717").traffic_policy.unwrap().load_balancer.unwrap().consistent_hash.unwrap();
    let cookie = hash.http_cookie.unwrap();
    assert_eq!(
        (cookie.name.as_str(), cookie.ttl.map(mesh_model::common::Duration::as_nanos)),
        ("user", Some(0))
    );
    // The old algorithm's name is the new one, at a port and for all.
    let ports = rule("004-0228").traffic_policy.unwrap().port_level_settings;
    assert_eq!(ports[0].load_balancer.as_ref().unwrap().simple, Some(SimpleLb::LeastRequest));
    assert_eq!(ports[1].port.unwrap().number, 9080);
    // A share given as a whole number, with the whole of requests behind it.
    let fault = service("003-0284").http[0].fault.clone().unwrap().abort.unwrap();
    assert_eq!(
        (fault.http_status, fault.percentage.map(mesh_model::common::Percent::millionths)),
        (Some(500), Some(1_000_000))
    );
    // A policy for one workload, and one whose fields stood beside its spec.
    let policy = seed(&files, "000-0540").objects[0].as_peer_authentication().unwrap().clone();
    assert_eq!(policy.mtls.unwrap().mode, MutualTlsMode::Strict);
    let policy = seed(&files, "000-0561").objects[0].as_authorization_policy().unwrap().clone();
    assert_eq!(policy.action, AuthorizationAction::Deny);
    assert_eq!(policy.rules[0].from[0].source.as_ref().unwrap().not_namespaces, ["default"]);
}

/// Today's form of every resource is accepted by the strict profile without a word about old spellings, and says the
/// same (MODEL-API-3).
#[test]
fn todays_form_of_every_resource_is_todays() {
    let Some(files) = seeds() else { return };
    for (name, text) in &files {
        let loaded = load_one(name, text);
        let mut modern = loaded.objects[0].canonicalize();
        assert_eq!(modern.canonicalize(), modern, "{name}");
        // The headings behind two of them are no part of the resource.
        modern.unread.clear();
        modern.metadata.name.make_ascii_lowercase();
        let yaml = modern.to_yaml();
        let again = load([Source::new(name, &yaml)], &Options::strict());
        for found in &again.diagnostics {
            assert!(!found.code.starts_with("MODEL-LEG") || found.code == "MODEL-LEG-16", "{name}: {found}");
        }
        assert_eq!(again.objects[0].body, modern.body, "{name}:\n{yaml}");
        assert_eq!(again.objects[0].state, LoadState::Clean, "{name}: {:#?}", again.diagnostics);
    }
}
