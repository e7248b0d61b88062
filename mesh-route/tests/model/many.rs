//! The same question a hundred thousand times, by a generator that is fast enough for it: tables of every size, so that
//! each index is exercised, made of few pieces, so that their rules collide (ROUTE-PROP-14).

use std::fmt::Write as _;

use mesh_route::RequestHead;

use super::naive::{PATH_REGEXES, Path, Request, Rule, VALUE_REGEXES, Value, first, only};

const CASES: usize = 100_000;

/// Requests for each table.
const REQUESTS: usize = 200;

/// A table of this many rules or fewer, and how many tables of twenty have a size of that order.
const SIZES: [(usize, usize); 5] = [(4, 4), (12, 5), (40, 7), (120, 3), (300, 1)];

/// Values of which an index can tell enough apart.
const USERS: [&str; 14] = ["", "v", "w", "vw", "v,w", "ann", "Ann", "bob", "u1", "u2", "u3", "u4", "u5", "é"];

const METHODS: [&str; 7] = ["GET", "POST", "get", "PUT", "HEAD", "PATCH", "DELETE"];

const AUTHORITIES: [&str; 5] = ["a.x.com", "a.x.com:80", "A.x.com", "b.x.com", "a"];

const NAMES: [&str; 7] = ["x", "X", "y", ":path", "Host", ":method", "method"];

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % count as u64).unwrap()
    }

    /// True once in so many times.
    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn path_text(&mut self) -> String {
        const PIECES: [&str; 16] = [
            "/", "/a", "/a", "/a/", "/A", "/ab", "/b", "/B;x", "/%2F", "/1", "/12", "a", "b", "/a/b", "/é",
            "/aB",
        ];
        let mut text = String::new();
        match self.below(16) {
            0 => {}
            // Long enough for regexes that count, and deeper than there is room for in a lookup.
            1 => {
                text.push('/');
                (0..self.below(20)).for_each(|_| text.push(self.pick(&['a', 'b', 'a'])));
            }
            2 => (0..self.below(40)).for_each(|_| text.push_str("/a")),
            _ => (0..self.below(5)).for_each(|_| text.push_str(self.pick(&PIECES))),
        }
        text
    }

    fn path(&mut self) -> Path {
        let fold = self.one_in(6);
        match self.below(20) {
            0 => Path::Any,
            1..=5 => Path::Exact(self.path_text(), fold),
            6..=11 => Path::Prefix(self.path_text(), fold),
            12..=14 => Path::Segments(self.path_text()),
            _ => Path::Regex(self.below(PATH_REGEXES.len())),
        }
    }

    fn value(&mut self, texts: &[&'static str]) -> Value {
        match self.below(12) {
            0 => Value::Prefix(self.pick(texts)),
            1 => Value::Regex(self.below(VALUE_REGEXES.len())),
            2 => Value::Present,
            3 => Value::Star,
            _ => Value::Exact(self.pick(texts)),
        }
    }

    fn rule(&mut self, path: Path, guards: usize) -> Rule {
        let mut rule = Rule { path, method: None, authority: None, headers: Vec::new(), query: Vec::new() };
        for _ in 0..guards {
            match self.below(8) {
                0 | 1 => rule.method = Some(self.value(&METHODS)),
                2 => rule.authority = Some(self.value(&AUTHORITIES)),
                3 => rule
                    .query
                    .push((self.pick(&["k", "K", "a?k", ""]), self.value(&["", "1", "2", "3", "4", "=1"]))),
                _ => {
                    // Most ask for the same header.
                    let name = if self.one_in(3) { self.pick(&NAMES) } else { "x" };
                    let texts: &[&str] = match name {
                        ":path" => &["/a", "/", "/a?k=1", "/b", "/ab"],
                        "Host" => &AUTHORITIES,
                        ":method" | "method" => &METHODS,
                        _ => &USERS,
                    };
                    rule.headers.push((name, self.value(texts), self.one_in(5)));
                }
            }
        }
        rule
    }

    fn rules(&mut self) -> Vec<Rule> {
        let mut kind = self.below(SIZES.iter().map(|(_, share)| share).sum());
        let size = SIZES
            .iter()
            .find(|(_, share)| {
                kind < *share || {
                    kind -= share;
                    false
                }
            })
            .unwrap()
            .0;
        let size = self.below(size + 1);
        // Of one kind are tables whose rules share few paths; of another, few rules are without guards.
        let shared: Vec<Path> = (0..=self.below(3)).map(|_| self.path()).collect();
        let (sharing, bare) = (self.below(4), 1 + self.below(6));
        let mut rules: Vec<Rule> = Vec::new();
        while rules.len() < size {
            if self.one_in(16) && !rules.is_empty() {
                rules.push(rules[self.below(rules.len())].clone());
                continue;
            }
            let path =
                if self.below(4) < sharing { shared[self.below(shared.len())].clone() } else { self.path() };
            let guards = if self.one_in(bare) { 0 } else { 1 + self.below(2) };
            rules.push(self.rule(path, guards));
        }
        rules
    }

    fn request(&mut self, rules: &[Rule]) -> Request {
        // Half the requests are made from a rule, so that they hit or just miss it.
        let mut target = match rules.get(self.below(2 * rules.len() + 1)).map(|rule| &rule.path) {
            Some(Path::Exact(text, _) | Path::Prefix(text, _) | Path::Segments(text)) => {
                let mut text = text.clone();
                match self.below(6) {
                    0 => text.push('/'),
                    1 => text.push_str(&self.path_text()),
                    2 => text.make_ascii_uppercase(),
                    3 => drop(text.pop()),
                    _ => {}
                }
                text
            }
            _ => self.path_text(),
        };
        if !target.starts_with('/') && !self.one_in(30) {
            target.insert(0, '/');
        }
        if self.one_in(3) {
            let query =
                ["", "k", "k=", "k=1", "k=1&k=2", "k=2&k=1", "K=1", "a?k=1", "k==1", "=1", "&k=3", "k=1;x=2"];
            write!(target, "?{}", self.pick(&query)).unwrap();
        }
        let mut lines: Vec<(&str, &str)> = Vec::new();
        // Now and then more lines than an index reads.
        for _ in 0..if self.one_in(10) { 8 } else { self.below(4) } {
            lines.push((self.pick(&["x", "X", "x", "y", "method"]), self.pick(&USERS)));
        }
        Request {
            method: if self.one_in(50) { "CONNECT" } else { self.pick(&METHODS) },
            scheme: "http",
            authority: self.pick(&AUTHORITIES).to_owned(),
            target,
            lines,
        }
    }
}

