//! Loading YAML with all checks, beside `serde_yaml` parsing the same text into untyped values, and into the
//! types of `istio-api-rs` (`--features istio-api-rs`). Both only parse.
#![allow(missing_docs, reason = "criterion's macros define public items")]

use std::fmt::Write as _;
use std::hint::black_box;

#[path = "../../mesh-model/tests/mixed/mod.rs"]
mod mixed;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mesh_model::{Options, Source, load};
use serde::Deserialize as _;

/// VirtualServices of about 675 bytes, as a mesh of many small services has them.
fn virtual_services(count: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        write!(
            text,
            "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews-{number:06}
  namespace: shop
spec:
  hosts:
  - reviews-{number:06}.shop.svc.cluster.local
  http:
  - name: jason
    match:
    - headers:
        end-user:
          exact: jason
      uri:
        prefix: /api/v{}/
    route:
    - destination:
        host: reviews-{number:06}
        subset: v2
    timeout: 2s
    retries:
      attempts: 3
      perTryTimeout: 500ms
      retryOn: 5xx,connect-failure
  - name: rest
    route:
    - destination:
        host: reviews-{number:06}
        subset: v1
      weight: 90
    - destination:
        host: reviews-{number:06}
        subset: v3
      weight: 10
---
",
            number % 7 + 1
        )
        .expect("a String takes all");
    }
    text
}

fn loading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("model/load");
    group.sample_size(10);
    for count in [100, 2_000] {
        let text = virtual_services(count);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(BenchmarkId::new("virtual-service/mesh-model", count), |bencher| {
            bencher.iter(|| {
                let loaded = load([Source::new("bench.yaml", black_box(&text))], &Options::default());
                assert_eq!((loaded.objects.len(), loaded.diagnostics.len()), (count, 0));
                loaded
            });
        });
        group.bench_function(BenchmarkId::new("virtual-service/serde_yaml-value", count), |bencher| {
            bencher.iter(|| {
                let values: Vec<serde_yaml::Value> = serde_yaml::Deserializer::from_str(black_box(&text))
                    .map(|document| serde_yaml::Value::deserialize(document).expect("valid YAML"))
                    .filter(|value| !value.is_null())
                    .collect();
                assert_eq!(values.len(), count);
                values
            });
        });
        #[cfg(feature = "istio-api-rs")]
        group.bench_function(BenchmarkId::new("virtual-service/istio-api-rs", count), |bencher| {
            use istio_api_rs::networking::v1::virtual_service::VirtualService;
            bencher.iter(|| {
                let objects: Vec<VirtualService> = serde_yaml::Deserializer::from_str(black_box(&text))
                    .map(|document| Option::<VirtualService>::deserialize(document).expect("valid YAML"))
                    .flatten()
                    .collect();
                assert_eq!(objects.len(), count);
                assert_eq!(objects.last().and_then(|last| last.spec.http.as_ref()).map(Vec::len), Some(2));
                objects
            });
        });
    }
    if cfg!(not(feature = "istio-api-rs")) {
        eprintln!("model: istio-api-rs is left out; build with `--features istio-api-rs` to measure it");
    }
    group.finish();
}

/// Objects of twelve kinds, in sizes that show how the cost grows.
fn mixed_objects(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("model/load");
    group.sample_size(10);
    for count in [1_000, 10_000, 100_000] {
        let text = mixed::objects(count);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(BenchmarkId::new("mixed/mesh-model", count), |bencher| {
            bencher.iter(|| {
                let loaded = load([Source::new("bench.yaml", black_box(&text))], &Options::default());
                assert_eq!((loaded.objects.len(), loaded.diagnostics.len()), (count, 0));
                loaded
            });
        });
    }
    group.finish();
}

criterion_group!(benches, loading, mixed_objects);
criterion_main!(benches);
