//! First match wins: a small table, a few requests, and why each went where it went.
//!
//! `cargo run -p mesh-route --example first_match`
#![allow(clippy::print_stdout, reason = "an example shows its results")]

use std::error::Error;

use mesh_route::{
    Conditions, Limits, PathMatch, PathNormalization, RequestHead, RouteTable, StringMatch, VirtualHost,
    WeightedSplit, normalize_path,
};

fn main() -> Result<(), Box<dyn Error>> {
    let stable = WeightedSplit::new([("reviews-v1", 75), ("reviews-v2", 25)])?;
    let reviews =
        VirtualHost::new("reviews", ["reviews.example.com".parse()?, "*.reviews.example.com".parse()?])
            .rule(
                Conditions::any()
                    .path(PathMatch::prefix("/api"))
                    .header("x-canary", StringMatch::regex("v[0-9]+", &Limits::new())?),
                WeightedSplit::single("reviews-canary"),
            )
            .rule(Conditions::any().path(PathMatch::prefix("/api")), stable);
    let table = RouteTable::builder().virtual_host(reviews).build()?;

    // The draw is the caller's: the library has no randomness of its own.
    let draw = 74;
    for (host, target, canary) in [
        ("reviews.example.com", "/api/1", None),
        ("Reviews.Example.com:8080", "/x/../%61pi/2?full", Some("v3")),
        ("eu.reviews.example.com", "/api", Some("none")),
        ("reviews.example.com", "/health", None),
        ("example.com", "/api", None),
    ] {
        let target = normalize_path(target, PathNormalization::Base)?;
        let headers: Vec<(&str, &str)> = canary.map(|value| ("x-canary", value)).into_iter().collect();
        let head = RequestHead::new("GET", host, &target, &headers);
        match table.lookup(&head).route() {
            Some(found) => println!("{host}{target} -> {} by rule {}", found.action.pick(draw), found.rule),
            None => println!("{host}{target} -> 404"),
        }
        print!("{}", table.explain(&head));
    }
    Ok(())
}
