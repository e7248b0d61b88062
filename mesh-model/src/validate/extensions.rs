//! WasmPlugin (MODEL-WASM) and TrafficExtension (MODEL-TEXT).

use super::names::{Fault, is_port};
use super::report::{At, Report, show};
use super::selector::policy_targets;
use super::url;
use crate::common::Value;
use crate::extensions::{EnvValueSource, TrafficExtension, TrafficSelector, VmConfig, WasmPlugin};
use std::collections::BTreeSet;

pub(super) fn wasm_plugin(report: &mut Report<'_>, plugin: &WasmPlugin) {
    let spec = At::OBJECT.field("spec");
    let WasmPlugin { selector, target_ref, target_refs, .. } = plugin;
    policy_targets(report, &spec, selector.as_ref(), target_ref.as_ref(), target_refs);
    if selector.is_none() && target_ref.is_none() && target_refs.is_empty() {
        report.meant_for_the_mesh();
    }
    let module = Module {
        url: &plugin.url,
        sha256: &plugin.sha256,
        image_pull_secret: &plugin.image_pull_secret,
        plugin_name: &plugin.plugin_name,
        plugin_config: &plugin.plugin_config,
        vm_config: plugin.vm_config.as_ref(),
    };
    module.check(report, &spec);
    traffic(report, &spec.field("match"), &plugin.matches);
}

pub(super) fn traffic_extension(report: &mut Report<'_>, extension: &TrafficExtension) {
    const CODE: &str = "MODEL-TEXT-1";
    let spec = At::OBJECT.field("spec");
    let TrafficExtension { selector, target_refs, .. } = extension;
    policy_targets(report, &spec, selector.as_ref(), None, target_refs);
    if selector.is_none() && target_refs.is_empty() {
        report.meant_for_the_mesh();
    }
    match (&extension.wasm, &extension.lua) {
        (None, None) => {
            report
                .error(CODE, &spec, "neither `wasm` nor `lua` is given")
                .help("add wasm: {url: ...} or lua: {inlineCode: ...}")
                .absent();
        }
        (Some(_), Some(_)) => {
            report
                .error(CODE, &spec, "only one of `wasm` and `lua` may be set")
                .help("write two TrafficExtensions");
        }
        _ => {}
    }
    if let Some(wasm) = &extension.wasm {
        let module = Module {
            url: &wasm.url,
            sha256: &wasm.sha256,
            image_pull_secret: &wasm.image_pull_secret,
            plugin_name: &wasm.plugin_name,
            plugin_config: &wasm.plugin_config,
            vm_config: wasm.vm_config.as_ref(),
        };
        module.check(report, &spec.field("wasm"));
    }
    if let Some(lua) = &extension.lua {
        let at = spec.field("lua");
        let at = at.field("inlineCode");
        let length = lua.inline_code.len();
        if length == 0 {
            report
                .error(CODE, &at, "the filter has no code")
                .help("define envoy_on_request or envoy_on_response")
                .absent();
        } else if length > 65536 {
            report
                .error(CODE, &at, format!("the code has {length} bytes, at most 65536 are allowed"))
                .help("use a WebAssembly module instead");
        }
    }
    traffic(report, &spec.field("match"), &extension.matches);
}

/// The fields that both kinds have in common.
struct Module<'m> {
    url: &'m str,
    sha256: &'m str,
    image_pull_secret: &'m str,
    plugin_name: &'m str,
    plugin_config: &'m Value,
    vm_config: Option<&'m VmConfig>,
}

impl Module<'_> {
    fn check(&self, report: &mut Report<'_>, at: &At<'_>) {
        let at_url = at.field("url");
        if self.url.is_empty() {
            report
                .error("MODEL-WASM-1", &at_url, "the module has no URL")
                .help("add one such as oci://registry.example.com/module:1.0")
                .absent();
        } else if let Err((fault, help)) = module_url(self.url) {
            report.error("MODEL-WASM-1", &at_url, format!("`{}`: {fault}", show(self.url))).help(help);
        } else if let (Err(fault), true) = (url::parse(self.url), self.url.contains("://")) {
            // With `http://` before it, which is how Istio tries again, nearly everything is a URL.
            report
                .warning("MODEL-WASM-1", &at_url, format!("`{}` is not a URL: {fault}", show(self.url)))
                .help("write oci://<registry>/<image>, https://<host>/<path> or file:///<path>");
        }
        let digest =
            |text: &str| text.len() == 64 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        if !self.sha256.is_empty() && !digest(self.sha256) {
            let added = report.error(
                "MODEL-WASM-2",
                &at.field("sha256"),
                format!("`{}` is not a SHA-256 digest, 64 lower-case hexadecimal digits", show(self.sha256)),
            );
            let lower = self.sha256.trim_start_matches("sha256:").to_ascii_lowercase();
            if digest(&lower) {
                added.help(format!("write {lower}"));
            } else {
                added.help("write what `sha256sum` prints for the module");
            }
        }
        for (name, text, most) in
            [("imagePullSecret", self.image_pull_secret, 253), ("pluginName", self.plugin_name, 256)]
        {
            let length = text.chars().count();
            if length > most {
                report
                    .error(
                        "MODEL-WASM-3",
                        &at.field(name),
                        format!("it has {length} characters, at most {most} are allowed"),
                    )
                    .help("shorten it");
            }
        }
        if !matches!(self.plugin_config, Value::Null | Value::Map(_)) {
            let found = self.plugin_config.type_name();
            report
                .error(
                    "MODEL-TYPE-25",
                    &at.field("pluginConfig"),
                    format!("expected a mapping, found {found}"),
                )
                .help("give the plugin what it needs under a key");
        }
        if let Some(config) = self.vm_config {
            let at = at.field("vmConfig");
            environment(report, &at.field("env"), config);
        }
    }
}

