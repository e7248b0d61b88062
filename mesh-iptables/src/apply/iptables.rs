//! Applying, verifying and removing a plan with `iptables` (sections 5.3 and 5.4).

use super::backend::{self, Tool};
use super::error::{ApplyError, ApplyErrorKind};
use super::guard::Guardrails;
use super::host;
use super::invocation::Invocation;
use super::report::{Difference, Outcome, StepOutcome};
use super::session::Session;
use super::snapshot::Snapshot;
use crate::chain::{Family, Table};
use crate::config::{ApplyOptions, IptablesVariant};
use crate::plan::{HostStep, Layout, RulePlan};
use crate::render::guardrail_cleanup_commands;
use crate::saved::{Action, Comparison, SavedRules};

type Steps = Vec<(HostStep, StepOutcome)>;

/// The programs of one run.
pub(super) struct Tools {
    pub(super) found: Vec<Tool>,
    /// The lock of this pod in place of the machine's (`APP-11`).
    lock: Option<(String, String)>,
}

impl Tools {
    pub(super) fn of(&self, family: Family) -> Option<&Tool> {
        self.found.iter().find(|tool| tool.family == family)
    }

    pub(super) fn into_found(self) -> Vec<Tool> {
        self.found
    }

    /// Finds them, and gives legacy ones the lock of their pod if they work in one (`APP-11`).
    pub(super) fn find(
        session: &mut Session,
        options: &ApplyOptions,
        needed: &[Family],
    ) -> Result<Self, ApplyError> {
        let mut found = Vec::new();
        for family in Family::BOTH {
            match backend::detect(session, family, options.force_variant) {
                Ok(tool) => found.push(tool),
                // A family that is off may lack its program (`APP-23`).
                Err(_) if !needed.contains(&family) => {}
                Err(error) => return Err(error),
            }
        }
        let lock = pod_lock(session, options, &found);
        Ok(Self { found, lock })
    }
}

fn pod_lock(session: &mut Session, options: &ApplyOptions, found: &[Tool]) -> Option<(String, String)> {
    if !options.cni_mode || session.is_dry() {
        return None;
    }
    let oldest =
        found.iter().filter(|tool| tool.variant == IptablesVariant::Legacy).map(|tool| tool.version).min();
    let namespace = Some(options.network_namespace.as_str()).filter(|path| !path.is_empty());
    let by_variable = oldest.is_some_and(|version| version >= backend::Version(1, 8, 6));
    let mounted = namespace.filter(|_| oldest.is_some() && !by_variable);
    if let Err(error) = super::namespace::isolate_files(mounted.map(std::path::Path::new)) {
        session.warn(format!("working without a file system of its own: {error}"));
    }
    namespace.filter(|_| by_variable).map(|path| ("XTABLES_LOCKFILE".to_owned(), path.to_owned()))
}

/// What is there: the tables of both families, and how they differ from the plan.
struct State {
    before: [Snapshot; 2],
    /// Families whose save failed: what they held is not known.
    unread: Vec<Family>,
    comparison: Comparison,
    has_istio: bool,
    /// Chains whose rules are all there in another order.
    reordered: Vec<String>,
}

impl State {
    /// Reads both families, also one that is off (`ORD-01`). A save that fails counts as empty (`SAV-12`).
    fn read(session: &mut Session, tools: &Tools, plan: &RulePlan) -> Self {
        let mut unread = Vec::new();
        let texts = Family::BOTH.map(|family| {
            let Some(tool) = tools.of(family) else { return String::new() };
            session.run(tool.save()).unwrap_or_else(|error| {
                session.warn(format!("taken for empty: {error}"));
                unread.push(family);
                String::new()
            })
        });
        let [ipv4, ipv6] = texts.each_ref().map(|text| SavedRules::parse(text));
        let has_istio = ipv4.has_istio_chain() || ipv6.has_istio_chain();
        let plan = numeric(plan);
        let comparison = plan.compare(&ipv4, &ipv6);
        let mut reordered = Vec::new();
        for (family, saved) in Family::BOTH.into_iter().zip([&ipv4, &ipv6]) {
            let chains = plan.reordered(family, saved);
            reordered.extend(chains.iter().map(|(table, chain)| format!("{family} {table} {chain}")));
        }
        Self {
            before: texts.each_ref().map(|text| Snapshot::read(text)),
            unread,
            comparison,
            has_istio,
            reordered,
        }
    }

