//! Where certificates are (section 6.8).

use super::set;
use crate::common::ServerTlsSettings;
use crate::resolve::Credential;

#[test]
fn forms_of_credential_names_model_res_40() {
    let secret = |namespace, name| Credential::Secret { namespace, name };
    for (text, want) in [
        ("cert", secret("gw", "cert")),
        ("ns/cert", secret("ns", "cert")),
        ("kubernetes://cert", secret("gw", "cert")),
        ("kubernetes://ns/cert", secret("ns", "cert")),
        ("kubernetes-gateway://ns/cert", secret("ns", "cert")),
        ("configmap://ns/ca", Credential::ConfigMap { namespace: "ns", name: "ca" }),
        ("builtin://", Credential::Workload),
        ("sds://provider", Credential::Provider("provider")),
        ("invalid://cert", Credential::Invalid),
        ("kubernetes-gateway://cert", Credential::Invalid),
        ("configmap://ca", Credential::Invalid),
        ("sds://", Credential::Invalid),
        ("vault://cert", Credential::Invalid),
        ("kubernetes://a/b/c", Credential::Invalid),
        ("kubernetes:///cert", Credential::Invalid),
        ("", Credential::Invalid),
    ] {
        assert_eq!(Credential::parse(text, "gw"), want, "{text}");
    }
}

fn secret(namespace: &str, name: &str, key: &str) -> String {
    format!(
        "---\n{{apiVersion: v1, kind: Secret, metadata: {{name: {name}, namespace: {namespace}}}, data: {{{key}: aGk=}}}}\n"
    )
}

#[test]
fn the_secret_is_the_proxys_not_the_gateways_model_res_41() {
    let set = set(&[secret("shop", "cert", "tls.crt"), secret("ingress", "other", "tls.crt")]);
    assert!(set.credential("cert", "ingress").is_none());
    assert!(set.credential("other", "ingress").is_some());
    assert_eq!(set.credential("shop/cert", "ingress").unwrap().metadata.namespace, "shop");
}

#[test]
fn places_of_a_ca_model_res_40() {
    let both = [
        secret("gw", "cert", "ca.crt"),
        secret("gw", "cert-cacert", "cacert"),
        secret("gw", "own", "cacert"),
    ];
    let map =
        "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: ca, namespace: gw}, data: {ca.crt: x}}\n";
    let tls = |name: &str, ca: &str| ServerTlsSettings {
        credential_name: name.to_owned(),
        ca_cert_credential_name: ca.to_owned(),
        ..ServerTlsSettings::default()
    };
    let all = set(&[both.concat(), map.to_owned()]);
    let found = |set: &crate::resolve::ResourceSet, name: &str, ca: &str| {
        set.client_ca(&tls(name, ca), "gw").map(|object| object.metadata.name.clone())
    };
    assert_eq!(found(&all, "cert", "").as_deref(), Some("cert"), "the same secret");
    assert_eq!(found(&all, "cert", "own").as_deref(), Some("own"), "the one that is named wins");
    assert_eq!(found(&all, "cert", "configmap://gw/ca").as_deref(), Some("ca"));
    assert_eq!(found(&all, "cert", "missing"), None, "nothing else is tried");
    assert_eq!(found(&all, "", ""), None);
    let split = set(&[secret("gw", "cert", "tls.crt"), secret("gw", "cert-cacert", "cacert")]);
    assert_eq!(found(&split, "cert", "").as_deref(), Some("cert-cacert"));
    assert_eq!(found(&set(&[secret("gw", "cert", "tls.crt")]), "cert", ""), None);
}
