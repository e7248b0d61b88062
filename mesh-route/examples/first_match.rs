//! All that becomes of a few requests, from a table written in Rust: no YAML, no network.
//!
//! First match wins, a split draws, edits and a rewrite prepare what is forwarded, a failed attempt is or is not worth
//! another, and the table says why each request went where it went.
//!
//! `cargo run -p mesh-route --example first_match`
#![allow(clippy::print_stdout, reason = "an example shows its results")]

use std::error::Error;

use mesh_route::{
    Attempt, Conditions, HeaderEditor, HeaderEdits, HeaderPlan, Limits, Operator, PathMatch,
    PathNormalization, PathRewrite, RequestHead, RetryDecision, RetryPolicy, RouteTable, StringMatch,
    VirtualHost, WeightedSplit, normalize_path,
};

/// The action of a rule is any type of yours.
struct Forward {
    to: WeightedSplit<&'static str>,
    headers: HeaderPlan,
    rewrite: Option<PathRewrite>,
    retries: RetryPolicy,
}

/// Header lines that can be edited.
struct Lines(Vec<(String, Vec<u8>)>);

impl HeaderEditor for Lines {
    fn write(&self, operator: &Operator, out: &mut Vec<u8>) {
        if let Operator::RequestHeader { name, .. } = operator
            && let Some((_, value)) = self.0.iter().find(|(key, _)| **key == **name)
        {
            out.extend_from_slice(value);
        }
    }

    fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| key != name);
    }

    fn set(&mut self, name: &str, value: &[u8]) {
        self.remove(name);
        self.append(name, value);
    }

    fn append(&mut self, name: &str, value: &[u8]) {
        self.0.push((name.to_owned(), value.to_vec()));
    }
}

fn table() -> Result<RouteTable<Forward>, Box<dyn Error>> {
    let api = PathMatch::prefix("/api");
    let canary = Conditions::any()
        .path(api.clone())
        .header("x-canary", StringMatch::regex("v[0-9]+", &Limits::new())?);
    let marked = HeaderEdits::new().set("x-track", "canary %REQ(x-canary)%")?.remove("x-debug")?;
    let reviews =
        VirtualHost::new("reviews", ["reviews.example.com".parse()?, "*.reviews.example.com".parse()?])
            .rule(
                canary,
                Forward {
                    to: WeightedSplit::single("reviews-canary"),
                    headers: HeaderPlan::route_only(marked),
                    rewrite: None,
                    retries: RetryPolicy::none(),
                },
            )
            .rule(
                Conditions::any().path(api.clone()),
                Forward {
                    to: WeightedSplit::new([("reviews-v1", 75), ("reviews-v2", 25)])?,
                    headers: HeaderPlan::default(),
                    rewrite: Some(PathRewrite::uri(Some(&api), "/v1")),
                    retries: RetryPolicy::new(2).retry_on("connect-failure,503"),
                },
            );
    Ok(RouteTable::builder().virtual_host(reviews).build()?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let table = table()?;
    // Draws are the caller's: the library has no randomness of its own. Draw anew for each decision.
    let draw = 74;
    for (host, target, canary) in [
        ("reviews.example.com", "/api/1", None),
        ("Reviews.Example.com:8080", "/x/../%61pi/2?full", Some("v3")),
        ("eu.reviews.example.com", "/api", Some("V3")),
        ("reviews.example.com", "/API", None),
        ("example.com", "/api", None),
    ] {
        let target = normalize_path(target, PathNormalization::Base)?;
        let mut lines: Vec<(String, Vec<u8>)> =
            canary.map(|value| ("x-canary".into(), value.into())).into_iter().collect();
        let head = RequestHead::new("GET", host, &target, &lines);
        println!("{host}{target}");
        print!("{}", table.explain(&head));
        let Some(route) = table.lookup(&head).route().map(|found| found.action) else {
            println!("-> 404\n");
            continue;
        };
        let destination = route.to.pick(draw);
        let forwarded = route.rewrite.as_ref().map_or(target.clone(), |rewrite| rewrite.apply(&target));
        let mut edited = Lines(std::mem::take(&mut lines));
        route.headers.apply(&mut edited);
        println!("-> {destination} {forwarded}");
        for (name, value) in &edited.0 {
            println!("   {name}: {}", value.escape_ascii());
        }
        // The first attempt was answered with 503. How long until the next, if there is to be one?
        match route.retries.decide(&Attempt::response(503), 0, draw) {
            RetryDecision::Retry { after } => println!("   503? again after {after:?}\n"),
            RetryDecision::Exhausted | RetryDecision::Done => println!("   503? passed on\n"),
        }
    }
    Ok(())
}
