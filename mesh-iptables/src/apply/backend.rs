//! Which `iptables` to use (rules `APP-20` to `APP-23`).

use std::fmt;

use super::error::{ApplyError, ApplyErrorKind};
use super::invocation::Invocation;
use super::session::Session;
use crate::chain::{Family, is_built_in};
use crate::config::IptablesVariant;
use crate::render::Command;

/// One program of the `iptables` family, as found on this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Tool {
    /// The family it works on.
    pub family: Family,
    /// The program's name, such as `ip6tables-legacy`; `-save` and `-restore` are appended to it.
    pub program: String,
    /// Which kernel interface it talks to.
    pub variant: IptablesVariant,
    /// Its version, `0.0.0` for ancient ones that do not say.
    pub version: Version,
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variant = match self.variant {
            IptablesVariant::Legacy => "legacy",
            IptablesVariant::Nft => "nf_tables",
        };
        write!(f, "{} {} ({variant})", self.program, self.version)
    }
}

/// A version of `iptables`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// Reads the first `vN.N` or `vN.N.N` of a text.
    fn find(text: &str) -> Option<Self> {
        text.split_whitespace().find_map(|word| {
            let mut numbers = word.strip_prefix('v')?.splitn(3, '.').map(|number| number.parse::<u32>().ok());
            let (major, minor) = (numbers.next()??, numbers.next()??);
            Some(Self(major, minor, numbers.next().flatten().unwrap_or(0)))
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// The first version whose legacy variant waits for the lock of others.
const WAITS: Version = Version(1, 6, 2);

impl Tool {
    /// What a dry run names: the plain programs (`ORD-02`).
    pub(super) fn plain(family: Family) -> Self {
        let version = Version::default();
        Self { family, program: base(family).to_owned(), variant: IptablesVariant::Nft, version }
    }

    /// Waiting is asked for only where there is a lock (`APP-10`), and never of `-save`.
    fn wait(&self) -> Option<&'static str> {
        (self.variant == IptablesVariant::Legacy && self.version >= WAITS).then_some("--wait=30")
    }

    pub(super) fn call(&self, command: &Command, lock: Option<&(String, String)>) -> Invocation {
        let args = command.args().iter().map(String::as_str).chain(self.wait());
        let writes = !command.args().iter().any(|arg| arg == "-C" || arg == "-S");
        Invocation { writes, ..Invocation::write(&self.program, args) }.with_environment(lock)
    }

    pub(super) fn list(&self, table: &str) -> Invocation {
        Invocation::read(&self.program, ["-t", table, "-S"].into_iter().chain(self.wait()))
    }

    pub(super) fn save(&self) -> Invocation {
        Invocation::read(format!("{}-save", self.program), [""; 0])
    }

    /// Restores without emptying what is there (`SAV-01`).
    pub(super) fn restore(&self, text: String, lock: Option<&(String, String)>) -> Invocation {
        let args = ["--noflush"].into_iter().chain(self.wait());
        Invocation::write(format!("{}-restore", self.program), args).feed(text).with_environment(lock)
    }

    /// Parses the restore text and changes nothing. With `fresh` the tables count as empty, so that chains that
    /// are there are not in the way.
    pub(super) fn parse(&self, text: String, fresh: bool, lock: Option<&(String, String)>) -> Invocation {
        let args = if fresh { &["--test"][..] } else { &["--noflush", "--test"] };
        let args = args.iter().copied().chain(self.wait());
        Invocation::read(format!("{}-restore", self.program), args).feed(text).with_environment(lock)
    }
}

/// The program without a variant.
pub(super) fn base(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "iptables",
        Family::Ipv6 => "ip6tables",
    }
}

/// What a candidate has to say for itself.
struct Candidate {
    tool: Tool,
    /// Its `-save` ran, so the kernel answers it.
    answers: bool,
    content: Content,
}

/// How much a `-save` shows, in rising order of preference.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Content {
    /// Nothing, or the built-in chains a former look left (`APP-22`).
    Empty,
    Rules,
    Istio,
}

impl Content {
    fn of(save: &str) -> Self {
        let mut found = Self::Empty;
        for line in save.lines() {
            let chain = line.strip_prefix(':').and_then(|rest| rest.split(' ').next());
            if chain.is_some_and(|chain| chain.starts_with("ISTIO")) {
                return Self::Istio;
            }
            if chain.is_some_and(|chain| !is_built_in(chain)) || line.starts_with("-A") {
                found = Self::Rules;
            }
        }
        found
    }
}

/// Finds the tool for a family.
///
/// DIFFERENCE (APP-22): the baseline adds a rule to find out whether it can, which creates the legacy tables, and
/// takes them for somebody's rules the next time. Here the variant that already has Istio's chains is preferred,
/// then legacy if it has any rule or chain of somebody, then nft; nothing is written, and the legacy tables are
/// touched only if nft does not answer.
pub(super) fn detect(
    session: &mut Session,
    family: Family,
    forced: Option<IptablesVariant>,
) -> Result<Tool, ApplyError> {
    if session.is_dry() {
        return Ok(Tool::plain(family));
    }
    let mut told: Vec<String> = Vec::new();
    let names = [IptablesVariant::Legacy, IptablesVariant::Nft].into_iter().map(suffixed);
    let mut found: Vec<Candidate> = Vec::new();
    for suffix in names {
        look(session, family, suffix, &mut found, &mut told);
    }
    if found.is_empty() {
        look(session, family, "", &mut found, &mut told);
    }
    if let Some(variant) = forced {
        found.retain(|candidate| candidate.tool.variant == variant);
        return found.into_iter().next().map(|candidate| candidate.tool).ok_or_else(|| none(family, &told));
    }
    if let Some(index) = preferred(&found) {
        return Ok(found.swap_remove(index).tool);
    }
    // Nobody answered for sure. The legacy variant says whether its tables are in the kernel only when asked for
    // one of them.
    for candidate in found {
        let answer = session.ask(candidate.tool.list("nat"))?;
        if answer.succeeded() {
            return Ok(candidate.tool);
        }
        told.push(format!("{}: {}", candidate.tool, first_line(&answer.stderr)));
    }
    Err(none(family, &told))
}

