//! Judging made-up answers, and the look of the table.

use std::io::{Error, ErrorKind};
use std::time::Duration;

use super::super::client::Probe;
use super::super::list::{At, Show};
use super::*;

fn gateway() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let headers = headers.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Reply { status, headers: headers.collect(), body: body.to_owned(), took: Duration::ZERO }
}

fn check(title: &'static str, wants: &'static [Want]) -> Check {
    let probe = Probe { method: "GET", target: "/", headers: &[] };
    Check { title, at: At::Gateway, probe, times: 1, wants, show: Show::All }
}

/// One expectation that holds and one answer that breaks it, for each kind.
#[test]
fn every_kind_of_expectation_can_fail() {
    let good = reply(301, &[("location", "http://127.0.0.1:8080/x")], "some text");
    let good = Reply { took: Duration::from_millis(300), ..good };
    let bad = Reply { took: Duration::from_millis(299), ..reply(200, &[("x-secret", "1")], "other\nwords") };
    let cases = [
        (Want::Status(301), "301", "200"),
        (Want::Header("location", "http://{gateway}/x"), "location: http://127.0.0.1:8080/x", "no location"),
        (Want::NoHeader("x-secret"), "no x-secret", "x-secret: 1"),
        (Want::Body("me te"), "`me te`", "body `other words`"),
        (Want::NoBody("words"), "no `words`", "`words`"),
        (Want::AtLeastMs(300), "300 ms", "299 ms"),
    ];
    for (want, seen, other) in cases {
        assert_eq!(want.judge(gateway(), std::slice::from_ref(&good)), (true, seen.to_owned()), "{want:?}");
        assert_eq!(want.judge(gateway(), std::slice::from_ref(&bad)), (false, other.to_owned()), "{want:?}");
        let (ok, _) = want.judge(gateway(), &[good.clone(), bad.clone(), good.clone()]);
        assert!(!ok, "{want:?}: one bad answer of three");
    }
    assert_eq!(Want::AtMostMs(299).judge(gateway(), &[bad, good.clone()]), (false, "300 ms".to_owned()));
    assert_eq!(Want::AtMostMs(300).judge(gateway(), &[good]), (true, "300 ms".to_owned()));
    assert_eq!(Want::EmptyBody.judge(gateway(), &[reply(200, &[], "")]), (true, "empty body".to_owned()));
    assert_eq!(Want::EmptyBody.judge(gateway(), &[reply(200, &[], "x")]), (false, "body `x`".to_owned()));
}

#[test]
fn shares_are_bounded_on_both_sides() {
    let replies = |hits: usize| -> Vec<Reply> {
        (0..1000).map(|i| reply(200, &[("v", if i < hits { "b" } else { "a" })], "")).collect()
    };
    let want = Want::Share { header: "v", value: "b", least: 3, most: 20 };
    for (hits, ok) in [(0, false), (29, false), (30, true), (200, true), (201, false), (1000, false)] {
        assert_eq!(want.judge(gateway(), &replies(hits)), (ok, format!("b {hits} of 1000")));
    }
    let never = Want::Share { header: "v", value: "b", least: 0, most: 0 };
    assert!(never.judge(gateway(), &replies(0)).0);
    assert!(!never.judge(gateway(), &replies(1)).0, "one of a thousand is not never");
}

#[test]
fn differing_answers_are_counted() {
    let replies = [reply(200, &[], ""), reply(503, &[], ""), reply(200, &[], "")];
    assert_eq!(Want::Status(200).judge(gateway(), &replies).1, "200 (2 times) / 503 (1 times)");
}

#[test]
fn no_answer_is_a_failure() {
    let check = check("x", &[Want::NoBody("y")]);
    assert!(!Row::judge(&check, gateway(), &Ok(Vec::new())).ok);
    let row = Row::judge(&check, gateway(), &Err(Error::new(ErrorKind::ConnectionRefused, "refused")));
    assert_eq!((row.ok, row.observed.as_str()), (false, "no answer: refused"));
    assert!(!Report::new(Vec::new()).all_passed());
}

#[test]
fn the_table_shows_each_check() {
    let good = check("a redirect", &[Want::Status(301), Want::Header("location", "http://{gateway}/a")]);
    let bad = check("denied", &[Want::Status(403)]);
    let answers = Ok(vec![reply(301, &[("location", "http://127.0.0.1:8080/a")], "")]);
    let rows = vec![Row::judge(&good, gateway(), &answers), Row::judge(&bad, gateway(), &answers)];
    let report = Report::new(rows);
    let mut table = Vec::new();
    report.write(&mut table).unwrap();
    assert_eq!(
        String::from_utf8(table).unwrap(),
        "      check       expected                                  observed\n\
         ok    a redirect  301, location: http://127.0.0.1:8080/a    301, location: http://127.0.0.1:8080/a\n\
         FAIL  denied      403                                       301\n\
         1 of 2 as expected\n"
    );
    assert!(!report.all_passed());
}

#[test]
fn long_cells_are_wrapped() {
    let long = "x".repeat(COLUMN + 3);
    assert_eq!(wrapped(&long), ["x".repeat(COLUMN), "xxx".to_owned()]);
    let words = format!("{} y z", "x".repeat(COLUMN - 2));
    assert_eq!(wrapped(&words), [format!("{} y", "x".repeat(COLUMN - 2)), "z".to_owned()]);
    assert_eq!(wrapped(""), [""]);
}
