//! Which findings `istioctl analyze` reports under which code (MODEL-ANA-1).
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test")]

use mesh_model::{Diagnostic, FieldPath, Kind, ObjectRef, Options, Severity, Source, load};
use std::path::Path;

fn code(kind: Kind, rule: &'static str, severity: Severity, message: &str) -> Option<String> {
    let found = Diagnostic::new(rule, severity, FieldPath::new(), message);
    found.of(Some(ObjectRef::new(kind, "shop", "a")), None).istio_code().map(str::to_owned)
}

#[test]
fn codes_of_findings_model_ana_1() {
    let rule = || Kind::DestinationRule;
    assert_eq!(code(rule(), "MODEL-DR-1", Severity::Error, "the rule has no host").unwrap(), "IST0106");
    assert_eq!(code(rule(), "MODEL-SEL-5", Severity::Warning, "no labels").unwrap(), "IST0133");
    assert_eq!(code(rule(), "MODEL-CTLS-6", Severity::Warning, "ignored"), None);
    assert_eq!(code(rule(), "MODEL-SEL-5", Severity::Info, "no labels"), None);
    assert_eq!(code(Kind::Service, "MODEL-K8S-2", Severity::Error, "no name"), None);
    // The code in the message wins, wherever it stands, and only a code is one.
    assert_eq!(code(rule(), "MODEL-ANA-13", Severity::Error, "no `(IST0101)` (IST0174)").unwrap(), "IST0174");
    assert_eq!(code(rule(), "MODEL-DR-12", Severity::Warning, "none (IST0128), so (x)").unwrap(), "IST0128");
    assert_eq!(code(rule(), "MODEL-DR-1", Severity::Info, "`(IST)` (IST01234)"), None);
}

/// MODEL-ANA-1: the findings about one object.
#[test]
fn codes_of_a_virtual_service() {
    let text = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews, not_a_host]
  http:
  - match: [{uri: {prefix: /a}}]
    route: [{destination: {host: reviews}}]
    fault: {abort: {percentage: {value: 1}}}
  - match: [{uri: {prefix: /ab}}]
    route: [{destination: {host: reviews}}]
  - route: [{destination: {host: reviews}}]
  - route: [{destination: {host: reviews}}]
";
    let loaded = load([Source::new("a.yaml", text)], &Options::default());
    let codes: Vec<_> =
        loaded.diagnostics.iter().map(|found| (found.code, found.istio_code().unwrap_or("-"))).collect();
    assert_eq!(
        codes,
        [
            ("MODEL-VS-3", "IST0106"),
            ("MODEL-VS-35", "IST0133"),
            ("MODEL-VS-60", "IST0131"),
            ("MODEL-VS-58", "IST0130"),
        ]
    );
}

/// The rules of section 5 that warn as Istio's admission does are those that the reference marks `W go`.
#[test]
fn warnings_of_the_reference_model_ana_1() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/spec/model.md");
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("skipped: the reference is not here");
        return;
    };
    let rules = text.split("\n## ").find(|section| section.starts_with("5. ")).unwrap();
    let mut warned = 0;
    for line in rules.lines() {
        let Some((id, rest)) = line.strip_prefix("- ").and_then(|line| line.split_once(' ')) else {
            continue;
        };
        // Rules of MeshConfig are about no object, and some name a code of their own.
        if !id.starts_with("MODEL-") || id.starts_with("MODEL-MESH-") || rest.contains("[W go, IST") {
            continue;
        }
        let id: &'static str = Box::leak(id.to_owned().into_boxed_str());
        let want = rest.contains("[W go]").then_some("IST0133");
        assert_eq!(code(Kind::Sidecar, id, Severity::Warning, "").as_deref(), want, "{id}");
        warned += usize::from(want.is_some());
    }
    assert!(warned > 20, "{warned}");
}
