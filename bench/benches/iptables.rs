//! Generating capture rules, comparing them with a save, walking a packet. No peer: no other crate generates Istio's
//! rules.
#![allow(missing_docs, reason = "criterion's macros define public items")]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use mesh_iptables::{CaptureConfig, Family, Namespace, Packet, SavedRules, Verdict};

/// Istio's default options.
fn default() -> CaptureConfig {
    CaptureConfig::builder()
        .args(["-p", "15001", "-z", "15006", "-u", "1337", "-m", "REDIRECT", "-i", "*", "-b", "*"])
        .and_then(|builder| builder.args(["-d", "15090,15021,15020"]))
        .and_then(mesh_iptables::CaptureConfigBuilder::build)
        .expect("Istio's default options")
}

/// As many ranges and as many ports.
fn large(size: usize) -> CaptureConfig {
    let (mut ranges, mut ports) = (String::new(), String::new());
    for number in 0..size {
        let comma = if number == 0 { "" } else { "," };
        write!(ranges, "{comma}10.{}.{}.0/24", number / 256, number % 256).expect("a String takes all");
        write!(ports, "{comma}{}", 20_000 + number).expect("a String takes all");
    }
    CaptureConfig::builder()
        .args(["-u", "1337", "-i", ranges.as_str(), "-b", ports.as_str()])
        .and_then(mesh_iptables::CaptureConfigBuilder::build)
        .expect("valid ranges and ports")
}

/// Plan and text, from a finished configuration.
fn generate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("iptables/generate");
    let config = default();
    group.bench_function("default/mesh-iptables", |bencher| {
        bencher.iter(|| {
            let text = black_box(&config).plan().restore_input(Family::Ipv4);
            assert!(text.starts_with("* nat\n") && text.contains("--to-ports 15006"));
            text
        });
    });
    group.bench_function("default-nftables/mesh-iptables", |bencher| {
        bencher.iter(|| {
            let text = black_box(&config).nftables_plan().transaction();
            assert!(
                text.starts_with("add table inet istio-proxy-nat\n") && text.contains("redirect to :15006")
            );
            text
        });
    });
    let config = large(1_000);
    group.bench_function(BenchmarkId::new("ranges-and-ports/mesh-iptables", 1_000), |bencher| {
        bencher.iter(|| {
            let text = black_box(&config).plan().restore_input(Family::Ipv4);
            assert!(text.contains("10.3.231.0/24") && text.contains("--dport 20999"));
            text
        });
    });
    group.finish();
}

/// A save that is as planned, and one that has lost a rule.
fn drift(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("iptables/drift");
    let plan = default().plan();
    let text = plan.restore_input(Family::Ipv4);
    let changed = text.replace("--to-ports 15001", "--to-ports 16001");
    group.bench_function("default/mesh-iptables", |bencher| {
        bencher.iter(|| {
            assert!(plan.drift(Family::Ipv4, &SavedRules::parse(black_box(&text))).is_empty());
            let drift = plan.drift(Family::Ipv4, &SavedRules::parse(black_box(&changed)));
            assert_eq!(drift.len(), 1);
            drift
        });
    });
    group.finish();
}

/// One packet through all chains, with the trace.
fn simulate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("iptables/simulate");
    let rules = default().plan().ruleset();
    let packet: Packet = "out uid=1000 dst=10.0.0.7:80".parse().expect("a packet");
    let namespace = Namespace::new();
    group.bench_function("default/mesh-iptables", |bencher| {
        bencher.iter(|| {
            let verdict = rules.simulate(black_box(&packet), &namespace).verdict();
            assert_eq!(verdict, Verdict::Redirect { port: 15001 });
            verdict
        });
    });
    let rules = large(1_000).plan().ruleset();
    let packet: Packet = "out uid=1000 dst=10.3.231.7:80".parse().expect("a packet");
    group.bench_function(BenchmarkId::new("last-range/mesh-iptables", 1_000), |bencher| {
        bencher.iter(|| {
            let simulation = rules.simulate(black_box(&packet), &namespace);
            assert_eq!(simulation.verdict(), Verdict::Redirect { port: 15001 });
            assert!(simulation.steps().len() > 1_000);
            simulation.steps().len()
        });
    });
    group.finish();
}

criterion_group!(benches, generate, drift, simulate);
criterion_main!(benches);
