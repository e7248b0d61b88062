//! Telemetries for one namespace, and the providers they name (MODEL-ANA-23, MODEL-ANA-24,
//! MODEL-TEL-10).

use super::index::Index;
use crate::mesh_config::MeshConfig;
use crate::meta::ObjectRef;
use crate::object::Object;
use crate::telemetry::{ProviderRef, Telemetry};
use crate::validate::report::{At, Report, show};
use std::collections::HashMap;

/// Providers that are there without being asked for.
const BUILT_IN: [&str; 3] = ["prometheus", "stackdriver", "envoy"];

/// What the mesh configuration says about providers; nothing is known without one.
pub(super) struct Providers {
    /// By name in lower case.
    kinds: Option<HashMap<String, Provider>>,
    /// Access logs go somewhere that no Telemetry names, or nobody knows.
    logs_by_default: bool,
    /// The Telemetry that stands for a namespace, and counts.
    defaults: HashMap<String, usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Provider {
    Authorizer,
    Lightstep,
    Other,
    /// There is none of that name.
    Missing,
}

impl Providers {
    pub(super) fn new(index: &Index<'_>) -> Self {
        let mut defaults = HashMap::new();
        for (at, object) in index.oldest_first() {
            if object.is_usable() && object.as_telemetry().is_some_and(is_default) {
                defaults.entry(object.metadata.namespace.clone()).or_insert(at);
            }
        }
        let mesh = &index.mesh;
        let defaults_of_mesh = mesh.default_providers.as_ref();
        Self {
            kinds: index.mesh_is_given().then(|| kinds(mesh)),
            logs_by_default: !index.mesh_is_given()
                || defaults_of_mesh.is_some_and(|list| !list.access_logging.is_empty()),
            defaults,
        }
    }

    /// The older Telemetry of the same namespace that counts instead of the one at `index`.
    fn older(&self, index: usize, object: &Object, objects: &[Object]) -> Option<ObjectRef> {
        let first = self.defaults.get(&object.metadata.namespace).filter(|first| **first != index)?;
        objects.get(*first).map(Object::reference)
    }

    /// The provider of that name, in any case of letters; `None` when the mesh configuration is not given.
    fn known(&self, name: &str) -> Option<Provider> {
        let kinds = self.kinds.as_ref()?;
        Some(kinds.get(&name.to_ascii_lowercase()).copied().unwrap_or(Provider::Missing))
    }
}

fn kinds(mesh: &MeshConfig) -> HashMap<String, Provider> {
    let built_in = BUILT_IN.into_iter().map(|name| (name.to_owned(), Provider::Other));
    let given = mesh.extension_providers.iter().map(|provider| {
        let kind = if provider.envoy_ext_authz_http.is_some() || provider.envoy_ext_authz_grpc.is_some() {
            Provider::Authorizer
        } else if provider.lightstep.is_some() {
            Provider::Lightstep
        } else {
            Provider::Other
        };
        (provider.name.to_ascii_lowercase(), kind)
    });
    built_in.chain(given).collect()
}

/// For the whole namespace.
fn is_default(telemetry: &Telemetry) -> bool {
    telemetry.selector.as_ref().is_none_or(|selector| selector.match_labels.is_empty())
        && telemetry.target_ref.is_none()
        && telemetry.target_refs.is_empty()
}

/// Checks the Telemetry at `index`.
pub(super) fn check(
    report: &mut Report<'_>,
    index: usize,
    telemetry: &Telemetry,
    providers: &Providers,
    objects: &[Object],
) {
    if report.object.is_usable()
        && is_default(telemetry)
        && let Some(other) = providers.older(index, report.object, objects)
    {
        report
            .error(
                "MODEL-ANA-23",
                &At::OBJECT.field("spec"),
                format!("{other} is for the whole namespace too (IST0160)"),
            )
            .help(format!("only the older one is used, {other}; add a `selector`, or put the two into one"));
    }
    observed(report, telemetry, providers);
}

fn observed(report: &mut Report<'_>, telemetry: &Telemetry, providers: &Providers) {
    let spec = At::OBJECT.field("spec");
    let at = spec.field("tracing");
    for (index, entry) in telemetry.tracing.iter().enumerate() {
        list(report, &at.index(index), &entry.providers, providers);
    }
    let at = spec.field("metrics");
    for (index, entry) in telemetry.metrics.iter().enumerate() {
        list(report, &at.index(index), &entry.providers, providers);
    }
    let at = spec.field("accessLogging");
    for (index, entry) in telemetry.access_logging.iter().enumerate() {
        let at = at.index(index);
        list(report, &at, &entry.providers, providers);
        if entry.providers.is_empty() && entry.disabled != Some(true) && !providers.logs_by_default {
            report
                .warning(
                    "MODEL-ANA-24",
                    &at,
                    "access logs go nowhere: no provider is named, and the mesh has no default (IST0157)",
                )
                .help("add `providers`, or set `defaultProviders.accessLogging` in the mesh configuration");
        }
    }
}

fn list(report: &mut Report<'_>, at: &At<'_>, names: &[ProviderRef], providers: &Providers) {
    let at = at.field("providers");
    for (index, ProviderRef { name }) in
        names.iter().enumerate().filter(|(_, provider)| !provider.name.is_empty())
    {
        let at = at.index(index);
        let at = at.field("name");
        match providers.known(name) {
            Some(Provider::Missing) => {
                report
                    .warning("MODEL-TEL-10", &at, format!("the mesh has no provider `{}`", show(name)))
                    .help(
                        "add it to `extensionProviders` of the mesh configuration, or name one that is there",
                    );
            }
            Some(Provider::Lightstep) => {
                report
                    .warning(
                        "MODEL-ANA-24",
                        &at,
                        format!("`{}` is of the type lightstep, which is deprecated (IST0002)", show(name)),
                    )
                    .help("send to a provider of the type opentelemetry");
            }
            Some(Provider::Authorizer) => {
                report
                    .warning(
                        "MODEL-TEL-10",
                        &at,
                        format!("`{}` is an authorizer, it observes nothing", show(name)),
                    )
                    .help("name a provider for traces, metrics or access logs");
            }
            _ => {}
        }
    }
}
