//! Compares the algorithms by what callers would notice: how long they wait, and how often in vain.
//!
//! ```sh
//! cargo run -p mesh-lb --release --example simulate                                  # a table
//! cargo run -p mesh-lb --release --example simulate -- --svg docs/lb-simulation.svg  # and a picture
//! ```
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a program for people, whose numbers are small"
)]

mod sim;
mod svg;

use std::process::ExitCode;

use mesh_lb::OutlierConfig;
use sim::{Algorithm, Report, Scenario, run};

/// Every number of the table and the picture comes from runs with this seed.
const SEED: u64 = 1;

/// One row of the table.
struct Row {
    algorithm: Algorithm,
    alike: Report,
    one_slow: Report,
    sizes: Report,
    failing: Report,
    ejecting: Report,
}

fn rows() -> Vec<Row> {
    let row = |algorithm| {
        let run = |scenario: Scenario| run(&scenario, algorithm, SEED);
        Row {
            algorithm,
            alike: run(Scenario::alike()),
            one_slow: run(Scenario::one_slow()),
            sizes: run(Scenario::sizes()),
            failing: run(Scenario::one_failing(None)),
            ejecting: run(Scenario::one_failing(Some(OutlierConfig::new()))),
        }
    };
    Algorithm::ALL.map(row).into()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rows = rows();
    print_table(&rows);
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => ExitCode::SUCCESS,
        ["--svg", path] => match std::fs::write(path, svg::draw(&rows)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                println!("{path}: {error}");
                ExitCode::FAILURE
            }
        },
        _ => {
            println!("usage: simulate [--svg FILE]");
            ExitCode::FAILURE
        }
    }
}

fn print_table(rows: &[Row]) {
    println!(
        "| algorithm | ten alike: p50 / p99 / most | one slow: p50 / p99 / given up | sizes 1, 2, 4: p50 / p99 / most | one failing: errors without and with ejection |"
    );
    println!("|---|---|---|---|---|");
    let pair = |report: &Report| format!("{} / {}", millis(report, 500), millis(report, 990));
    for row in rows {
        println!(
            "| {} | {} / {:.2} | {} / {:.1} % | {} / {:.2} | {:.1} % / {:.2} % |",
            row.algorithm.name(),
            pair(&row.alike),
            row.alike.imbalance(),
            pair(&row.one_slow),
            row.one_slow.errors(),
            pair(&row.sizes),
            row.sizes.imbalance(),
            row.failing.errors(),
            row.ejecting.errors(),
        );
    }
}

fn millis(report: &Report, permille: usize) -> String {
    let millis = report.permille(permille).as_secs_f64() * 1e3;
    format!("{millis:.0}")
}
