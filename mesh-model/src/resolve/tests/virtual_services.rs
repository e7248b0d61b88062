//! Which VirtualServices apply, in which order (section 6.3).

use super::{labels, object, set, sidecar};
use crate::common::StringMap;
use crate::networking::VirtualService;
use crate::resolve::{ClientMatch, Egress, Proxy, Resource, ResourceSet, entry_applies};

fn names(found: &[Resource<'_, VirtualService>]) -> Vec<String> {
    found.iter().map(|found| format!("{}/{}", found.namespace(), found.name())).collect()
}

/// `name day exportTo` of VirtualServices in a namespace.
fn virtual_services(list: &[(&str, &str, u8, &str)]) -> Vec<String> {
    list.iter()
        .map(|(namespace, name, day, export)| {
            let spec = format!("{{hosts: [a.com], exportTo: [{export}], http: [{{route: []}}]}}");
            object("VirtualService", namespace, name, *day, &spec)
        })
        .collect()
}

/// Private ones, then those exported to the namespace, then public ones; in each run the oldest first, then by name,
/// then by namespace.
#[test]
fn three_runs_model_res_13_32_route_apply_08_09() {
    let found = set(&virtual_services(&[
        ("me", "public-young", 9, "'*'"),
        ("me", "z-tie", 5, "'*'"),
        ("other", "a-tie", 5, "'*'"),
        ("b-ns", "tie", 6, "'*'"),
        ("a-ns", "tie", 6, "'*'"),
        ("other", "named", 7, "me"),
        ("me", "named-with-others", 8, "'.', other"),
        ("me", "private-young", 20, "'.'"),
        ("me", "private-old", 19, "me"),
        ("other", "hidden", 1, "'.'"),
        ("me", "nobodys", 1, "'~'"),
    ]));
    let want = [
        "me/private-old",
        "me/private-young",
        "other/named",
        "me/named-with-others",
        "other/a-tie",
        "me/z-tie",
        "a-ns/tie",
        "b-ns/tie",
        "me/public-young",
    ];
    assert_eq!(names(&found.virtual_services("me")), want);
    assert_eq!(names(&found.mesh_virtual_services(&sidecar("me"), &Egress::everything())), want);
}

/// Objects without a creation time count as youngest, in order of input.
#[test]
fn without_a_creation_time_model_res_32() {
    let undated = |name: &str| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, namespace: \
             me}}\nspec: {{hosts: [a.com]}}\n"
        )
    };
    let dated = virtual_services(&[("me", "dated", 9, "'*'")]).concat();
    let found = set(&[undated("z"), undated("a"), dated]);
    assert_eq!(names(&found.virtual_services("me")), ["me/dated", "me/z", "me/a"]);
}

/// One that is given twice counts once, the last one.
#[test]
fn the_same_object_twice_route_apply_11() {
    let twice = |host: &str| object("VirtualService", "me", "a", 1, &format!("{{hosts: [{host}]}}"));
    let texts = [twice("old.com"), twice("new.com")];
    let objects: Vec<_> =
        texts.iter().flat_map(|text| set(std::slice::from_ref(text)).objects().to_vec()).collect();
    let found = ResourceSet::new(objects, crate::MeshConfig::default());
    let list = found.virtual_services("me");
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].hosts, ["new.com"]);
    // Another kind or namespace is another object.
    let other = object("VirtualService", "you", "a", 1, "{hosts: [old.com]}");
    let rule = object("DestinationRule", "me", "a", 1, "{host: old.com}");
    assert_eq!(set(&[texts[0].clone(), other, rule]).objects().len(), 3);
}

/// A gateway goes by the namespace of its pod.
#[test]
fn what_a_gateway_sees_model_res_11_route_apply_07() {
    let spec = |export: &str| format!("{{hosts: [a.com], gateways: [infra/door], exportTo: [{export}]}}");
    for (export, pod, want) in [
        ("'.'", "shop", 1),
        ("'.'", "infra", 0),
        ("infra", "infra", 1),
        ("infra", "pods", 0),
        ("pods", "pods", 1),
        ("'*'", "pods", 1),
    ] {
        let found = set(&[object("VirtualService", "shop", "a", 1, &spec(export))]);
        assert_eq!(found.gateway_virtual_services(pod, "infra", "door").len(), want, "{export} {pod}");
    }
}

/// Top level decides, references are resolved, and all Gateways at once get the same answer as one by one.
#[test]
fn bound_to_a_gateway_route_apply_01_02() {
    let of = |name: &str, namespace: &str, gateways: &str, hosts: &str| {
        object("VirtualService", namespace, name, 1, &format!("{{hosts: {hosts}, gateways: {gateways}}}"))
    };
    let found = set(&[
        of("mesh-only", "infra", "[]", "[a.com]"),
        of("bare", "infra", "[door]", "[a.com]"),
        of("dot", "infra", "[./door, door, mesh]", "[a.com]"),
        of("qualified", "shop", "[infra/door]", "[a.com]"),
        of("legacy", "shop", "[door.infra.svc.cluster.local]", "[a.com]"),
        of("elsewhere", "shop", "[door]", "[a.com]"),
        of("delegate", "infra", "[door]", "[]"),
    ]);
    let one = found.gateway_virtual_services("pods", "infra", "door");
    assert_eq!(names(&one), ["infra/bare", "infra/dot", "shop/legacy", "shop/qualified"]);
    let all = found.virtual_services_by_gateway("pods");
    assert_eq!(names(&all[&("infra".to_owned(), "door".to_owned())]), names(&one));
    assert_eq!(names(&all[&("shop".to_owned(), "door".to_owned())]), ["shop/elsewhere"]);
    assert_eq!(all.len(), 2);
    let mesh = found.mesh_virtual_services(&sidecar("pods"), &Egress::everything());
    assert_eq!(names(&mesh), ["infra/dot", "infra/mesh-only"]);
}

/// HTTP looks at nothing else when an entry has gateways; TLS and TCP ask for everything.
#[test]
fn static_conditions_model_res_16() {
    let me = Proxy::sidecar("shop", labels(&[("app", "me"), ("version", "v1")]));
    let applies = |http: bool, gateways: &[&str], source: &StringMap, namespace: &str, through| {
        let gateways: Vec<String> = gateways.iter().map(|text| (*text).to_owned()).collect();
        let entry = ClientMatch { gateways: &gateways, source_labels: source, source_namespace: namespace };
        entry_applies(&entry, http, "shop", &me, through)
    };
    let (fits, differs) = (labels(&[("app", "me")]), labels(&[("app", "other")]));
    let door = Some(("shop", "door"));
    for (gateways, source, namespace, through, http, l4) in [
        (&[][..], &fits, "", None, true, true),
        (&[], &differs, "", None, false, false),
        (&[], &fits, "shop", None, true, true),
        (&[], &fits, "other", None, false, false),
        (&["mesh"], &differs, "other", None, true, false),
        (&["mesh"], &fits, "shop", None, true, true),
        (&["mesh"], &fits, "", door, false, false),
        (&["door"], &fits, "", door, true, true),
        (&["shop/door", "mesh"], &differs, "", door, true, false),
        (&["other/door"], &fits, "", door, false, false),
        (&[], &fits, "", door, true, true),
    ] {
        assert_eq!(
            applies(true, gateways, source, namespace, through),
            http,
            "{gateways:?} {namespace} HTTP"
        );
        assert_eq!(applies(false, gateways, source, namespace, through), l4, "{gateways:?} {namespace} TCP");
    }
}