fn suffixed(variant: IptablesVariant) -> &'static str {
    match variant {
        IptablesVariant::Legacy => "-legacy",
        IptablesVariant::Nft => "-nft",
    }
}

fn look(
    session: &mut Session,
    family: Family,
    suffix: &str,
    found: &mut Vec<Candidate>,
    told: &mut Vec<String>,
) {
    let program = format!("{}{suffix}", base(family));
    let save = format!("{program}-save");
    let version = match session.ask(Invocation::read(&save, ["--version"])) {
        Ok(version) => version,
        Err(error) => {
            told.push(error.to_string());
            return;
        }
    };
    let text = format!("{} {}", version.stdout, version.stderr);
    let variant =
        if version.stdout.contains("nf_tables") { IptablesVariant::Nft } else { IptablesVariant::Legacy };
    let Some(version) = Version::find(&text)
        .or_else(|| version.stderr.contains("unrecognized option").then(Version::default))
    else {
        told.push(format!("{save} does not tell its version"));
        return;
    };
    let tool = Tool { family, program, variant, version };
    match session.ask(tool.save()) {
        Ok(saved) if saved.succeeded() => {
            let content = Content::of(&saved.stdout);
            // A legacy save succeeds without its kernel part too, so it proves something only with content.
            let answers = variant == IptablesVariant::Nft || content > Content::Empty;
            found.push(Candidate { tool, answers, content });
        }
        Ok(saved) => told.push(format!("{save}: {}", first_line(&saved.stderr))),
        Err(error) => told.push(error.to_string()),
    }
}

/// The candidate that decides itself, if one does.
fn preferred(found: &[Candidate]) -> Option<usize> {
    let answering = |content: Content| {
        found.iter().position(|candidate| candidate.answers && candidate.content == content)
    };
    let legacy_with_rules = found.iter().position(|candidate| {
        candidate.tool.variant == IptablesVariant::Legacy && candidate.content == Content::Rules
    });
    answering(Content::Istio).or(legacy_with_rules).or_else(|| {
        found.iter().position(|candidate| candidate.answers && candidate.tool.variant == IptablesVariant::Nft)
    })
}

fn first_line(stderr: &str) -> &str {
    stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or("it failed without a word")
}

fn none(family: Family, told: &[String]) -> ApplyError {
    let family = base(family);
    let message = format!("no usable {family} was found: {}", told.join("; "));
    ApplyError::new(ApplyErrorKind::NoBackend, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(variant: IptablesVariant, save: &str) -> Candidate {
        let content = Content::of(save);
        let answers = variant == IptablesVariant::Nft || content > Content::Empty;
        let tool = Tool { variant, ..Tool::plain(Family::Ipv4) };
        Candidate { tool, answers, content }
    }

    #[test]
    fn empty_tables_are_nobodys_rules_app_22() {
        use IptablesVariant::{Legacy, Nft};
        const PRIMED: &str =
            "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
        const FOREIGN: &str = "*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j RETURN\nCOMMIT\n";
        const CHAIN: &str = "*nat\n:OUTPUT ACCEPT [0:0]\n:DOCKER - [0:0]\nCOMMIT\n";
        const ISTIO: &str = "*nat\n:OUTPUT ACCEPT [0:0]\n:ISTIO_OUTPUT - [0:0]\nCOMMIT\n";
        let cases = [
            ("", "", Some(Nft)),
            (PRIMED, "", Some(Nft)),
            (PRIMED, ISTIO, Some(Nft)),
            (FOREIGN, "", Some(Legacy)),
            (CHAIN, FOREIGN, Some(Legacy)),
            (FOREIGN, ISTIO, Some(Nft)),
            (ISTIO, FOREIGN, Some(Legacy)),
            (ISTIO, ISTIO, Some(Legacy)),
        ];
        for (legacy, nft, want) in cases {
            let found = [candidate(Legacy, legacy), candidate(Nft, nft)];
            let chosen = preferred(&found).map(|index| found[index].tool.variant);
            assert_eq!(chosen, want, "legacy {legacy:?}, nft {nft:?}");
        }
        // Without nft nothing is certain yet: an empty legacy save proves nothing.
        assert_eq!(preferred(&[candidate(Legacy, PRIMED)]), None);
    }

    #[test]
    fn versions_app_20() {
        assert_eq!(Version::find("iptables-save v1.8.9 (nf_tables)"), Some(Version(1, 8, 9)));
        assert_eq!(Version::find("iptables-save v1.4"), Some(Version(1, 4, 0)));
        assert_eq!(Version::find("iptables-save: unrecognized option '--version'"), None);
    }

    #[test]
    fn only_legacy_waits_app_10() {
        let legacy =
            |version| Tool { variant: IptablesVariant::Legacy, version, ..Tool::plain(Family::Ipv4) };
        let restore = |tool: &Tool| tool.restore(String::new(), None).to_string();
        assert_eq!(restore(&legacy(Version(1, 8, 9))), "iptables-restore --noflush --wait=30");
        assert_eq!(restore(&legacy(Version(1, 6, 1))), "iptables-restore --noflush");
        assert_eq!(restore(&Tool::plain(Family::Ipv6)), "ip6tables-restore --noflush");
        assert_eq!(legacy(Version(1, 8, 9)).save().to_string(), "iptables-save");
    }
}
