//! The admin interface.

use crate::support::{Backend, Client, World, eventually};

/// PROXY-ADM-01, PROXY-ADM-02
#[test]
fn the_admin_interface_answers_and_refuses_web_pages() {
    let backend = Backend::echo();
    let proxy = World::to(&backend).start();
    assert_eq!(proxy.get("/").status, 200);
    for path in [
        "/",
        "/ready",
        "/server_info",
        "/stats",
        "/stats/prometheus",
        "/config_dump",
        "/clusters",
        "/listeners",
    ] {
        let response = proxy.ask_admin(&format!("GET {path}"));
        assert_eq!(response.status, 200, "{path}");
        assert!(!response.body.is_empty(), "{path}");
        let mut client = Client::connect(proxy.admin());
        let response = client
            .exchange(format!("GET {path} HTTP/1.1\r\nhost: admin\r\norigin: https://evil.example\r\n\r\n"));
        assert_eq!(response.status, 403, "{path}");
    }
    assert_eq!(proxy.ask_admin("GET /no/such/page").status, 404);
    let info = proxy.ask_admin("GET /server_info").text();
    let info: serde_json::Value = serde_json::from_str(&info).expect("JSON");
    assert_eq!((&info["state"], &info["concurrency"]), (&"LIVE".into(), &2.into()));
    let dump = proxy.ask_admin("GET /config_dump").text();
    let dump: serde_json::Value = serde_json::from_str(&dump).expect("JSON");
    assert_eq!(dump["generation"], 1);
    assert_eq!(dump["listeners"][0]["address"], proxy.address().to_string());
    assert_eq!(proxy.ask_admin("GET /issues").text(), "", "the configuration of these tests is clean");
    let clusters = proxy.ask_admin("GET /clusters").text();
    let line =
        format!("outbound|80||backend.default.svc.cluster.local::{}::rq_total::1\n", backend.address());
    assert!(clusters.contains(&line), "{clusters}");
    let mut client = Client::connect(proxy.admin());
    let response = client.exchange("POST /quitquitquit HTTP/1.1\r\nhost: admin\r\norigin: null\r\n\r\n");
    assert_eq!(response.status, 403);
    assert_eq!(proxy.get("/").status, 200, "it goes on");
}

/// PROXY-ADM-05
#[test]
fn log_levels_change_at_run_time() {
    let backend = Backend::echo();
    let proxy = World::to(&backend).start();
    let broken = |proxy: &crate::support::Proxy| {
        let mut client = proxy.connect();
        client.send("nonsense\r\n\r\n");
        assert_eq!(client.receive().status, 400);
    };
    broken(&proxy);
    assert_eq!(proxy.ask_admin("POST /logging?level=debug").status, 200);
    eventually("client errors are logged at debug", || {
        broken(&proxy);
        proxy.stderr().contains("client broke the protocol").then_some(())
    });
    assert_eq!(proxy.ask_admin("POST /logging?level=loud").status, 400);
    assert_eq!(proxy.ask_admin("GET /logging?level=info").status, 405);
}

/// PROXY-LOG-07: after a rotation the log goes to a new file, on a signal and on request.
#[test]
fn the_access_log_can_be_rotated() {
    let backend = Backend::echo();
    let proxy = World::to(&backend).start();
    let log = proxy.world.directory.path().join("access.log");
    let old = proxy.world.directory.path().join("access.log.old");
    for (path, how) in [("/one", "signal"), ("/two", "request")] {
        assert_eq!(proxy.get(path).status, 200);
        proxy.log_line(path);
        std::fs::rename(&log, &old).expect("renamed");
        match how {
            "signal" => crate::support::signal("USR1", proxy.pid()),
            _ => assert_eq!(proxy.ask_admin("POST /reopen_logs").status, 200),
        }
        eventually("there is a new file", || log.exists().then_some(()));
        assert!(std::fs::read_to_string(&old).expect("text").contains(path));
    }
    assert_eq!(proxy.get("/three").status, 200);
    proxy.log_line("/three");
}
