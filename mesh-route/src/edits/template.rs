//! Header values with `%…%` operators, compiled to segments (ROUTE-HDR-09).

use std::borrow::Cow;

use super::operator::Operator;
use crate::error::{BuildError, BuildErrorKind};

/// A compiled header value.
#[derive(Clone, Debug)]
pub(super) enum Template {
    Text(Box<[u8]>),
    Parts(Box<[Part]>),
}

#[derive(Clone, Debug)]
pub(super) enum Part {
    Text(Box<[u8]>),
    Operator(Operator, Option<usize>),
}

impl Template {
    pub(super) fn new(value: &str) -> Result<Self, BuildError> {
        let fault = |what: String| {
            BuildError::new(
                BuildErrorKind::HeaderValue,
                format!("header value `{}` {what}", value.escape_debug()),
            )
        };
        if let Some(bad) = value.bytes().find(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(fault(format!("holds the control character {bad:#04x}")));
        }
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = value;
        while let Some((before, after)) = rest.split_once('%') {
            text.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                text.push('%');
                rest = after;
                continue;
            }
            let (operator, length, after) = parse_operator(after).map_err(fault)?;
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text).into_bytes().into()));
            }
            parts.push(Part::Operator(operator, length));
            rest = after;
        }
        text.push_str(rest);
        if parts.is_empty() {
            return Ok(Self::Text(text.into_bytes().into()));
        }
        if !text.is_empty() {
            parts.push(Part::Text(text.into_bytes().into()));
        }
        Ok(Self::Parts(parts.into()))
    }

    /// The value; `write` appends what an operator yields.
    pub(super) fn evaluate(&self, mut write: impl FnMut(&Operator, &mut Vec<u8>)) -> Cow<'_, [u8]> {
        let parts = match self {
            Self::Text(text) => return Cow::Borrowed(text),
            Self::Parts(parts) => parts,
        };
        let mut out = Vec::new();
        for part in parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Operator(operator, length) => {
                    let start = out.len();
                    write(operator, &mut out);
                    if let Some(length) = length {
                        out.truncate(start.saturating_add(*length));
                    }
                }
            }
        }
        Cow::Owned(out)
    }
}

/// Reads `OP%`, `OP(args)%` or either with `:N` before the `%`; also yields what follows.
fn parse_operator(text: &str) -> Result<(Operator, Option<usize>, &str), String> {
    const OPEN: &str = "has a `%` that is not closed, write `%%` for a percent sign";
    let end = text.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')).ok_or(OPEN)?;
    let (name, mut rest) = text.split_at_checked(end).filter(|(name, _)| !name.is_empty()).ok_or(OPEN)?;
    let mut argument = None;
    if let Some(inner) = rest.strip_prefix('(') {
        let (found, after) = inner.split_once(')').ok_or(OPEN)?;
        (argument, rest) = (Some(found), after);
    }
    let mut length = None;
    if let Some(after) = rest.strip_prefix(':') {
        let digits = after.find(|c: char| !c.is_ascii_digit()).ok_or(OPEN)?;
        let (digits, after) = after.split_at_checked(digits).ok_or(OPEN)?;
        let number =
            digits.parse().map_err(|_| format!("has `%{name}…:` without a number after the colon"))?;
        (length, rest) = (Some(number), after);
    }
    let rest = rest.strip_prefix('%').ok_or(OPEN)?;
    let operator = Operator::new(name, argument).map_err(|what| format!("has `%{name}%`, which {what}"))?;
    Ok((operator, length, rest))
}
