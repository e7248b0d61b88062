//! Compares answers with expectations and prints the table.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::SocketAddr;

use super::client::Reply;
use super::list::{Check, Want};

/// The outcome of all checks.
#[derive(Debug)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

/// The outcome of one check.
#[derive(Debug)]
pub(super) struct Row {
    title: &'static str,
    expected: String,
    observed: String,
    ok: bool,
}

/// Widest a column of the table gets; longer text goes on in the next line.
const COLUMN: usize = 40;

impl Report {
    pub(super) fn new(rows: Vec<Row>) -> Self {
        Self { rows }
    }

    /// Whether every observation was as expected. No check at all is no success.
    pub(crate) fn all_passed(&self) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|row| row.ok)
    }

    /// Writes the table and, below it, the count.
    ///
    /// # Errors
    /// Only those of `out`.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let titles = self.rows.iter().map(|row| row.title.chars().count()).max().unwrap_or(0).min(COLUMN);
        let mut print = |cells: [&str; 4]| -> io::Result<()> {
            let [mark, title, expected, observed] = cells;
            let columns = [wrapped(title), wrapped(expected), wrapped(observed)];
            let lines = columns.iter().map(Vec::len).max().unwrap_or(0);
            for index in 0..lines {
                let cell = |lines: &[String]| lines.get(index).cloned().unwrap_or_default();
                let [title, expected, observed] = columns.each_ref().map(|lines| cell(lines));
                let mark = if index == 0 { mark } else { "" };
                let line = format!("{mark:4}  {title:titles$}  {expected:COLUMN$}  {observed}");
                writeln!(out, "{}", line.trim_end())?;
            }
            Ok(())
        };
        print(["", "check", "expected", "observed"])?;
        for row in &self.rows {
            let mark = if row.ok { "ok" } else { "FAIL" };
            print([mark, row.title, &row.expected, &row.observed])?;
        }
        let good = self.rows.iter().filter(|row| row.ok).count();
        writeln!(out, "{good} of {} as expected", self.rows.len())
    }
}

impl Row {
    /// Holds the answers against the wants of `check`. An exchange that failed is an observation too.
    pub(super) fn judge(check: &Check, gateway: SocketAddr, replies: &io::Result<Vec<Reply>>) -> Self {
        let expected = wants_text(check.wants, gateway);
        let (ok, observed) = match replies {
            Ok(replies) => {
                let seen: Vec<_> = check.wants.iter().map(|want| want.judge(gateway, replies)).collect();
                let texts: Vec<_> = seen.iter().map(|(_, text)| text.as_str()).collect();
                (!replies.is_empty() && seen.iter().all(|(ok, _)| *ok), texts.join(", "))
            }
            Err(error) => (false, format!("no answer: {error}")),
        };
        Self { title: check.title, expected, observed, ok }
    }
}

/// The wants of a check in one line.
pub(super) fn wants_text(wants: &[Want], gateway: SocketAddr) -> String {
    let texts: Vec<_> = wants.iter().map(|want| want.text(gateway)).collect();
    texts.join(", ")
}

/// `text` with the gateway's address filled in.
fn filled(text: &str, gateway: SocketAddr) -> String {
    text.replace("{gateway}", &gateway.to_string())
}

impl Want {
    /// The expectation in words.
    fn text(&self, gateway: SocketAddr) -> String {
        match self {
            Self::Status(status) => status.to_string(),
            Self::Header(name, value) => format!("{name}: {}", filled(value, gateway)),
            Self::NoHeader(name) => format!("no {name}"),
            Self::Body(text) => format!("`{text}`"),
            Self::NoBody(text) => format!("no `{text}`"),
            Self::EmptyBody => "empty body".to_owned(),
            Self::AtLeastMs(least) => format!(">= {least} ms"),
            Self::AtMostMs(most) => format!("<= {most} ms"),
            Self::Share { value, most: 0, .. } => format!("{value} never"),
            Self::Share { value, least, most, .. } => format!("{value} {least}-{most} %"),
        }
    }