/// MODEL-WASM-1
fn module_url(text: &str) -> Result<(), (Fault, String)> {
    let parsed = match url::parse(text) {
        Ok(parsed) => parsed,
        Err(fault) => {
            // An address with a port has no scheme, which only a prefix makes clear.
            url::parse(&format!("http://{text}")).map_err(|_| {
                (format!("it is not a URL: {fault}"), "write oci://<registry>/<image>".to_owned())
            })?;
            return Ok(());
        }
    };
    match parsed.scheme.as_str() {
        "" | "file" | "http" | "https" | "oci" => Ok(()),
        scheme => {
            let fault = format!(
                "`{}` is not a scheme for modules, which are file, http, https and oci",
                show(scheme)
            );
            let help = if text.contains("://") {
                "write oci://, https://, http:// or file://".to_owned()
            } else {
                format!("write oci://{}", show(text))
            };
            Err((fault, help))
        }
    }
}

/// MODEL-WASM-4
fn environment(report: &mut Report<'_>, at: &At<'_>, config: &VmConfig) {
    const CODE: &str = "MODEL-WASM-4";
    if config.env.len() > 256 {
        report
            .error(CODE, at, format!("{} variables are given, at most 256 are allowed", config.env.len()))
            .help("give the plugin its settings in `pluginConfig`");
    }
    let mut seen = BTreeSet::new();
    for (index, variable) in config.env.iter().enumerate() {
        let at = at.index(index);
        let at_name = at.field("name");
        let length = variable.name.chars().count();
        if length == 0 {
            report.error(CODE, &at_name, "the variable has no name").help("add `name`").absent();
        } else if length > 256 {
            report
                .error(CODE, &at_name, format!("the name has {length} characters, at most 256 are allowed"))
                .help("shorten it");
        } else if !seen.insert(&variable.name) {
            report
                .error(CODE, &at_name, format!("the variable `{}` is given twice", show(&variable.name)))
                .help("remove one of the two");
        }
        let at_value = at.field("value");
        let length = variable.value.chars().count();
        if variable.value_from == EnvValueSource::Host && length > 0 {
            report
                .error(
                    CODE,
                    &at_value,
                    format!(
                        "`{}` is given, but HOST takes the value from the proxy's environment",
                        show(&variable.value)
                    ),
                )
                .help("remove `value`, or write valueFrom: INLINE");
        } else if length > 2048 {
            report
                .error(
                    CODE,
                    &at_value,
                    format!("the value has {length} characters, at most 2048 are allowed"),
                )
                .help("give the plugin its settings in `pluginConfig`");
        }
    }
}

/// MODEL-WASM-5
fn traffic(report: &mut Report<'_>, at: &At<'_>, list: &[TrafficSelector]) {
    const CODE: &str = "MODEL-WASM-5";
    for (index, selector) in list.iter().enumerate() {
        let at = at.index(index);
        let at = at.field("ports");
        let mut seen = BTreeSet::new();
        for (index, port) in selector.ports.iter().enumerate() {
            let at = at.index(index);
            let at = at.field("number");
            if !is_port(port.number) {
                let added = report.error(CODE, &at, format!("{} is not a port, 1..65535", port.number));
                let added = added.help("write the number of the port");
                if port.number == 0 {
                    added.absent();
                }
            } else if !seen.insert(port.number) {
                report
                    .error(CODE, &at, format!("the port {} is given twice", port.number))
                    .help("remove one of the two");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::extensions::{EnvVar, LuaConfig, TrafficExtension, VmConfig, WasmPlugin};
    use crate::validate::{Settings, validate};
    use crate::{Diagnostic, Object, Typed};

    fn told<T: Typed>(body: T) -> Vec<String> {
        let found = validate(&Object::new("shop", "own", body), &Settings::default());
        found
            .iter()
            .map(|Diagnostic { code, path, message, .. }| format!("{code} {path}: {message}"))
            .collect()
    }

    #[test]
    fn code_has_at_most_65536_bytes_model_text_1() {
        let lua = |length: usize| TrafficExtension {
            lua: Some(LuaConfig { inline_code: "-".repeat(length) }),
            ..TrafficExtension::default()
        };
        assert!(told(lua(65536)).is_empty());
        let want = "MODEL-TEXT-1 spec.lua.inlineCode: the code has 65537 bytes, at most 65536 are allowed";
        assert_eq!(told(lua(65537)), [want]);
    }

    #[test]
    fn an_environment_has_at_most_256_variables_model_wasm_4() {
        let plugin = |count: usize| {
            let env = (0..count).map(|n| EnvVar { name: format!("N{n}"), ..EnvVar::default() }).collect();
            WasmPlugin { url: "x".to_owned(), vm_config: Some(VmConfig { env }), ..WasmPlugin::default() }
        };
        assert!(told(plugin(256)).is_empty());
        let want = "MODEL-WASM-4 spec.vmConfig.env: 257 variables are given, at most 256 are allowed";
        assert_eq!(told(plugin(257)), [want]);
    }
}