    fn before(&self, family: Family) -> &Snapshot {
        let [ipv4, ipv6] = &self.before;
        match family {
            Family::Ipv4 => ipv4,
            Family::Ipv6 => ipv6,
        }
    }
}

/// The plan with names of users and groups as the numbers a save prints (`SAV-30`), as this machine knows them.
fn numeric(plan: &RulePlan) -> RulePlan {
    let user = |name: &str| Some(nix::unistd::User::from_name(name).ok()??.uid.as_raw());
    let group = |name: &str| Some(nix::unistd::Group::from_name(name).ok()??.gid.as_raw());
    plan.clone().with_numeric_owners(user, group)
}

/// Section 5.4, in full.
pub(super) fn apply(
    session: &mut Session,
    options: &ApplyOptions,
    plan: &RulePlan,
) -> Result<(Outcome, Tools, Steps), ApplyError> {
    host::check(plan.host_steps())?;
    let tools = Tools::find(session, options, plan.families())?;
    let state = State::read(session, &tools, plan);
    let action = Action::decide(&state.comparison, options);
    if action == Action::Cleanup {
        let steps = remove(session, &tools, plan)?;
        return Ok((Outcome::Cleaned, tools, steps));
    }
    if action == Action::RestoreOverDrift && state.has_istio {
        session.warn("other rules of Istio's are there, `--reconcile` replaces them");
    }
    // An ambient pod's routes come first (`AMB-13`).
    let first =
        if plan.layout == Layout::AmbientPod { host::add(session, plan.host_steps())? } else { Vec::new() };
    let run = Run { tools: &tools, plan, state: &state };
    let changed = match action {
        Action::Reconcile => run.replace(session),
        _ if action.restores() => run.restore(session),
        _ => Ok(()),
    };
    if let Err(error) = changed {
        host::take_back(session, &first);
        return Err(if action == Action::RestoreOverDrift && state.has_istio {
            error.after("other rules of Istio's are in the way, `--reconcile` replaces them")
        } else {
            error
        });
    }
    let steps = if plan.layout == Layout::AmbientPod {
        first
    } else {
        match host::add(session, plan.host_steps()) {
            Ok(steps) => steps,
            Err(error) if action == Action::Reconcile => return Err(run.put_back(session, error)),
            Err(error) if action.restores() => return Err(run.undo(session, error)),
            Err(error) => return Err(error),
        }
    };
    if action.restores() {
        run.closing_look(session)?;
    }
    let outcome = match action {
        Action::Reconcile => Outcome::Reconciled,
        _ if action.restores() => Outcome::Applied,
        _ => Outcome::Unchanged,
    };
    Ok((outcome, tools, steps))
}

/// What the steps of one apply share.
struct Run<'a> {
    tools: &'a Tools,
    plan: &'a RulePlan,
    state: &'a State,
}

