//! The picture of the table, written by hand so that it needs no library. Readable on light and dark pages.

use std::fmt::Write as _;

use super::Row;
use super::sim::{Report, Scenario};

const LABELS: f64 = 216.0;
const PANEL: f64 = 206.0;
const GAP: f64 = 34.0;
const TOP: f64 = 96.0;
const ROW: f64 = 34.0;
const WIDTH: f64 = LABELS + 4.0 * PANEL + 4.0 * GAP;

/// Colours that keep their contrast on white and on near black, and differ for colour-blind eyes too. Plain classes,
/// no variables: not every viewer knows those.
const STYLE: &str = "
  text { font: 13px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; fill: #1f2328; }
  .title { font-size: 17px; font-weight: 600; }
  .head { font-weight: 600; }
  .soft { fill: #59636e; font-size: 12px; }
  .end { text-anchor: end; }
  .mid { text-anchor: middle; }
  .back { fill: #ffffff; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  .span { stroke: #818b98; stroke-width: 2; }
  .a { fill: #0969da; }
  .b { fill: #bc4c00; }
  .open { fill: #ffffff; stroke: #bc4c00; stroke-width: 2; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .soft { fill: #9198a1; }
    .back { fill: #0d1117; }
    .grid { stroke: #30363d; }
    .span { stroke: #6e7681; }
    .a { fill: #58a6ff; }
    .b { fill: #f0883e; }
    .open { fill: #0d1117; stroke: #f0883e; }
  }
";

/// A panel: where it is and how values lie on it.
struct Axis {
    left: f64,
    ticks: &'static [(f64, &'static str)],
    place: fn(f64) -> f64,
}

impl Axis {
    fn x(&self, value: f64) -> f64 {
        self.left + PANEL * (self.place)(value).clamp(0.0, 1.0)
    }
}

/// Milliseconds from 5 to 1,000, each factor the same width.
fn logarithmic(millis: f64) -> f64 {
    (millis / 5.0).log10() / 200.0_f64.log10()
}

fn percent(errors: f64) -> f64 {
    errors / 12.0
}

const MILLIS: &[(f64, &str)] = &[(10.0, "10 ms"), (100.0, "100 ms"), (1_000.0, "1 s")];
const ERRORS: &[(f64, &str)] = &[(0.0, "0"), (5.0, "5"), (10.0, "10 %")];

pub fn draw(rows: &[Row]) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, rows);
    out
}

fn write(out: &mut String, rows: &[Row]) -> std::fmt::Result {
    let height = TOP + ROW * rows.len() as f64 + 66.0;
    let label = "Latencies and errors of the load-balancing algorithms in four simulated situations";
    writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">"#
    )?;
    writeln!(out, "<style>{STYLE}</style>")?;
    writeln!(out, r#"<rect class="back" width="100%" height="100%"/>"#)?;
    writeln!(out, r#"<text class="title" x="16" y="28">What callers notice of the algorithm</text>"#)?;
    let left = |panel: f64| LABELS + panel * (PANEL + GAP);
    let latency = |panel| Axis { left: left(panel), ticks: MILLIS, place: logarithmic };
    let errors = Axis { left: left(3.0), ticks: ERRORS, place: percent };
    let panels = [
        (latency(0.0), Scenario::alike()),
        (latency(1.0), Scenario::one_slow()),
        (latency(2.0), Scenario::sizes()),
        (errors, Scenario::one_failing(None)),
    ];
    let bottom = TOP + ROW * rows.len() as f64;
    for (axis, Scenario { name, detail, .. }) in &panels {
        writeln!(out, r#"<text class="head" x="{}" y="58">{name}</text>"#, axis.left)?;
        writeln!(out, r#"<text class="soft" x="{}" y="76">{detail}</text>"#, axis.left)?;
        for (value, text) in axis.ticks {
            let x = axis.x(*value);
            writeln!(out, r#"<path class="grid" d="M{x:.1} {:.1}V{bottom:.1}"/>"#, TOP - 8.0)?;
            writeln!(out, r#"<text class="soft mid" x="{x:.1}" y="{:.1}">{text}</text>"#, bottom + 18.0)?;
        }
    }
    for (number, row) in rows.iter().enumerate() {
        let y = TOP + ROW * (number as f64 + 0.5);
        let name = row.algorithm.name();
        writeln!(out, r#"<text class="end" x="{:.1}" y="{:.1}">{name}</text>"#, LABELS - 16.0, y + 4.5)?;
        let [alike, slow, sizes, failing] = &panels;
        for ((axis, _), report) in
            [alike, slow, sizes].into_iter().zip([&row.alike, &row.one_slow, &row.sizes])
        {
            latencies(out, axis, report, y)?;
        }
        let (without, with) = (failing.0.x(row.failing.errors()), failing.0.x(row.ejecting.errors()));
        writeln!(out, r#"<path class="span" d="M{with:.1} {y:.1}H{without:.1}"/>"#)?;
        writeln!(out, r#"<circle class="open" cx="{without:.1}" cy="{y:.1}" r="5"/>"#)?;
        writeln!(out, r#"<circle class="a" cx="{with:.1}" cy="{y:.1}" r="5.5"/>"#)?;
    }
    legend(out, &panels, bottom + 46.0)?;
    writeln!(out, "</svg>")
}

/// Median and 99th percentile, joined.
fn latencies(out: &mut String, axis: &Axis, report: &Report, y: f64) -> std::fmt::Result {
    let x = |permille| axis.x(report.permille(permille).as_secs_f64() * 1e3);
    let (median, tail) = (x(500), x(990));
    writeln!(out, r#"<path class="span" d="M{median:.1} {y:.1}H{tail:.1}"/>"#)?;
    writeln!(out, r#"<circle class="a" cx="{median:.1}" cy="{y:.1}" r="5.5"/>"#)?;
    writeln!(out, r#"<circle class="b" cx="{tail:.1}" cy="{y:.1}" r="5.5"/>"#)
}

fn legend(out: &mut String, panels: &[(Axis, Scenario)], y: f64) -> std::fmt::Result {
    let mut entry = |class: &str, x: f64, text: &str| {
        writeln!(out, r#"<circle class="{class}" cx="{x:.1}" cy="{:.1}" r="5.5"/>"#, y - 4.5)?;
        writeln!(out, r#"<text class="soft" x="{:.1}" y="{y:.1}">{text}</text>"#, x + 12.0)
    };
    let [(first, _), _, _, (last, _)] = panels else { return Ok(()) };
    entry("a", first.left + 6.0, "half of the callers wait at most so long")?;
    entry("b", first.left + 276.0, "99 of 100 do; after 1 s they give up")?;
    entry("a", last.left + 6.0, "with ejection")?;
    entry("open", last.left + 116.0, "without")
}
