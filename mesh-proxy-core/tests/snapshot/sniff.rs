//! What a port is declared to speak, and what its connections do speak (section 5.4).

use mesh_proxy_core::snapshot::Role;

use crate::connections::{ask, compiled, entry};
use crate::world::check;

fn kubernetes(port: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: s, namespace: default}}\nspec:\n  clusterIP: 10.96.0.1\n  selector: {{app: \
         s}}\n  ports: [{port}]\n"
    )
}

#[test]
fn declared_protocols_route_sniff_01() {
    let (http, tcp, tls) = (
        ["http 7000", "passthrough"],
        ["|7000|s.default UH", "|7000|s.default UH"],
        ["|7000|s.default UH"; 2],
    );
    let auto = ["http s.default.svc.cluster.local:7000", "|7000|s.default UH"];
    for (port, [plain, raw]) in [
        ("name: http, port: 7000", http),
        ("name: HTTP-web, port: 7000", http),
        ("name: http2, port: 7000", http),
        ("name: grpc-x, port: 7000", http),
        ("name: grpc-web, port: 7000", http),
        ("name: tcp-http, port: 7000", tcp),
        ("name: redis, port: 7000", tcp),
        ("name: mongo-x, port: 7000", tcp),
        ("name: tls, port: 7000", tls),
        ("name: https-x, port: 7000", tls),
        ("name: web, port: 7000", auto),
        ("name: httpx, port: 7000", auto),
        ("name: http, appProtocol: tcp, port: 7000", tcp),
        ("name: tcp, appProtocol: kubernetes.io/h2c, port: 7000", http),
        ("name: tcp, appProtocol: kubernetes.io/ws, port: 7000", http),
        ("name: http, appProtocol: kubernetes.io/wss, port: 7000", tls),
    ] {
        let parts = [kubernetes(&format!("{{{port}}}"))];
        let found = compiled(Role::Sidecar, &parts);
        let answers = ["10.96.0.1:7000 http", "10.96.0.1:7000 raw"].map(|request| ask(&found, request, 0));
        assert_eq!(answers, [plain, raw], "{port}");
    }
    for number in [25, 53, 3306, 27017] {
        let parts = [kubernetes(&format!("{{name: web, port: {number}}}"))];
        let found = compiled(Role::Sidecar, &parts);
        let want = format!("|{number}|s.default UH");
        assert_eq!(ask(&found, &format!("10.96.0.1:{number} http"), 0), want);
    }
}

#[test]
fn what_the_bytes_say_route_sniff_05() {
    let parts = [
        entry("http", "http.com", "", "7001/HTTP"),
        entry("vip", "vip.com", "10.10.0.1", "7002/"),
        entry("auto", "auto.com", "", "7003/"),
        entry("tcp", "tcp.com", "", "7004/TCP"),
        entry("tls", "tls.com", "", "7005/TLS"),
    ];
    let found = compiled(Role::Sidecar, &parts);
    check(
        "rows of ROUTE-SNIFF-05",
        |request| ask(&found, request, 0),
        &[
            ("10.0.0.1:7001 http", "http 7001"),
            ("10.0.0.1:7001 http10", "passthrough"),
            ("10.0.0.1:7001 tls:http.com h2", "passthrough"),
            ("10.0.0.1:7001 raw", "passthrough"),
            ("10.10.0.1:7002 http", "http vip.com:7002"),
            ("10.10.0.1:7002 http10", "|7002|vip.com"),
            ("10.10.0.1:7002 tls:vip.com http/1.1", "|7002|vip.com"),
            ("10.10.0.1:7002 raw", "|7002|vip.com"),
            ("10.0.0.1:7003 http", "http 7003"),
            ("10.0.0.1:7003 http10", "|7003|auto.com"),
            ("10.0.0.1:7003 tls:x http/1.1", "|7003|auto.com"),
            ("10.0.0.1:7003 raw", "|7003|auto.com"),
            ("10.0.0.1:7004 http", "|7004|tcp.com"),
            ("10.0.0.1:7004 tls:tcp.com", "|7004|tcp.com"),
            ("10.0.0.1:7005 tls:tls.com", "|7005|tls.com"),
            ("10.0.0.1:7005 http", "passthrough"),
            ("10.0.0.1:7005 raw", "passthrough"),
        ],
    );
}