    /// Whether the expectation holds for all `replies`, and what was seen, in words like those of
    /// [`text`](Self::text).
    fn judge(&self, gateway: SocketAddr, replies: &[Reply]) -> (bool, String) {
        let header = |name: &str| {
            tally(replies.iter().map(|reply| match reply.header(name) {
                Some(value) => format!("{name}: {value}"),
                None => format!("no {name}"),
            }))
        };
        match self {
            Self::Status(status) => (
                replies.iter().all(|reply| reply.status == *status),
                tally(replies.iter().map(|reply| reply.status.to_string())),
            ),
            Self::Header(name, value) => {
                let value = filled(value, gateway);
                (replies.iter().all(|reply| reply.header(name).as_ref() == Some(&value)), header(name))
            }
            Self::NoHeader(name) => (replies.iter().all(|reply| reply.header(name).is_none()), header(name)),
            Self::Body(text) => match replies.iter().find(|reply| !reply.body.contains(text)) {
                None => (true, format!("`{text}`")),
                Some(reply) => (false, format!("body `{}`", excerpt(&reply.body))),
            },
            Self::NoBody(text) => match replies.iter().find(|reply| reply.body.contains(text)) {
                None => (true, format!("no `{text}`")),
                Some(_) => (false, format!("`{text}`")),
            },
            Self::EmptyBody => match replies.iter().find(|reply| !reply.body.is_empty()) {
                None => (true, "empty body".to_owned()),
                Some(reply) => (false, format!("body `{}`", excerpt(&reply.body))),
            },
            Self::AtLeastMs(least) => {
                let shortest = replies.iter().map(|reply| reply.took.as_millis()).min().unwrap_or(0);
                (shortest >= u128::from(*least), format!("{shortest} ms"))
            }
            Self::AtMostMs(most) => {
                let longest = replies.iter().map(|reply| reply.took.as_millis()).max().unwrap_or(0);
                (longest <= u128::from(*most), format!("{longest} ms"))
            }
            Self::Share { header, value, least, most } => {
                let hits = replies.iter().filter(|reply| reply.header(header).as_deref() == Some(*value));
                let (hits, all) = (hits.count() as u64, replies.len() as u64);
                // Compared without division, so that one stray answer in a thousand is still seen.
                let enough = hits * 100 >= u64::from(*least) * all;
                let few_enough = hits * 100 <= u64::from(*most) * all;
                (enough && few_enough, format!("{value} {hits} of {all}"))
            }
        }
    }
}

/// Different values in order of first appearance, each with its count if there are several.
fn tally(values: impl Iterator<Item = String>) -> String {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for value in values {
        match counts.iter_mut().find(|(known, _)| *known == value) {
            Some((_, count)) => *count += 1,
            None => counts.push((value, 1)),
        }
    }
    let mut text = String::new();
    let several = counts.len() > 1;
    for (value, count) in counts {
        let gap = if text.is_empty() { "" } else { " / " };
        let _ = write!(text, "{gap}{value}");
        if several {
            let _ = write!(text, " ({count} times)");
        }
    }
    text
}

/// The beginning of a body, on one line.
fn excerpt(body: &str) -> String {
    let line: String = body.chars().take(80).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if body.chars().nth(80).is_some() { format!("{line}...") } else { line }
}

/// `text` cut at blanks into lines of at most [`COLUMN`] characters; a longer word is cut where it must.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut width = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > COLUMN {
            lines.push(String::new());
            width = 0;
        }
        for (index, character) in word.chars().enumerate() {
            if width == COLUMN {
                lines.push(String::new());
                width = 0;
            }
            if let Some(line) = lines.last_mut() {
                if index == 0 && width > 0 {
                    line.push(' ');
                    width += 1;
                }
                line.push(character);
                width += 1;
            }
        }
    }
    lines
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
