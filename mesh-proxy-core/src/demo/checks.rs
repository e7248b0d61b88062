//! The two uses of the list of things to try: printed as curl lines, or performed and compared.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use super::client::{self, Probe, Reply};
use super::list::{At, Check, SECTIONS, Show, Want};
use super::report::{self, Row};

pub(crate) use super::report::Report;

/// Most expectations shown beside a printed request; the table of `--check` has them all.
const SHOWN: usize = 4;

/// Most repetitions in a printed loop.
const LOOP: u32 = 50;

/// Prints every request as a curl line with what to expect of it, and what to edit in `config`, the
/// directory of the YAML files.
///
/// # Errors
/// Only those of `out`.
pub(crate) fn print_what_to_try(
    out: &mut dyn Write,
    gateway: SocketAddr,
    admin: SocketAddr,
    config: &Path,
) -> io::Result<()> {
    writeln!(out, "Try these in another terminal:")?;
    for (section, checks) in &SECTIONS {
        writeln!(out, "\n{section}")?;
        for check in *checks {
            let server = check.server(gateway, admin);
            let shown = check.wants.get(..SHOWN).unwrap_or(check.wants);
            let more = if shown.len() < check.wants.len() { ", ..." } else { "" };
            let wants = report::wants_text(shown, gateway);
            writeln!(out, "  # {} -> {wants}{more}", check.title)?;
            writeln!(out, "  {}", curl(check, server))?;
        }
    }
    let config = config.display();
    writeln!(out, "\nIn a browser: http://{gateway}/productpage")?;
    writeln!(out, "\nThen edit a file in {config} and save it; it takes effect within a second.")?;
    writeln!(out, "  virtual-service-canary.yaml   turn the weights 90 and 10 into 50 and 50")?;
    writeln!(out, "  destination-rules.yaml        delete subset v3 of reviews")?;
    writeln!(out, "  any of them                   break the YAML: the last good configuration stays")
}

/// Performs every request, in order, and compares.
///
/// Waits first, ten seconds at most, until the proxy says it is ready; a proxy that never does shows up
/// as failed checks. Takes about two seconds. Blocks: call it from a thread that serves nothing.
pub(crate) fn run(gateway: SocketAddr, admin: SocketAddr) -> Report {
    wait_until_ready(admin);
    perform(gateway, admin)
}

/// Performs every request without waiting for anything.
fn perform(gateway: SocketAddr, admin: SocketAddr) -> Report {
    let rows = SECTIONS.iter().flat_map(|(_, checks)| *checks).map(|check| {
        let server = check.server(gateway, admin);
        let replies: io::Result<Vec<Reply>> =
            (0..check.times).map(|_| client::send(server, &check.probe)).collect();
        Row::judge(check, gateway, &replies)
    });
    Report::new(rows.collect())
}

/// Polls the admin interface.
fn wait_until_ready(admin: SocketAddr) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let ready = Probe { method: "GET", target: "/ready", headers: &[] };
    while !client::send(admin, &ready).is_ok_and(|reply| reply.status == 200) {
        if Instant::now() >= deadline {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Check {
    fn server(&self, gateway: SocketAddr, admin: SocketAddr) -> SocketAddr {
        match self.at {
            At::Gateway => gateway,
            At::Admin => admin,
        }
    }
}

/// The check as a line for a shell. What is printed is built from what is performed, so the two cannot
/// come to differ.
pub(super) fn curl(check: &Check, server: SocketAddr) -> String {
    let Probe { method, target, headers } = check.probe;
    let mut words = Vec::new();
    if method != "GET" {
        words.push(format!("-X {method}"));
    }
    for (key, value) in headers {
        words.push(format!("-H {}", quoted(&format!("{key}: {value}"))));
    }
    // Left alone, curl resolves dot segments itself and the proxy never sees them.
    if target.contains("..") || target.contains("%2e") {
        words.push("--path-as-is".to_owned());
    }
    words.push(quoted(&format!("http://{server}{target}")));
    let request = words.join(" ");

    let header = check.wants.iter().find_map(|want| match want {
        Want::Header(name, _) | Want::Share { header: name, .. } => Some(*name),
        _ => None,
    });
    if check.times > 1
        && let Some(header) = header
    {
        let times = check.times.min(LOOP);
        return format!(
            "for i in $(seq {times}); do curl -s -o /dev/null -D - {request}; done | grep -i {header} | sort | uniq -c"
        );
    }
    match check.show {
        Show::All => format!("curl -i {request}"),
        Show::Time => format!("curl -i -w '\\n%{{time_total}} s\\n' {request}"),
        Show::Lines(texts) => {
            let texts: Vec<_> = texts.iter().map(|text| format!("-e {}", quoted(text))).collect();
            format!("curl -s {request} | grep -F {}", texts.join(" "))
        }
    }
}

/// `text` as one word of a shell, quoted only if it needs to be.
fn quoted(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || ":/.,_-%=".contains(character);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;
