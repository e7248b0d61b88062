//! The path that policies see (section 2.5 of the authorization reference), as Envoy 1.40.0 wrote it to its access log.

use mesh_authz::{Action, HttpAttributes, Operation, Peer, Policy, PolicyId, PolicySet, Request, Rule};
use mesh_route::PathNormalization::{self, Base, DecodeAndMergeSlashes, MergeSlashes};
use mesh_route::normalize_path;

const BAD: &str = "400";

/// What each target becomes with BASE, MERGE_SLASHES and DECODE_AND_MERGE_SLASHES; with NONE it stays.
const ENVOY: [(&str, [&str; 3]); 26] = [
    ("/app/../admin", ["/admin"; 3]),
    ("/app//", ["/app//", "/app/", "/app/"]),
    ("/app/%2f", ["/app/%2f", "/app/%2f", "/app/"]),
    ("/xyz%30..//abc", ["/xyz0..//abc", "/xyz0../abc", "/xyz0../abc"]),
    ("/app/%2E./admin", ["/admin"; 3]),
    ("/app\\admin", ["/app/admin"; 3]),
    ("/app/\\/\\/\\admin", ["/app//////admin", "/app/admin", "/app/admin"]),
    ("/%2Fapp%5cadmin%5Cabc", ["/%2Fapp%5cadmin%5Cabc", "/%2Fapp%5cadmin%5Cabc", "/app/admin/abc"]),
    ("/app//../../admin", ["/admin"; 3]),
    ("/%252e%252e/admin", ["/%252e%252e/admin"; 3]),
    ("/a/.", ["/a/"; 3]),
    ("/a/..", ["/"; 3]),
    ("/..", ["/"; 3]),
    ("/../x", ["/x"; 3]),
    ("/../..", ["/"; 3]),
    ("/a/../..", ["/"; 3]),
    ("/a/../../b", ["/b"; 3]),
    ("/a|b", ["/a%7Cb"; 3]),
    ("/admin;a=b", ["/admin;a=b"; 3]),
    ("/Admin", ["/Admin"; 3]),
    ("/admin%00", [BAD; 3]),
    ("/..;/admin", ["/admin"; 3]),
    ("/a/..;x/b", ["/b"; 3]),
    ("/%2e", ["/"; 3]),
    ("/./..", ["/"; 3]),
    ("/%2e%2e/admin", ["/admin"; 3]),
];

/// Where `mesh-route` differs on purpose (see `src/normalize.rs` there): first what Envoy makes of it, then what is made
/// of it here.
const DIFFERENT: [(&str, PathNormalization, &str, &str); 6] = [
    ("/a/%2e%2e;/b", Base, "/a/..;/b", "/b"),
    ("/a/.%2e;x/b", DecodeAndMergeSlashes, "/a/..;x/b", "/b"),
    ("/a/%2e;/b", MergeSlashes, "/a/.;/b", "/a/b"),
    ("/a\\..;/b", Base, "/a/..;/b", "/b"),
    ("/a/..;\\b", Base, "/", "/b"),
    ("///", MergeSlashes, "//", "/"),
];

#[test]
fn normalized_paths_authz_path_03_04_05_06() {
    let mut wrong = Vec::new();
    for (target, wanted) in ENVOY {
        let cases = [(PathNormalization::None, target)].into_iter();
        for (mode, want) in cases.chain([Base, MergeSlashes, DecodeAndMergeSlashes].into_iter().zip(wanted)) {
            let found = normalize_path(target, mode);
            let found = found.as_deref().unwrap_or(BAD);
            if found != want {
                wrong.push(format!("{target} {mode:?}: {found}, Envoy has {want}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (target, mode, envoy, ours) in DIFFERENT {
        assert_eq!(normalize_path(target, mode).as_deref(), Ok(ours), "{target}");
        assert_ne!(envoy, ours);
    }
    // The query stays as it is in every mode.
    assert_eq!(
        normalize_path("/a/../b?x=/a/../%2f//", DecodeAndMergeSlashes).as_deref(),
        Ok("/b?x=/a/../%2f//")
    );
}

/// Policies are asked about the normalized path, so a path in disguise is the path it stands for.
#[test]
fn disguises_authz_case_41() {
    let rule = Rule::new().to(Operation::new().paths(["/private"]));
    let policy = Policy::new(PolicyId::new("foo", "p"), Action::Allow).rule(rule);
    let policies = PolicySet::builder().policy(policy).build().unwrap();
    let connection = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 80).into());
    let allowed = |target, mode| {
        let path = normalize_path(target, mode).unwrap();
        policies.evaluate(&connection.http(HttpAttributes::new("GET", &*path))).is_allowed()
    };
    assert!(allowed("/pub/../private", Base));
    assert!(!allowed("/pub/../private", PathNormalization::None));
    assert!(!allowed("//private", Base));
    assert!(allowed("//private", MergeSlashes));
    assert!(allowed("/pub%2F..%2Fprivate", DecodeAndMergeSlashes));
}
