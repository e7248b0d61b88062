//! YAML in, decision out, without a socket: which route takes a request, and where it would go.
//!
//! ```text
//! cargo run -p mesh-proxy-core --no-default-features --example yaml_to_decision -- \
//!     docs/examples/bookinfo 127.0.0.1:8080/reviews/0 end-user:jason
//! ```

#![allow(clippy::print_stdout, reason = "it is what the example is for")]

use std::error::Error;
use std::path::Path;

use mesh_model::{Options, Source, load};
use mesh_proxy_core::snapshot::{Compiled, Context, RouteAction, compile};
use mesh_route::{Lookup, RequestHead};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, url, headers @ ..] = arguments.as_slice() else {
        return Err("give a directory of YAML files, `host:port/path`, and headers as `name:value`".into());
    };
    let compiled = read(Path::new(path))?;
    for issue in &compiled.issues {
        println!("{issue}");
    }
    let headers: Vec<(&str, &str)> = headers.iter().filter_map(|line| line.split_once(':')).collect();
    let (authority, target) = url.split_at(url.find('/').unwrap_or(url.len()));
    let head = RequestHead::new("GET", authority, if target.is_empty() { "/" } else { target }, &headers);
    for listener in compiled.snapshot.listeners() {
        println!("{} ({}):", listener.key, listener.name);
        let found = match listener.routes.lookup(&head) {
            Lookup::Route(found) => found,
            Lookup::TlsRequired(host) => {
                println!("  {host}: 301 to https");
                continue;
            }
            Lookup::NoRoute(host) => {
                println!("  {host}: 404, no route");
                continue;
            }
            Lookup::NoVirtualHost => {
                println!("  404, no virtual host");
                continue;
            }
        };
        println!("  virtual host {}, rule {} `{}`", found.virtual_host, found.rule, found.action.name);
        match &found.action.action {
            RouteAction::Redirect(redirect, _) => {
                println!("  {} {}", redirect.status(), redirect.location(&head));
            }
            RouteAction::Direct(response, _) => println!("  {}", response.status()),
            RouteAction::Forward(forward) => {
                for destination in forward.destinations.targets() {
                    let cluster = destination.cluster.and_then(|index| compiled.snapshot.cluster(index));
                    let endpoints = cluster
                        .map(|cluster| cluster.endpoints.iter().map(|it| it.address).collect::<Vec<_>>());
                    println!("  {} {endpoints:?}", destination.cluster_name);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn read(directory: &Path) -> Result<Compiled, Box<dyn Error>> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            texts.push((path.display().to_string(), std::fs::read_to_string(&path)?));
        }
    }
    texts.sort();
    let sources = texts.iter().map(|(name, text)| Source::new(name, text));
    let loaded = load(sources, &Options::default());
    for found in &loaded.diagnostics {
        println!("{found}");
    }
    Ok(compile(&loaded.objects, &Context::default()))
}
