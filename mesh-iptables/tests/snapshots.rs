//! The project's own snapshots, one file an option, written from the reference (`testdata/iptables`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

mod support;

use mesh_iptables::{CaptureConfig, CaptureConfigBuilder, Family, NameServers};

/// One snapshot: options above, expected texts below.
struct Snapshot {
    name: String,
    builder: CaptureConfigBuilder,
    sections: Vec<(String, String)>,
}

fn parse(name: String, text: &str) -> Snapshot {
    let mut builder = CaptureConfig::builder();
    let mut sections: Vec<(String, String)> = Vec::new();
    let mut resolvers = String::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("=== ") {
            sections.push((title.to_owned(), String::new()));
        } else if let Some((_, section)) = sections.last_mut() {
            section.push_str(line);
            section.push('\n');
        } else if let Some(args) = line.strip_prefix("args: ") {
            builder = builder.args(args.split(' ')).unwrap();
        } else if let Some(variable) = line.strip_prefix("env: ") {
            builder = builder.environment([variable.split_once('=').unwrap()]);
        } else if let Some(server) = line.strip_prefix("server: ") {
            resolvers.push_str("nameserver ");
            resolvers.push_str(server);
            resolvers.push('\n');
        } else if line == "ipv6: on" {
            builder = builder.enable_ipv6();
        } else {
            assert!(line.starts_with('#') || line.is_empty(), "{name}: `{line}` is no option line");
        }
    }
    let builder = builder.name_servers(NameServers::from_resolv_conf(&resolvers));
    Snapshot { name, builder, sections }
}

fn snapshots() -> Vec<Snapshot> {
    let mut snapshots: Vec<Snapshot> = std::fs::read_dir(support::testdata())
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name()?.to_str()?.strip_suffix(".txt")?.to_owned();
            Some(parse(name, &std::fs::read_to_string(&path).unwrap()))
        })
        .collect();
    snapshots.sort_by(|a, b| a.name.cmp(&b.name));
    snapshots
}

#[test]
fn every_option_has_its_text() {
    let snapshots = snapshots();
    let mut failures = Vec::new();
    for snapshot in &snapshots {
        let config = snapshot.builder.clone().build().unwrap();
        assert!(!snapshot.sections.is_empty(), "{}: no section", snapshot.name);
        for (title, want) in &snapshot.sections {
            let found = match title.as_str() {
                "iptables" => config.plan().restore_input(Family::Ipv4),
                "ip6tables" => config.plan().restore_input(Family::Ipv6),
                "nftables" => config.nftables_plan().transaction(),
                other => panic!("{}: no such section `{other}`", snapshot.name),
            };
            if found != *want {
                failures.push(format!("== {} {title}\n{}", snapshot.name, support::diff(want, &found)));
            }
        }
        // A family that is on must be shown.
        let shows_ipv6 = snapshot.sections.iter().any(|(title, _)| title == "ip6tables");
        assert_eq!(config.ipv6(), shows_ipv6, "{}", snapshot.name);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(snapshots.len(), 17);
}
