//! What MeshConfig says (section 2.11 of the model reference).

use mesh_model::mesh_config::{AccessLogEncoding, NormalizationType};
use mesh_model::{FieldPath, MeshConfig, Object, Severity};
use mesh_route::PathNormalization;

use super::issues::Issues;
use crate::snapshot::{AccessLogSettings, Context};

/// The key `mesh` of the ConfigMap `istio` in the root namespace; the defaults when there is none.
pub(super) fn read(objects: &[Object], context: &Context, issues: &mut Issues) -> MeshConfig {
    let found = objects.iter().find_map(|object| {
        let here = object.metadata.name == "istio" && object.metadata.namespace == context.root_namespace;
        let text = object.as_config_map().filter(|_| here && object.is_usable())?.data.get("mesh")?;
        Some((object, text))
    });
    let mut mesh = match found {
        None => MeshConfig::default(),
        Some((object, text)) => {
            let (mesh, diagnostics) = mesh_model::mesh_config(text);
            let read = object.origin.is_some();
            let object = object.reference();
            let at = || FieldPath::new().field("data").key("mesh");
            // Loading has told already of what it read from a text.
            for found in diagnostics.into_iter().filter(|_| !read) {
                let message = if found.path.is_empty() {
                    found.message
                } else {
                    format!("{}: {}", found.path, found.message)
                };
                match found.severity {
                    Severity::Error => issues.error(&object, at(), message),
                    Severity::Warning => issues.warning(&object, at(), message),
                    _ => {}
                }
            }
            if mesh.access_log_encoding == AccessLogEncoding::Json {
                let message = "accessLogEncoding: `JSON` is not supported yet, lines are written as text";
                issues.warning(&object, at(), message);
            }
            mesh
        }
    };
    if mesh.root_namespace.is_empty() {
        mesh.root_namespace.clone_from(&context.root_namespace);
    }
    mesh
}

/// How paths are normalised (`PROXY-PATH-01`).
pub(super) fn path_normalization(mesh: &MeshConfig) -> PathNormalization {
    match mesh.path_normalization.as_ref().map_or(NormalizationType::Default, |found| found.normalization) {
        NormalizationType::None => PathNormalization::None,
        NormalizationType::MergeSlashes => PathNormalization::MergeSlashes,
        NormalizationType::DecodeAndMergeSlashes => PathNormalization::DecodeAndMergeSlashes,
        _ => PathNormalization::Base,
    }
}

/// The access-log settings (`PROXY-LOG-01`).
pub(super) fn access_log(mesh: &MeshConfig) -> AccessLogSettings {
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    AccessLogSettings { file: given(&mesh.access_log_file), format: given(&mesh.access_log_format) }
}
