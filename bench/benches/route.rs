//! Route lookup beside `matchit` (paths alone) and a scan of the same rules one by one.
#![allow(missing_docs, reason = "criterion's macros define public items")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use mesh_bench::{SIZES, scattered, service_path, service_prefix};
use mesh_route::{
    Conditions, HostPattern, NoHeaders, PathMatch, RequestHead, RouteTable, StringMatch, VirtualHost,
};

const HOST: &str = "bookinfo.example.com";

fn host(pattern: &str) -> HostPattern {
    pattern.parse().expect("a valid domain")
}

fn table_of(rules: impl IntoIterator<Item = Conditions>) -> RouteTable<usize> {
    let mut virtual_host = VirtualHost::new("bookinfo", [host(HOST)]);
    for (number, when) in rules.into_iter().enumerate() {
        virtual_host.push(when, number);
    }
    RouteTable::builder().virtual_host(virtual_host).build().expect("a valid table")
}

fn prefix(number: usize) -> Conditions {
    Conditions::any().path(PathMatch::prefix(&service_prefix(number)))
}

fn action(table: &RouteTable<usize>, path: &str) -> Option<usize> {
    let head = RequestHead::new("GET", HOST, path, &NoHeaders);
    table.lookup(black_box(&head)).route().map(|found| *found.action)
}

/// The five matches of Istio's Bookinfo sample: what a small gateway does all day.
fn bookinfo(criterion: &mut Criterion) {
    let table = table_of([
        Conditions::any().path(PathMatch::exact("/productpage")),
        Conditions::any().path(PathMatch::prefix("/static")),
        Conditions::any().path(PathMatch::exact("/login")),
        Conditions::any().path(PathMatch::exact("/logout")),
        Conditions::any().path(PathMatch::prefix("/api/v1/products")),
    ]);
    let mut group = criterion.benchmark_group("route/bookinfo");
    group.bench_function("first/mesh-route", |bencher| {
        bencher.iter(|| assert_eq!(action(&table, black_box("/productpage")), Some(0)));
    });
    group.bench_function("last/mesh-route", |bencher| {
        bencher.iter(|| assert_eq!(action(&table, black_box("/api/v1/products/0/reviews")), Some(4)));
    });
    group.bench_function("none/mesh-route", |bencher| {
        bencher.iter(|| assert_eq!(action(&table, black_box("/nowhere")), None));
    });
    group.finish();
}

/// Prefix routes on one host: the last rule asked for again and again, and all rules in scattered order.
fn prefixes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route/prefix");
    for size in SIZES {
        let table = table_of((0..size).map(prefix));
        let mut router = matchit::Router::new();
        for number in 0..size {
            router.insert(format!("{}{{*rest}}", service_prefix(number)), number).expect("no conflict");
        }
        let last = service_path(size - 1);
        let any: Vec<(usize, String)> =
            scattered(size, 4096).into_iter().map(|number| (number, service_path(number))).collect();

        group.bench_function(BenchmarkId::new("last/mesh-route", size), |bencher| {
            bencher.iter(|| assert_eq!(action(&table, black_box(&last)), Some(size - 1)));
        });
        group.bench_function(BenchmarkId::new("last/matchit", size), |bencher| {
            bencher.iter(|| assert_eq!(router.at(black_box(&last)).map(|found| *found.value), Ok(size - 1)));
        });
        group.bench_function(BenchmarkId::new("scattered/mesh-route", size), |bencher| {
            let mut asked = any.iter().cycle();
            bencher.iter(|| {
                let (number, path) = asked.next().expect("endless");
                assert_eq!(action(&table, path), Some(*number));
            });
        });
        group.bench_function(BenchmarkId::new("scattered/matchit", size), |bencher| {
            let mut asked = any.iter().cycle();
            bencher.iter(|| {
                let (number, path) = asked.next().expect("endless");
                assert_eq!(router.at(path).map(|found| *found.value), Ok(*number));
            });
        });
        // What the index saves: Envoy's own way, rule after rule. The large sizes would take minutes.
        if size <= 1_000 {
            let rules: Vec<Conditions> = (0..size).map(prefix).collect();
            group.bench_function(BenchmarkId::new("last/linear-scan", size), |bencher| {
                bencher.iter(|| {
                    let head = RequestHead::new("GET", HOST, black_box(&last), &NoHeaders);
                    assert_eq!(rules.iter().position(|rule| rule.matches(&head)), Some(size - 1));
                });
            });
        }
    }
    group.finish();
}

/// The same routes when each also needs a header.
fn guarded(criterion: &mut Criterion) {
    let headers = [("accept", "*/*"), ("user-agent", "bench"), ("end-user", "jason"), ("x-request-id", "1")];
    let mut group = criterion.benchmark_group("route/prefix-and-header");
    for size in [1_000, 10_000] {
        let table =
            table_of((0..size).map(|number| prefix(number).header("end-user", StringMatch::exact("jason"))));
        let last = service_path(size - 1);
        group.bench_function(BenchmarkId::new("last/mesh-route", size), |bencher| {
            bencher.iter(|| {
                let head = RequestHead::new("GET", HOST, black_box(&last), &headers);
                assert_eq!(table.lookup(&head).route().map(|found| *found.action), Some(size - 1));
            });
        });
    }
    group.finish();
}

/// Many virtual hosts, half of them wildcards: the way to the host is what costs.
fn hosts(criterion: &mut Criterion) {
    let size = 10_000;
    let mut builder = RouteTable::builder();
    for number in 0..size {
        let domain = if number % 2 == 0 {
            format!("shop-{number}.example.com")
        } else {
            format!("*.shop-{number}.example.com")
        };
        builder =
            builder.virtual_host(VirtualHost::new(&domain, [host(&domain)]).rule(Conditions::any(), number));
    }
    let table = builder.build().expect("a valid table");
    let mut group = criterion.benchmark_group("route/hosts");
    for (case, number, authority) in [
        ("exact", size - 2, format!("shop-{}.example.com:8080", size - 2)),
        ("wildcard", size - 1, format!("www.eu.shop-{}.example.com", size - 1)),
    ] {
        group.bench_function(BenchmarkId::new(format!("{case}/mesh-route"), size), |bencher| {
            bencher.iter(|| {
                let head = RequestHead::new("GET", black_box(&authority), "/cart", &NoHeaders);
                assert_eq!(table.lookup(&head).route().map(|found| *found.action), Some(number));
            });
        });
    }
    group.finish();
}

/// Building the table of prefix routes.
fn build(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route/build");
    group.sample_size(10);
    for size in [1_000, 100_000] {
        group.bench_function(BenchmarkId::new("prefix/mesh-route", size), |bencher| {
            bencher.iter(|| {
                let table = table_of((0..size).map(prefix));
                assert_eq!(table.virtual_hosts().map(|host| host.rules().len()).sum::<usize>(), size);
                table
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bookinfo, prefixes, guarded, hosts, build);
criterion_main!(benches);
