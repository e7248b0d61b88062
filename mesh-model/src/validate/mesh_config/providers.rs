//! Extension providers (MODEL-MESH-8).

// DIFFERENCE: MODEL-MESH-8: Istio only writes to its log; a policy that names such a provider then has no effect, or
// denies everything. Here these are errors.

use crate::mesh_config::{ExtAuthzHttp, ExtensionProvider};
use crate::validate::gateway::dns_name;
use crate::validate::names::{fqdn, is_dns_label, is_ip, is_port, not_a_port};
use crate::validate::report::{At, Report, show};
use std::collections::BTreeSet;

const CODE: &str = "MODEL-MESH-8";

/// Members that Istio has; the help of a provider without any.
const MEMBERS: &str = "envoyExtAuthzHttp, envoyExtAuthzGrpc, zipkin, opentelemetry, datadog, skywalking, stackdriver, \
                       prometheus, envoyFileAccessLog, envoyHttpAls, envoyTcpAls, envoyOtelAls, sds, lightstep, \
                       opencensus";

pub(super) fn check(report: &mut Report<'_>, at: &At<'_>, list: &[ExtensionProvider]) {
    let mut names = BTreeSet::new();
    for (index, provider) in list.iter().enumerate() {
        let at = at.index(index);
        if provider.name.is_empty() {
            report.error(CODE, &at.field("name"), "the provider has no name").help("add a `name`").absent();
        } else if !names.insert(&provider.name) {
            report
                .error(CODE, &at.field("name"), format!("two providers are named `{}`", show(&provider.name)))
                .help("rename one of the two");
        }
        members(report, &at, provider);
    }
}

/// The service of a member and its port, where it has one.
type Service<'p> = Option<(&'p str, u32)>;

fn members(report: &mut Report<'_>, at: &At<'_>, provider: &ExtensionProvider) {
    macro_rules! with_service {
        ($member:expr) => {
            $member.as_ref().map(|found| Some((found.service.as_str(), found.port)))
        };
    }
    let all: [(&'static str, Option<Service<'_>>); 15] = [
        ("envoyExtAuthzHttp", with_service!(provider.envoy_ext_authz_http)),
        ("envoyExtAuthzGrpc", with_service!(provider.envoy_ext_authz_grpc)),
        ("zipkin", with_service!(provider.zipkin)),
        ("lightstep", with_service!(provider.lightstep)),
        ("datadog", with_service!(provider.datadog)),
        ("opencensus", with_service!(provider.opencensus)),
        ("skywalking", with_service!(provider.skywalking)),
        ("opentelemetry", with_service!(provider.opentelemetry)),
        ("envoyHttpAls", with_service!(provider.envoy_http_als)),
        ("envoyTcpAls", with_service!(provider.envoy_tcp_als)),
        ("envoyOtelAls", with_service!(provider.envoy_otel_als)),
        ("sds", with_service!(provider.sds)),
        ("stackdriver", provider.stackdriver.as_ref().map(|_| None)),
        ("prometheus", provider.prometheus.as_ref().map(|_| None)),
        ("envoyFileAccessLog", provider.envoy_file_access_log.as_ref().map(|_| None)),
    ];
    let given: Vec<_> = all.into_iter().filter_map(|(name, member)| Some((name, member?))).collect();
    match given.as_slice() {
        [] => {
            report
                .error(CODE, at, "the provider does not say what it is")
                .help(format!("add one of {MEMBERS}"))
                .absent();
        }
        [_] => {}
        [(first, _), (second, _), ..] => {
            report
                .error("MODEL-TYPE-22", at, format!("`{first}` and `{second}` exclude each other"))
                .help("write two providers");
        }
    }
    for (name, found) in given {
        if let Some((host, port)) = found {
            service(report, &at.field(name), host, port);
        }
    }
    if let Some(authz) = &provider.envoy_ext_authz_http {
        path_prefix(report, &at.field("envoyExtAuthzHttp"), authz);
    }
    let status = [
        ("envoyExtAuthzHttp", provider.envoy_ext_authz_http.as_ref().map(|found| &found.status_on_error)),
        ("envoyExtAuthzGrpc", provider.envoy_ext_authz_grpc.as_ref().map(|found| &found.status_on_error)),
    ];
    for (name, status) in status.into_iter().filter_map(|(name, status)| Some((name, status?))) {
        if !status.is_empty() && !status.parse().is_ok_and(is_status) {
            let at = at.field(name);
            report
                .error(CODE, &at.field("statusOnError"), format!("`{}` is not an HTTP status", show(status)))
                .help("write a number such as \"403\" or \"503\"");
        }
    }
    if provider.lightstep.as_ref().is_some_and(|found| found.access_token.is_empty()) {
        let at = at.field("lightstep");
        report
            .error(CODE, &at.field("accessToken"), "the `accessToken` of Lightstep is missing")
            .help("add `accessToken`")
            .absent();
    }
    if provider.opentelemetry.as_ref().is_some_and(|found| found.http.is_some() && found.grpc.is_some()) {
        report
            .error(CODE, &at.field("opentelemetry"), "`http` and `grpc` exclude each other")
            .help("keep one of them");
    }
}

fn service(report: &mut Report<'_>, at: &At<'_>, service: &str, port: u32) {
    if !is_port(port) {
        not_a_port(report, CODE, &at.field("port"), port).absent();
    }
    let at = at.field("service");
    if service.is_empty() {
        report
            .error(CODE, &at, "the provider has no service")
            .help("write <namespace>/<host>, or the host alone")
            .absent();
        return;
    }
    let fault = match service.split_once('/') {
        None if is_ip(service) => None,
        None => fqdn(service).err(),
        Some((namespace, _)) if !matches!(namespace, "*" | "." | "~") && !is_dns_label(namespace) => {
            Some("what stands before `/` is not a namespace".to_owned())
        }
        Some((_, host)) => dns_name(host, false).err(),
    };
    if let Some(fault) = fault {
        report.error(CODE, &at, format!("`{}` is not a service: {fault}", show(service))).help(
            "write a full name such as authz.shop.svc.cluster.local, with <namespace>/ before it or not",
        );
    }
}

fn path_prefix(report: &mut Report<'_>, at: &At<'_>, authz: &ExtAuthzHttp) {
    let prefix = authz.path_prefix.as_str();
    let escapes = prefix
        .split('%')
        .skip(1)
        .all(|rest| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)));
    let fault = if prefix.is_empty() {
        return;
    } else if !prefix.starts_with('/') {
        "it does not begin with `/`"
    } else if !escapes || prefix.contains(|c: char| c.is_ascii_control()) {
        "it is not the path of a URL"
    } else {
        return;
    };
    report
        .error(
            CODE,
            &at.field("pathPrefix"),
            format!("`{}` cannot stand before a path: {fault}", show(prefix)),
        )
        .help("write a path such as /check");
}

/// The statuses Envoy has names for.
fn is_status(code: u16) -> bool {
    matches!(code,
        100 | 200..=208 | 226 | 300..=305 | 307 | 308 | 400..=417 | 421..=424 | 426 | 428 | 429 | 431
        | 500..=508 | 510 | 511)
}
