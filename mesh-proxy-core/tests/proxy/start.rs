//! What keeps the proxy from starting: exit code 1 and one line that names the thing (`PROXY-DRAIN-11`).

use std::net::TcpListener;

use crate::support::{Client, Finished, World, free_port, get};

fn world() -> World {
    World::new().routes("  - directResponse: {status: 200}")
}

/// Starts the proxy, which must end by itself with code 1 and one line with all of `names`.
fn assert_fails(world: &World, extra: &[&str], names: &[&str]) {
    let (config, admin) = (world.config().display().to_string(), format!("127.0.0.1:{}", world.admin));
    let mut arguments = vec!["run", "--concurrency", "2"];
    if !extra.contains(&"--config") {
        arguments.extend(["--config", &config]);
    }
    if !extra.contains(&"--admin") {
        arguments.extend(["--admin", &admin]);
    }
    arguments.extend(extra);
    let ended = Finished::run(&arguments);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert_eq!(ended.stderr.trim_end().lines().count(), 1, "{ended:#?}");
    for name in names {
        assert!(ended.stderr.contains(name), "`{name}` is missing in {ended:#?}");
    }
    assert_eq!(ended.stdout, "");
}

#[test]
fn a_missing_configuration() {
    assert_fails(&world(), &["--config", "/no/such/directory"], &["/no/such/directory", "no such file"]);
}

#[test]
fn an_empty_directory() {
    let empty = tempfile::tempdir().expect("a directory");
    let path = empty.path().display().to_string();
    assert_fails(&world(), &["--config", &path], &[&path, ".yaml"]);
}

#[test]
fn nothing_to_serve() {
    // No routes: they would be reported as well, since they would name the Gateway that is gone.
    let world = World::new().service("backend", &[]);
    world.remove("gateway.yaml");
    assert_fails(&world, &[], &["nothing to serve"]);
}

#[test]
fn a_port_in_use() {
    let world = world();
    let _taken = TcpListener::bind(("127.0.0.1", world.port)).expect("free");
    assert_fails(&world, &[], &[&world.port.to_string(), "in use"]);
}

#[test]
fn the_admin_port_in_use() {
    let world = world();
    let _taken = TcpListener::bind(("127.0.0.1", world.admin)).expect("free");
    assert_fails(&world, &[], &["admin", &world.admin.to_string(), "in use"]);
}

/// A second proxy does not quietly share the port of the first, although workers share it among themselves.
#[test]
fn a_port_in_use_by_another_proxy() {
    let proxy = world().start();
    let second = world();
    second.gateway(&[proxy.world.port]);
    assert_fails(&second, &[], &[&proxy.world.port.to_string(), "in use"]);
    assert_eq!(proxy.get("/").status, 200);
}

#[test]
fn an_access_log_that_cannot_be_written() {
    assert_fails(
        &world(),
        &["--access-log", "/no/such/directory/log"],
        &["access log", "/no/such/directory/log"],
    );
    assert_fails(&world(), &["--access-log", "/"], &["access log", "`/`"]);
}

#[test]
fn unknown_log_levels() {
    assert_fails(&world(), &["--log", "loud"], &["loud"]);
}

/// PROXY-DRAIN-11: usage is 2.
#[test]
fn wrong_usage() {
    for arguments in
        [&["run"][..], &["run", "--config"], &["swim"], &["run", "--config", ".", "--concurrency", "0"]]
    {
        let ended = Finished::run(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:#?}");
        assert!(!ended.stderr.is_empty(), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["run", "--help"], &["--version"]] {
        let ended = Finished::run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:#?}");
    }
}

/// `--bind` narrows a Gateway that would be served on every address.
#[test]
fn bind_narrows_a_gateway() {
    let everywhere = |world: World| {
        let port = world.port;
        let gateway = format!(
            "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: entry, namespace: default}}\nspec:\n  \
             selector: {{istio: ingressgateway}}\n  servers:\n  - port: {{number: {port}, name: http, protocol: HTTP}}\n    \
             hosts: ['*']\n"
        );
        world.object("gateway.yaml", &gateway)
    };
    // All of 127.0.0.0/8 is this machine.
    let ask = |port: u16, last: u8| {
        let mut client = Client::try_connect(([127, 0, 0, last], port).into()).ok()?;
        client.0.send(get("/")).ok()?;
        client.try_receive(false).ok().map(|response| response.status)
    };
    let proxy = everywhere(world()).start();
    assert_eq!((ask(proxy.world.port, 1), ask(proxy.world.port, 2)), (Some(200), Some(200)));
    let proxy = everywhere(world()).argument("--bind=127.0.0.1").start();
    assert_eq!((ask(proxy.world.port, 1), ask(proxy.world.port, 2)), (Some(200), None));
    // A listener that comes later, too.
    let port = free_port();
    let gateway = std::fs::read_to_string(proxy.world.config().join("gateway.yaml")).expect("text");
    proxy.world.write("gateway.yaml", &gateway.replace(&proxy.world.port.to_string(), &port.to_string()));
    crate::support::eventually("the new port is served", || ask(port, 1));
    assert_eq!(ask(port, 2), None);
}
