//! The rules that the spec files define.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::LazyLock;
use std::{fs, io};

use regex::Regex;

/// An id is an area (`ROUTE-MATCH`, `RST`) and a number (`07`, `1`, `T06`).
const ID: &str = r"[A-Z][A-Z0-9]*(?:-[A-Z][A-Z0-9]*)*-T?[0-9]+";

/// A list item or a table row that begins with an id.
static HEAD: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r"^\s*(?:[-*] |\| ?)(?:\*\*)?({ID})(?:\*\*)?(?:[ :|]|$)")));
/// Several rules share a line: the further ones are set in bold, or named as `label (ID):`.
static INLINE: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"\*\*({ID})\*\*|\(({ID})\):")));

pub(crate) fn pattern(source: &str) -> Regex {
    Regex::new(source).expect("the pattern is a literal of this file")
}

/// One rule of a spec file.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: String,
    /// The rule itself departs from the peers: the spec writes `DIFF` into it.
    pub(crate) departs: Option<String>,
}

impl Rule {
    /// The id without its number.
    pub(crate) fn area(&self) -> &str {
        self.id.rsplit_once('-').map_or("", |(area, _)| area)
    }

    /// The number as written, with its leading zeros.
    pub(crate) fn number(&self) -> &str {
        self.id.rsplit_once('-').map_or("", |(_, number)| number)
    }
}

/// One spec file with its rules in the order of definition.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) file: String,
    pub(crate) rules: Vec<Rule>,
}

/// All rules of all spec files.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) specs: Vec<Spec>,
    /// Id to position in the whole reference.
    positions: HashMap<String, usize>,
    /// Every area, and of those with several words the first one with its dash (`ROUTE-`).
    areas: HashSet<String>,
    /// Snake-case form to id, for the names of test functions.
    snake: HashMap<String, String>,
}

impl Rules {
    /// Reads every `*.md` of the directory, in the order of their names.
    pub(crate) fn read(directory: &Path) -> io::Result<Self> {
        let mut paths: Vec<_> =
            fs::read_dir(directory)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
        paths.retain(|path| path.extension().is_some_and(|e| e == "md"));
        paths.sort();
        let mut rules = Self::default();
        for path in paths {
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            rules.add(&name, &fs::read_to_string(&path)?).map_err(io::Error::other)?;
        }
        Ok(rules)
    }

    /// Adds the rules that one spec text defines; an id may head only one line of the whole reference.
    pub(crate) fn add(&mut self, file: &str, text: &str) -> Result<(), String> {
        let mut defined: Vec<(usize, &str)> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let Some(id) = HEAD.captures(line).and_then(|c| c.get(1)).map(|id| id.as_str()) else { continue };
            if self.contains(id) || defined.iter().any(|(_, other)| *other == id) {
                return Err(format!("{file}:{}: `{id}` is defined twice", number + 1));
            }
            defined.push((number, id));
        }
        // Elsewhere an id in bold may also be a mention, so that only the first unknown one defines.
        for (number, line) in text.lines().enumerate() {
            for id in INLINE.captures_iter(line).filter_map(|found| found.get(1).or_else(|| found.get(2))) {
                let id = id.as_str();
                if !self.contains(id) && !defined.iter().any(|(_, other)| *other == id) {
                    defined.push((number, id));
                }
            }
        }
        defined.sort_by_key(|(number, _)| *number);
        let lines: Vec<&str> = text.lines().collect();
        let rules = defined.iter().map(|(number, id)| self.define(id, lines.get(*number).unwrap_or(&"")));
        let rules = rules.collect();
        self.specs.push(Spec { file: file.to_owned(), rules });
        Ok(())
    }

    fn define(&mut self, id: &str, line: &str) -> Rule {
        let departs = line.split(|c: char| !c.is_alphanumeric()).any(|word| word == "DIFF");
        let text = line.split_once(id).map_or("", |(_, rest)| rest).trim_start_matches('*').trim();
        let rule = Rule { id: id.to_owned(), departs: departs.then(|| text.to_owned()) };
        self.positions.insert(id.to_owned(), self.positions.len());
        self.snake.insert(id.to_lowercase().replace('-', "_"), id.to_owned());
        self.areas.insert(rule.area().to_owned());
        self.areas.extend(first_word(rule.area()).map(str::to_owned));
        rule
    }

    /// Whether the spec defines this id.
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.positions.contains_key(id)
    }

    /// Position of the id in the whole reference; unknown ids sort last.
    pub(crate) fn position(&self, id: &str) -> usize {
        self.positions.get(id).copied().unwrap_or(usize::MAX)
    }

    /// Whether text of this shape is meant as a rule id: its area is one of the spec's, or it begins
    /// with the first word of one (`ROUTE-…`), so that a mistyped area is found too.
    pub(crate) fn claims_to_be_a_rule(&self, area: &str) -> bool {
        self.areas.contains(area) || first_word(area).is_some_and(|first| self.areas.contains(first))
    }

    /// The ids of `area` whose numbers lie in `from..=to`; a reference may leave gaps.
    pub(crate) fn range<'a>(&'a self, area: &'a str, from: u32, to: u32) -> impl Iterator<Item = &'a str> {
        let within = move |rule: &&Rule| {
            rule.area() == area && rule.number().parse().is_ok_and(|number| (from..=to).contains(&number))
        };
        self.all().filter(within).map(|rule| rule.id.as_str())
    }

    /// The ids in the name of a test function: the one with which it begins, and those with which it ends
    /// (`…_route_apply_01_02_route_act_06`).
    pub(crate) fn named_by(&self, function: &str) -> Vec<&str> {
        let ends = function.match_indices('_').map(|(at, _)| at).chain([function.len()]);
        let first = ends.take(5).find_map(|end| self.snake.get(function.get(..end)?));
        let mut ids: Vec<&str> = first.map(String::as_str).into_iter().collect();
        let mut words: Vec<&str> = function.split('_').collect();
        while let Some((area, numbers)) = self.last_area(&words) {
            ids.extend(numbers);
            words.truncate(area);
        }
        ids
    }

    /// Where the area starts whose numbers end `words`, and the ids of these numbers.
    fn last_area(&self, words: &[&str]) -> Option<(usize, Vec<&str>)> {
        let is_number = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        let count = words.iter().rev().take_while(|word| is_number(word)).count();
        let (named, numbers) = words.split_at_checked(words.len() - count)?;
        (1..=3.min(named.len())).find_map(|length| {
            let start = named.len() - length;
            let area = named.get(start..)?.join("_");
            let id = |number: &&str| self.snake.get(&format!("{area}_{number}")).map(String::as_str);
            let ids: Vec<&str> = numbers.iter().map(id).collect::<Option<_>>()?;
            (!ids.is_empty()).then_some((start, ids))
        })
    }

    fn all(&self) -> impl Iterator<Item = &Rule> {
        self.specs.iter().flat_map(|spec| &spec.rules)
    }
}

/// `ROUTE-` of `ROUTE-MATCH`; an area of one word has none.
fn first_word(area: &str) -> Option<&str> {
    area.find('-').and_then(|dash| area.get(..=dash))
}
