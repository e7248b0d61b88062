//! Route lookup beside `matchit` (paths alone) and a scan of the same rules one by one.
#![allow(missing_docs, reason = "criterion's macros define public items")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use mesh_bench::{SIZES, scattered, service_path, service_prefix};
use mesh_route::{
    Conditions, HostPattern, Limits, NoHeaders, PathMatch, RequestHead, RouteTable, StringMatch, VirtualHost,
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
        // Like the last one up to where it differs from all.
        let nearly = format!("{}x/items/42", service_prefix(size - 1).trim_end_matches('/'));
        group.bench_function(BenchmarkId::new("miss/mesh-route", size), |bencher| {
            bencher.iter(|| assert_eq!(action(&table, black_box(&nearly)), None));
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
        // Beside `route/prefix/last`, which asks for no header.
        group.bench_function(BenchmarkId::new("last/mesh-route", size), |bencher| {
            bencher.iter(|| {
                let head = RequestHead::new("GET", HOST, black_box(&last), &headers);
                assert_eq!(table.lookup(&head).route().map(|found| *found.action), Some(size - 1));
            });
        });
    }
    group.finish();
}

/// A header line.
type Line = (String, String);

/// A table and a request that only its last rule accepts.
struct Adverse {
    rules: Vec<Conditions>,
    method: String,
    target: String,
    lines: Vec<Line>,
}

impl Adverse {
    fn new(size: usize, rule: impl Fn(usize) -> Conditions) -> Self {
        Self {
            rules: (0..size).map(rule).collect(),
            method: "GET".into(),
            target: "/api/v1/users?page=2".into(),
            lines: vec![
                ("accept".into(), "*/*".into()),
                ("user-agent".into(), "bench".into()),
                ("x-request-id".into(), "1".into()),
            ],
        }
    }

    fn line(mut self, name: &str, value: String) -> Self {
        self.lines.push((name.into(), value));
        self
    }
}

/// Tables that are hard on an index, at the last rule and beside the scan of all, which is the way of Envoy: rules that
/// share one path, or have none, and differ elsewhere.
fn adverse(criterion: &mut Criterion) {
    let prefix = || Conditions::any().path(PathMatch::prefix("/api"));
    let exact = |number: usize| StringMatch::exact(format!("user-{number}"));
    let starts = |number: usize| StringMatch::prefix(format!("user-{number}-"));
    let mut group = criterion.benchmark_group("route/adverse");
    for size in [1_000, 10_000] {
        let last = format!("user-{}", size - 1);
        let mut method = Adverse::new(size, |number| prefix().method(exact(number)));
        method.method.clone_from(&last);
        let mut query = Adverse::new(size, |number| prefix().query_param("user", exact(number)));
        query.target = format!("/api/v1/users?page=2&user={last}");
        let mut nested = Adverse::new(size, |number| {
            Conditions::any()
                .path(PathMatch::prefix(&"/a".repeat(1 + number % 24)))
                .header("x-user", starts(number))
        });
        nested.target = "/a".repeat(30);
        for (case, adverse) in [
            (
                "header-values",
                Adverse::new(size, |number| Conditions::any().header("x-user", exact(number)))
                    .line("x-user", last.clone()),
            ),
            (
                "header-values-one-prefix",
                Adverse::new(size, |number| prefix().header("x-user", exact(number)))
                    .line("x-user", last.clone()),
            ),
            (
                "header-names",
                Adverse::new(size, |number| {
                    Conditions::any().header(&format!("x-{number}"), StringMatch::present())
                })
                .line(&format!("x-{}", size - 1), "1".into()),
            ),
            (
                "header-prefixes",
                Adverse::new(size, |number| Conditions::any().header("x-user", starts(number)))
                    .line("x-user", format!("{last}-x")),
            ),
            ("methods", method),
            ("queries", query),
            ("nested-prefixes", nested.line("x-user", format!("{last}-x"))),
        ] {
            let Adverse { rules, method, target, lines } = adverse;
            let table = table_of(rules.iter().cloned());
            group.bench_function(BenchmarkId::new(format!("{case}/mesh-route"), size), |bencher| {
                bencher.iter(|| {
                    let head = RequestHead::new(&method, HOST, black_box(&target), &lines);
                    assert_eq!(table.lookup(&head).route().map(|found| *found.action), Some(size - 1));
                });
            });
            group.bench_function(BenchmarkId::new(format!("{case}/linear-scan"), size), |bencher| {
                bencher.iter(|| {
                    let head = RequestHead::new(&method, HOST, black_box(&target), &lines);
                    assert_eq!(rules.iter().position(|rule| rule.matches(&head)), Some(size - 1));
                });
            });
        }
    }
    group.finish();
}

/// A thousand regular expressions.
fn regexes(criterion: &mut Criterion) {
    let size = 1_000;
    let mut group = criterion.benchmark_group("route/regex");
    group.sample_size(20);
    let cases: [(&str, fn(usize) -> String, &str); 4] = [
        // One literal head for all; none; a literal head for each.
        ("one-head", |number| format!("/api/v[0-9]+/service{number}/.*"), "/api/v1/service999/items/42"),
        ("no-head", |number| format!(".*/service{number}/[0-9]+"), "/shop/a/b/service999/42"),
        ("own-heads", |number| format!("/api/service{number}/[0-9]+"), "/api/service999/42"),
        // Near the worst: every set of these may match at once, which no automaton of decent size tells apart.
        ("anywhere", |number| format!(".*item-{number}.*"), "/shop/a/b/item-999/42"),
    ];
    for (case, pattern, target) in cases {
        let rule = |number| {
            let path = PathMatch::regex(&pattern(number), &Limits::new()).expect("a valid pattern");
            Conditions::any().path(path)
        };
        let rules: Vec<Conditions> = (0..size).map(rule).collect();
        let table = table_of(rules.iter().cloned());
        let head = RequestHead::new("GET", HOST, target, &NoHeaders);
        let want = rules.iter().position(|rule| rule.matches(&head));
        assert!(want.is_some(), "{case}");
        group.bench_function(BenchmarkId::new(format!("{case}/mesh-route"), size), |bencher| {
            bencher.iter(|| assert_eq!(action(&table, black_box(target)), want));
        });
        group.bench_function(BenchmarkId::new(format!("{case}/linear-scan"), size), |bencher| {
            bencher.iter(|| {
                let head = RequestHead::new("GET", HOST, black_box(target), &NoHeaders);
                assert_eq!(rules.iter().position(|rule| rule.matches(&head)), want);
            });
        });
        group.bench_function(BenchmarkId::new(format!("{case}/build/mesh-route"), size), |bencher| {
            bencher.iter(|| {
                let table = table_of(rules.iter().cloned());
                assert_eq!(action(&table, target), want);
                table
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

criterion_group!(benches, bookinfo, prefixes, guarded, adverse, regexes, hosts, build);
criterion_main!(benches);