impl Run<'_> {
    /// The planned families with their programs.
    fn planned(&self) -> Result<Vec<&Tool>, ApplyError> {
        let tool = |family: &Family| {
            self.tools.of(*family).ok_or_else(|| {
                let message = format!("{} is missing", backend::base(*family));
                ApplyError::new(ApplyErrorKind::NoBackend, message)
            })
        };
        self.plan.families().iter().map(tool).collect()
    }

    fn lock(&self) -> Option<&(String, String)> {
        self.tools.lock.as_ref()
    }

    /// The closing dump of the baseline (`ORD-01`), looked at here.
    fn closing_look(&self, session: &mut Session) -> Result<(), ApplyError> {
        let plan = numeric(self.plan);
        for tool in self.planned()? {
            let text = session.run(tool.save())?;
            if !session.is_dry() {
                for drift in plan.drift(tool.family, &SavedRules::parse(&text)) {
                    session.warn(format!("after the restore: {drift}"));
                }
            }
        }
        Ok(())
    }

    /// Everything is parsed before anything is changed (`APP-04`).
    fn parse(&self, session: &mut Session, fresh: bool) -> Result<(), ApplyError> {
        for (tool, text) in self.texts()? {
            session
                .run(tool.parse(text, fresh, self.lock()))
                .map_err(|error| error.after("nothing was changed"))?;
        }
        Ok(())
    }

    fn texts(&self) -> Result<Vec<(&Tool, String)>, ApplyError> {
        let texts = self.planned()?.into_iter().map(|tool| (tool, self.plan.restore_input(tool.family)));
        Ok(texts.filter(|(_, text)| !text.is_empty()).collect())
    }

    /// One process a family that writes.
    fn restore(&self, session: &mut Session) -> Result<(), ApplyError> {
        self.parse(session, false)?;
        for (tool, text) in self.texts()? {
            if let Err(error) = session.run(tool.restore(text, self.lock())) {
                return Err(self.undo(session, error));
            }
        }
        Ok(())
    }

    /// Removes what this run added, in every family, and says in the error how that went (`SAV-02`).
    ///
    /// A table is restored whole or not at all, so a table that changed holds all of the plan's rules for it,
    /// and one that did not holds none of ours.
    fn undo(&self, session: &mut Session, error: ApplyError) -> ApplyError {
        let (mut touched, mut clean) = (false, true);
        for tool in self.planned().unwrap_or_default() {
            let was = self.state.before(tool.family);
            let changed = changed_tables(session, tool, was);
            if changed.is_empty() {
                continue;
            }
            touched = true;
            for command in self.plan.cleanup_commands(tool.family) {
                if command.args().get(1).is_some_and(|table| changed.contains(table)) {
                    session.try_run(tool.call(&command, self.lock()));
                }
            }
            clean &= changed_tables(session, tool, was).is_empty();
        }
        error.after(match (touched, clean) {
            (false, _) => "nothing was changed",
            (true, true) => "what this run had added was removed again",
            (true, false) => "what this run had added could not be removed whole",
        })
    }

    /// Cleans up and restores behind guardrails (`APP-01`). If the restore fails, the former rules come back.
    fn replace(&self, session: &mut Session) -> Result<(), ApplyError> {
        // Whatever can be found out without changing anything is found out before traffic stops.
        self.parse(session, true)?;
        let planned: Vec<Tool> = self.planned()?.into_iter().cloned().collect();
        let mut guard = Guardrails::raise(session, &planned, self.tools.lock.clone())?;
        let session = guard.session();
        // A family that is off may hold chains of a former configuration, which are drift too (`SAV-14`).
        for tool in &self.tools.found {
            for command in self.plan.cleanup_commands(tool.family) {
                session.try_run(tool.call(&command, self.lock()));
            }
            // Chains of the plan's names that its own cleanup cannot take, because something else jumps to them.
            let text = session.run(tool.save())?;
            for command in SavedRules::parse(&text).leftover_commands() {
                session.try_run(tool.call(&command, self.lock()));
            }
        }
        for (tool, text) in self.texts()? {
            if let Err(error) = session.run(tool.restore(text, self.lock())) {
                return Err(self.put_back(session, error));
            }
        }
        Ok(())
    }

    /// Puts the tables back as they were. The filter table, where the guardrails are, is not part of a plan.
    fn put_back(&self, session: &mut Session, error: ApplyError) -> ApplyError {
        let mut whole = true;
        for tool in &self.tools.found {
            // Taken for empty is not empty: emptying these tables would take the rules of others with them.
            if self.state.unread.contains(&tool.family) {
                whole = false;
                continue;
            }
            let was = self.state.before(tool.family);
            let mut changed = changed_tables(session, tool, was);
            changed.retain(|table| table != "filter");
            if !changed.is_empty() {
                let mut restore = tool.restore(was.restore_text(&changed), self.lock());
                // The tables named are emptied first.
                restore.args.retain(|arg| arg != "--noflush");
                whole &= session.try_run(restore)
                    && changed_tables(session, tool, was).iter().all(|table| table == "filter");
            }
        }
        error.after(if whole {
            "the former rules are back"
        } else {
            "the former rules could not be put back whole"
        })
    }
}

/// The tables that are not as they were; all of them if that cannot be known.
fn changed_tables(session: &mut Session, tool: &Tool, was: &Snapshot) -> Vec<String> {
    match session.run(tool.save()) {
        Ok(text) => Snapshot::read(&text).changed_tables(was),
        Err(_) => Table::ALL.map(|table| table.name().to_owned()).into(),
    }
}

