//! What a rule's code is about, for systems that list rules.

/// By code or by the beginning of codes; the first that fits.
const TITLES: &[(&str, &str)] = &[
    ("MODEL-DOC-SYNTAX", "The text is not YAML"),
    ("MODEL-DOC-LIMIT", "A document is too large or nested too deeply"),
    ("MODEL-DOC-3", "A key is given twice"),
    ("MODEL-DOC-4", "A document separator is missing"),
    ("MODEL-DOC-5", "An unknown key at the top level"),
    ("MODEL-DOC-8", "`spec` is missing"),
    ("MODEL-DOC-9", "The document is not an object"),
    ("MODEL-DOC-10", "A scalar has another type than it seems"),
    ("MODEL-DOC-11", "A shell command instead of YAML"),
    ("MODEL-DOC-12", "A placeholder that was not filled in"),
    ("MODEL-DOC-13", "An object is defined twice"),
    ("MODEL-DOC-", "Documents of a file"),
    ("MODEL-GV-", "Kind and version of an object"),
    ("MODEL-META-", "Name, namespace, labels and annotations"),
    ("MODEL-UNK-", "An unknown field"),
    ("MODEL-TYPE-", "A value of the wrong type"),
    ("MODEL-LEG-", "A former spelling"),
    ("MODEL-SEED-", "A sloppy spelling with one plain meaning"),
    ("MODEL-ANA-2", "A destination that is no service"),
    ("MODEL-ANA-3", "A destination without port on a service with several"),
    ("MODEL-ANA-4", "A port that the service does not have"),
    ("MODEL-ANA-6", "A subset that no DestinationRule defines"),
    ("MODEL-ANA-7", "A gateway that does not exist"),
    ("MODEL-ANA-8", "A gateway that serves none of the hosts"),
    ("MODEL-ANA-10", "Two VirtualServices for one host"),
    ("MODEL-ANA-13", "A DestinationRule for a host that is no service"),
    ("MODEL-ANA-22", "Two Sidecars for one namespace"),
    ("MODEL-ANA-", "Objects that do not fit together"),
    ("MODEL-VS-", "VirtualService"),
    ("MODEL-DR-", "DestinationRule"),
    ("MODEL-LB-", "Load balancing"),
    ("MODEL-GW-", "Gateway"),
    ("MODEL-SE-", "ServiceEntry"),
    ("MODEL-SCAR-", "Sidecar"),
    ("MODEL-WE-", "WorkloadEntry"),
    ("MODEL-WG-", "WorkloadGroup"),
    ("MODEL-EF-", "EnvoyFilter"),
    ("MODEL-PA-", "PeerAuthentication"),
    ("MODEL-PC-", "ProxyConfig"),
    ("MODEL-AP-", "AuthorizationPolicy"),
    ("MODEL-RA-", "RequestAuthentication"),
    ("MODEL-TEL-", "Telemetry"),
    ("MODEL-WASM-", "WasmPlugin"),
    ("MODEL-TEXT-", "TrafficExtension"),
    ("MODEL-K8S-", "Kubernetes objects"),
    ("MODEL-MC-", "Mesh configuration"),
    ("MODEL-SEL-", "Selectors and target references"),
    ("MODEL-CHK-", "Names, hosts, ports and other values"),
    ("PROXY-SNAP-05", "A part of an object that the proxy cannot serve"),
];

/// A few words on the rule `code`.
pub(super) fn title(code: &str) -> &'static str {
    let fits = |known: &str| if known.ends_with('-') { code.starts_with(known) } else { code == known };
    TITLES.iter().find(|(known, _)| fits(known)).map_or("Configuration", |(_, title)| title)
}

/// The page on an analyzer's message at istio.io.
pub(super) fn istio_page(code: &str) -> String {
    format!("https://istio.io/latest/docs/reference/config/analysis/{}/", code.to_ascii_lowercase())
}
