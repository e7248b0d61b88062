//! What to try on the running demo, as data: the same list is printed for people and performed by
//! `demo --check`.
//!
//! Each entry leans on a rule in a file of `docs/examples/bookinfo`; the comments there name the same
//! requests.

use super::client::Probe;

/// One thing to try: a request, how often to make it, and what must come back.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) title: &'static str,
    pub(super) at: At,
    pub(super) probe: Probe,
    /// How many answers to ask for.
    pub(super) times: u32,
    pub(super) wants: &'static [Want],
    pub(super) show: Show,
}

/// What the printed curl line lets its reader see.
#[derive(Debug)]
pub(super) enum Show {
    /// Status line, headers, body.
    All,
    /// The same and how long it took.
    Time,
    /// Those lines of the body that contain one of these texts.
    Lines(&'static [&'static str]),
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Gateway,
    Admin,
}

/// One expectation. Asked of several answers, it must hold for each of them.
#[derive(Debug)]
pub(super) enum Want {
    Status(u16),
    /// A header with this value; `{gateway}` in it stands for the address of the gateway.
    Header(&'static str, &'static str),
    /// No such header.
    NoHeader(&'static str),
    /// A piece of the body.
    Body(&'static str),
    /// No such piece in the body.
    NoBody(&'static str),
    EmptyBody,
    /// At least this many milliseconds from request to answer.
    AtLeastMs(u64),
    /// At most this many milliseconds.
    AtMostMs(u64),
    /// The answers whose header has this value are between `least` and `most` percent of all.
    Share {
        header: &'static str,
        value: &'static str,
        least: u32,
        most: u32,
    },
}

use Want::{AtLeastMs, AtMostMs, Body, EmptyBody, Header, NoBody, NoHeader, Share, Status};

/// Answers to ask for where shares are measured. With a true share of one in ten, fewer than 3 % or more
/// than 20 % of 400 happens less than once in ten million runs.
const MANY: u32 = 400;

/// Header in which every service of the demo names itself.
const SERVED_BY: &str = "x-served-by";

/// The lines of the page that tell which versions took part.
const PAGE: Show = Show::Lines(&["served by", "stars", "unavailable"]);

const fn gateway(title: &'static str, target: &'static str, wants: &'static [Want]) -> Check {
    Check {
        title,
        at: At::Gateway,
        probe: Probe { method: "GET", target, headers: &[] },
        times: 1,
        wants,
        show: Show::All,
    }
}

const fn admin(title: &'static str, target: &'static str, wants: &'static [Want]) -> Check {
    Check { at: At::Admin, ..gateway(title, target, wants) }
}

impl Check {
    const fn method(mut self, method: &'static str) -> Self {
        self.probe.method = method;
        self
    }

    const fn headers(mut self, headers: &'static [(&'static str, &'static str)]) -> Self {
        self.probe.headers = headers;
        self
    }

    const fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    const fn show(mut self, show: Show) -> Self {
        self.show = show;
        self
    }
}

/// The list, in the order of printing and of performing. The admin interface comes last because its
/// checks count what the others did.
pub(super) static SECTIONS: [(&str, &[Check]); 7] = [
    (
        "Which version of reviews answers",
        &[
            gateway(
                "canary: one request in ten goes to v3, none to v2",
                "/reviews/0",
                &[
                    Status(200),
                    Share { header: SERVED_BY, value: "reviews-v1", least: 80, most: 97 },
                    Share { header: SERVED_BY, value: "reviews-v3", least: 3, most: 20 },
                    Share { header: SERVED_BY, value: "reviews-v2", least: 0, most: 0 },
                ],
            )
            .times(MANY),
            gateway("jason always gets v2", "/reviews/0", &[Status(200), Header(SERVED_BY, "reviews-v2")])
                .headers(&[("end-user", "jason")])
                .times(20),
            gateway(
                "a query parameter asks for v3",
                "/reviews/0?version=v3",
                &[Status(200), Header(SERVED_BY, "reviews-v3")],
            ),
        ],
    ),
    (
        "Inside the mesh: what productpage's own calls reach",
        &[
            gateway(
                "the page puts details and reviews together",
                "/productpage",
                &[
                    Status(200),
                    Header(SERVED_BY, "productpage-v1"),
                    Body("served by details-v1"),
                    NoBody("unavailable"),
                ],
            )
            .show(PAGE),
            gateway(
                "the header follows jason inwards: black stars of reviews-v2",
                "/productpage",
                &[Status(200), Body("served by reviews-v2"), Body("stars black")],
            )
            .headers(&[("end-user", "jason")])
            .show(PAGE),
            gateway(
                "ratings fails for the tester, the page stays whole",
                "/productpage",
                &[
                    Status(200),
                    Body("served by reviews-v2"),
                    Body("Ratings service is currently unavailable"),
                ],
            )
            .headers(&[("end-user", "fault-tester")])
            .show(PAGE),
            gateway(
                "the injected status itself, seen through the API",
                "/api/v1/products/0/ratings",
                &[Status(500), Header(SERVED_BY, "productpage-v1")],
            )
            .headers(&[("end-user", "fault-tester")]),
        ],
    ),
    (
        "Faults, timeouts, retries",
        &[
            gateway(
                "injected abort",
                "/fault-abort",
                &[Status(418), Body("fault filter abort"), NoHeader(SERVED_BY)],
            ),
            gateway(
                "injected delay",
                "/slow",
                &[Status(200), Header(SERVED_BY, "details-v1"), AtLeastMs(300)],
            )
            .show(Show::Time),
            gateway(
                "timeout of a quarter second",
                "/stuck",
                &[Status(504), Body("upstream request timeout"), AtLeastMs(250), AtMostMs(1500)],
            )
            .show(Show::Time),
            gateway("two failures retried", "/flaky", &[Status(200), Body("\"attempt\":3")]),
            gateway("a subset nobody defined", "/beta", &[Status(503), EmptyBody, NoHeader(SERVED_BY)]),
        ],
    ),
    (
        "Denied by the AuthorizationPolicy",
        &[
            gateway("a path", "/admin/users", &[Status(403), Body("RBAC: access denied")]),
            gateway(
                "the same path in disguise",
                "/static/%2e%2e/admin/users",
                &[Status(403), Body("RBAC: access denied")],
            ),
            gateway("a method", "/productpage", &[Status(403), Body("RBAC: access denied")]).method("DELETE"),
            gateway("a user agent", "/productpage", &[Status(403), Body("RBAC: access denied")])
                .headers(&[("user-agent", "bad-bot/1.0")]),
        ],
    ),
    (
        "Answers of the gateway itself",
        &[
            gateway(
                "redirect",
                "/old-products",
                &[Status(301), Header("location", "http://{gateway}/productpage")],
            ),
            gateway(
                "redirect with a status of its own, query kept",
                "/?from=home",
                &[Status(302), Header("location", "http://{gateway}/productpage?from=home")],
            ),
            gateway("direct response", "/healthz-gw", &[Status(200), Body("the gateway is up")]),
            gateway("unknown host", "/productpage", &[Status(404), EmptyBody])
                .headers(&[("host", "unknown.example.com")]),
            gateway("known host, unknown path", "/nowhere", &[Status(404), EmptyBody]),
            gateway("the other known host", "/productpage", &[Status(200)])
                .headers(&[("host", "bookinfo.example.com")]),
        ],
    ),
    (
        "Rewrites, header edits, CORS",
        &[
            gateway(
                "prefix rewrite",
                "/catalog/0",
                &[Status(200), Header(SERVED_BY, "productpage-v1"), Body("\"title\":")],
            ),
            gateway("regex rewrite", "/book/0/ratings", &[Status(200), Body("\"served_by\":\"ratings-v1\"")]),
            gateway(
                "response header",
                "/login?username=jason",
                &[Status(302), Header("x-mesh-demo", "bookinfo")],
            ),
            gateway(
                "request and response headers edited",
                "/headers?q=1",
                &[
                    Status(200),
                    Body("\"path\":\"/anything?q=1\""),
                    Body("\"x-demo-path\":\"/headers?q=1\""),
                    Body("\"x-demo-tag\":\"gateway\""),
                    NoBody("x-secret"),
                    Header("x-mesh-demo", "echo"),
                    NoHeader("x-echo-internal"),
                ],
            )
            .headers(&[("x-secret", "s3")]),
            gateway(
                "CORS preflight, answered by the gateway",
                "/api/v1/products",
                &[
                    Status(200),
                    EmptyBody,
                    Header("access-control-allow-origin", "https://shop.example.com"),
                    Header("access-control-allow-methods", "GET"),
                    Header("access-control-max-age", "86400"),
                    NoHeader(SERVED_BY),
                ],
            )
            .method("OPTIONS")
            .headers(&[("origin", "https://shop.example.com"), ("access-control-request-method", "GET")]),
            gateway(
                "CORS, a foreign origin",
                "/api/v1/products",
                &[Status(200), NoHeader("access-control-allow-origin")],
            )
            .headers(&[("origin", "https://evil.example.net")]),
        ],
    ),
    (
        "The admin interface",
        &[
            admin("ready", "/ready", &[Status(200), Body("LIVE")]),
            admin(
                "Istio's metrics, the injected faults counted",
                "/stats/prometheus",
                &[Status(200), Body("istio_requests_total{"), Body("response_code=\"418\"")],
            )
            .show(Show::Lines(&["istio_requests_total{"])),
            admin(
                "clusters and their endpoints",
                "/clusters",
                &[Status(200), Body("outbound|9080|v2|reviews.default.svc.cluster.local")],
            )
            .show(Show::Lines(&["reviews.default"])),
            admin(
                "the configuration in force",
                "/config_dump",
                &[Status(200), Body("reviews.default.svc.cluster.local")],
            )
            .show(Show::Lines(&["reviews.default"])),
        ],
    ),
];