/// Removes the plan's rules and steps; with `everything` also what older layouts and killed runs left, in either
/// variant (`APP-02`).
pub(super) fn clean(
    session: &mut Session,
    options: &ApplyOptions,
    plan: &RulePlan,
    everything: bool,
) -> Result<(Tools, Steps), ApplyError> {
    // Without the program of a family there is nothing of it to remove.
    let tools = Tools::find(session, options, &[Family::Ipv4])?;
    let steps = remove(session, &tools, plan)?;
    if everything {
        for tool in all_tools(session, &tools) {
            leftovers(session, &tool, &tools)?;
        }
    }
    for tool in tools.found.iter().filter(|tool| !plan.rules(tool.family).is_empty()) {
        let left = SavedRules::parse(&session.run(tool.save())?);
        if left.has_istio_chain() {
            session
                .warn(format!("{} still shows chains of Istio's, `--all` removes any layout", tool.program));
        }
    }
    Ok((tools, steps))
}

fn remove(session: &mut Session, tools: &Tools, plan: &RulePlan) -> Result<Steps, ApplyError> {
    for tool in &tools.found {
        for command in plan.cleanup_commands(tool.family) {
            session.try_run(tool.call(&command, tools.lock.as_ref()));
        }
    }
    host::remove(session, plan.host_steps())
}

/// Both variants, as far as they are installed: rules may have been made with either (`TRB-03`).
fn all_tools(session: &mut Session, tools: &Tools) -> Vec<Tool> {
    let mut all = tools.found.clone();
    for family in Family::BOTH {
        for variant in [IptablesVariant::Legacy, IptablesVariant::Nft] {
            let known = all.iter().any(|tool| tool.family == family && tool.variant == variant);
            if !known && let Ok(tool) = backend::detect(session, family, Some(variant)) {
                all.push(tool);
            }
        }
    }
    all
}

fn leftovers(session: &mut Session, tool: &Tool, tools: &Tools) -> Result<(), ApplyError> {
    let text = session.run(tool.save())?;
    for command in SavedRules::parse(&text).leftover_commands() {
        session.try_run(tool.call(&command, tools.lock.as_ref()));
    }
    // A run that was killed may have left its guardrails. They are looked for in what was read: asking the tool
    // would create tables where there are none.
    let left = SavedRules::parse(&text);
    for (removal, rule) in guardrail_cleanup_commands().into_iter().zip(guardrail_rules()) {
        for _ in left.rules(Table::Filter, rule.0).iter().filter(|line| **line == rule.1) {
            session.try_run(tool.call(&removal, tools.lock.as_ref()));
        }
    }
    Ok(())
}

/// The guardrails as a save shows them: chain and line, in the order of their removal.
fn guardrail_rules() -> impl Iterator<Item = (&'static str, String)> {
    ["INPUT", "FORWARD", "OUTPUT"]
        .into_iter()
        .flat_map(|chain| ["tcp", "udp"].map(|protocol| (chain, format!("-A {chain} -p {protocol} -j DROP"))))
}

/// Compares without changing anything.
pub(super) fn verify(
    session: &mut Session,
    options: &ApplyOptions,
    plan: &RulePlan,
) -> Result<(Vec<Difference>, Tools), ApplyError> {
    let tools = Tools::find(session, options, plan.families())?;
    let state = State::read(session, &tools, plan);
    let drift = state.comparison.drift.iter();
    let mut found: Vec<Difference> = drift.map(|drift| Difference(drift.to_string())).collect();
    // Check commands and the baseline do not see this, so `apply` leaves it alone as well.
    for chain in &state.reordered {
        session.warn(format!("{chain}: the rules are there in another order; clean and apply again"));
    }
    for other in all_tools(session, &tools).iter().skip(tools.found.len()) {
        let text = session.run(other.save())?;
        if SavedRules::parse(&text).has_istio_chain() {
            let text = format!("{} holds chains of Istio's as well, traffic meets both", other.program);
            found.push(Difference(text));
        }
    }
    // Without `nft` nothing can be asked, and nothing was made with it from here.
    if session.ask(Invocation::read("nft", ["list", "tables", "inet"])).is_ok_and(|listing| {
        listing.succeeded() && listing.stdout.lines().any(|line| line.starts_with("table inet istio-proxy-"))
    }) {
        found.push(Difference("nft holds tables of Istio's as well, traffic meets both".to_owned()));
    }
    found.extend(host::verify(session, plan.host_steps())?);
    Ok((found, tools))
}
