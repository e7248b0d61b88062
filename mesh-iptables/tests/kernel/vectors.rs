//! Every vector and every snapshot is accepted by the kernel (`TST-12`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::rig::{Backend, Namespace, Net, backends, say};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Names of groups in the data; the machine need not know them (`TST-12`).
fn numbered(text: &str) -> String {
    text.replace("owner java", "owner 2001")
        .replace("owner ftp", "owner 2002")
        .replace("!= java", "!= 2001")
        .replace("skgid ftp", "skgid 2002")
}

/// Files of a folder that end so, with their text.
fn files(folder: &Path, suffix: &str) -> Option<BTreeMap<PathBuf, String>> {
    let entries = std::fs::read_dir(folder).ok()?;
    let paths = entries.map(|entry| entry.unwrap().path());
    let wanted = paths.filter(|path| path.to_str().is_some_and(|path| path.ends_with(suffix)));
    Some(wanted.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect())
}

/// The restore texts of a transcript: IPv4 and, if it is there, IPv6, which starts with the same table again.
fn restore_texts(transcript: &str) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    let lines = transcript.lines().filter(|line| !line.ends_with("tables-save"));
    let mut first = None;
    for line in lines {
        if first.is_none() || first == Some(line) {
            texts.push(String::new());
            first = Some(line);
        }
        let text = texts.last_mut().unwrap();
        text.push_str(line);
        text.push('\n');
    }
    texts
}

/// Loads texts by family into a fresh namespace; the complaint if one is refused.
fn load(backend: Backend, texts: &[String]) -> Option<String> {
    let namespace = Namespace::new().unwrap();
    if texts.iter().any(|text| text.contains("--match-set")) {
        namespace.sh(IPSETS);
    }
    texts.iter().enumerate().find_map(|(family, text)| {
        let (code, _, err) = namespace.try_sh(backend.restore(family), &numbered(text));
        (code != Some(0)).then(|| format!("{backend:?}: {}: {}", backend.restore(family), err.trim()))
    })
}

#[test]
fn every_vector_loads_tst_12() {
    const TEST: &str = "every_vector_loads";
    if Net::new(TEST).is_none() {
        return;
    }
    let vectors = root().join("../shared/vectors/iptables");
    let (mut failures, mut loaded) = (Vec::new(), 0);
    for folder in ["iptables", "nftables", "ambient/iptables", "ambient/nftables", "annotations", "presets"] {
        let Some(cases) = files(&vectors.join(folder), ".golden") else {
            say(&format!("SKIPPED {TEST}: no vectors at {}", vectors.join(folder).display()));
            continue;
        };
        for (path, golden) in cases {
            // What `iptables -L` prints is for people; no tool reads it back.
            if path.to_str().is_some_and(|path| path.ends_with(".list.golden")) {
                continue;
            }
            let name = path.strip_prefix(&vectors).unwrap().display().to_string();
            let native = folder.ends_with("nftables");
            for backend in backends(TEST) {
                if (backend == Backend::Native) != native {
                    continue;
                }
                if golden.contains("--match-set") && Namespace::new().unwrap().try_sh(IPSETS, "").0 != Some(0)
                {
                    say(&format!("SKIPPED {TEST} {name} on {backend:?}: no ipset to make its sets with"));
                    continue;
                }
                let texts = match native {
                    true if golden.contains("@istio-inpod-probes") => vec![format!("{SETS}{golden}")],
                    true => vec![golden.clone()],
                    // One listing was published without its end.
                    false if name.ends_with(".save.golden") && !golden.contains("COMMIT") => {
                        vec![format!("{golden}\nCOMMIT\n")]
                    }
                    false => restore_texts(&golden),
                };
                loaded += 1;
                failures.extend(load(backend, &texts).map(|why| format!("{name}: {why}")));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    if vectors.exists() {
        assert!(loaded > 60, "only {loaded} were loaded");
    }
}

/// The sets of `NFT-50`, without which the rules of a node fail.
const SETS: &str = "add table inet istio-ambient-nat
add set inet istio-ambient-nat istio-inpod-probes-v4 { type ipv4_addr ; }
add set inet istio-ambient-nat istio-inpod-probes-v6 { type ipv6_addr ; }
";

/// The sets of `AMB-15`.
const IPSETS: &str = "ipset create istio-inpod-probes-v4 hash:ip
ipset create istio-inpod-probes-v6 hash:ip family inet6";

#[test]
fn every_snapshot_loads_tst_12() {
    const TEST: &str = "every_snapshot_loads";
    if Net::new(TEST).is_none() {
        return;
    }
    let (mut failures, mut loaded) = (Vec::new(), 0);
    for (path, text) in files(&root().join("testdata/iptables"), ".txt").unwrap() {
        let sections: BTreeMap<&str, String> = text
            .split("=== ")
            .skip(1)
            .map(|section| section.split_once('\n').unwrap())
            .map(|(title, text)| (title, text.to_owned()))
            .collect();
        let section = |title: &str| sections.get(title).filter(|text| !text.is_empty()).cloned();
        let by_family: Vec<String> =
            [section("iptables"), section("ip6tables")].into_iter().flatten().collect();
        for backend in backends(TEST) {
            let texts = match backend {
                Backend::Native => section("nftables").into_iter().collect(),
                _ => by_family.clone(),
            };
            loaded += texts.len();
            failures.extend(load(backend, &texts).map(|why| format!("{}: {why}", path.display())));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(loaded >= 40, "only {loaded} were loaded");
}
