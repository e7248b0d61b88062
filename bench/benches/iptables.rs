//! Generating capture rules. No peer: no other crate generates Istio's rules.
#![allow(missing_docs, reason = "criterion's macros define public items")]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use mesh_iptables::{CaptureConfig, Family};

/// Plan and text, from a finished configuration.
fn generate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("iptables/generate");
    let default = CaptureConfig::builder()
        .args([
            "-p",
            "15001",
            "-z",
            "15006",
            "-u",
            "1337",
            "-m",
            "REDIRECT",
            "-i",
            "*",
            "-b",
            "*",
            "-d",
            "15090,15021,15020",
        ])
        .and_then(mesh_iptables::CaptureConfigBuilder::build)
        .expect("Istio's default options");
    group.bench_function("default/mesh-iptables", |bencher| {
        bencher.iter(|| {
            let text = black_box(&default).plan().restore_input(Family::Ipv4);
            assert!(text.starts_with("* nat\n") && text.contains("--to-ports 15006"));
            text
        });
    });

    let size = 1_000_usize;
    let (mut ranges, mut ports) = (String::new(), String::new());
    for number in 0..size {
        let comma = if number == 0 { "" } else { "," };
        write!(ranges, "{comma}10.{}.{}.0/24", number / 256, number % 256).expect("a String takes all");
        write!(ports, "{comma}{}", 20_000 + number).expect("a String takes all");
    }
    let large = CaptureConfig::builder()
        .args(["-u", "1337", "-i", ranges.as_str(), "-b", ports.as_str()])
        .and_then(mesh_iptables::CaptureConfigBuilder::build)
        .expect("valid ranges and ports");
    group.bench_function(BenchmarkId::new("ranges-and-ports/mesh-iptables", size), |bencher| {
        bencher.iter(|| {
            let text = black_box(&large).plan().restore_input(Family::Ipv4);
            assert!(text.contains("10.3.231.0/24") && text.contains("--dport 20999"));
            text
        });
    });
    group.finish();
}

criterion_group!(benches, generate);
criterion_main!(benches);