/// ROUTE-PROP-01, ROUTE-PROP-10, ROUTE-PROP-14; ROUTE-PERF-10..14.
#[test]
fn a_hundred_thousand_cases_route_prop_01_10_14() {
    let mut dice = Dice(0x6d65_7368);
    let (mut cases, mut routed) = (0, 0);
    while cases < CASES {
        let rules = dice.rules();
        let table = only(&rules);
        // What the model knows to be dead: repetitions, and whatever comes after a rule without conditions.
        let everything =
            rules.iter().position(|rule| rule.is_catch_all() && !matches!(rule.path, Path::Regex(_)));
        let alive: Vec<usize> = (0..everything.map_or(rules.len(), |at| at + 1))
            .filter(|at| {
                !rules[..*at].iter().any(|before| format!("{before:?}") == format!("{:?}", rules[*at]))
            })
            .collect();
        let thin = only(&alive.iter().map(|at| rules[*at].clone()).collect::<Vec<_>>());
        for _ in 0..REQUESTS {
            let request = dice.request(&rules);
            let head = RequestHead::new(request.method, &request.authority, &request.target, &request.lines);
            let found = table.lookup(&head).route().map(|found| found.rule.index());
            let want = first(&rules, &request);
            assert_eq!(
                found,
                want,
                "{request:?}\nwant {:?}\ngot {:?}\n{rules:#?}",
                want.map(|at| &rules[at]),
                found.map(|at| &rules[at])
            );
            let thinned = thin.lookup(&head).route().map(|found| alive[found.rule.index()]);
            assert_eq!(thinned, want, "dead rules count: {request:?}\n{rules:#?}");
            cases += 1;
            routed += usize::from(found.is_some());
        }
    }
    assert!((CASES / 4..CASES * 9 / 10).contains(&routed), "{routed} of {cases} requests are routed");
}
