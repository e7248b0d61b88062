//! Applying rules to the kernel, comparing them with it, and removing them (feature `apply`).
//!
//! This is the part of the crate that runs processes: `iptables`, `nft` and `ip`. It looks before it writes,
//! parses everything before it changes anything, writes each family in one process, and takes back what it did
//! when a later step fails. Nothing is retried and nothing is guessed: an [`ApplyError`] names the command, its
//! exit code and what it said.
//!
//! | | |
//! |---|---|
//! | [`Applier::apply`] | the decision table of section 5.4: restore, leave alone, or repair behind guardrails |
//! | [`Applier::verify`] | what differs; changes nothing |
//! | [`Applier::clean`], [`Applier::clean_all`] | remove what a plan made, or what any layout made |
//! | [`Machine`] | the facts a configuration needs of the machine |
//! | [`probe`] | whether traffic really is captured (`APP-40`) |
//!
//! All of it works in the caller's network namespace or in the one [`ApplyOptions::network_namespace`] names. It
//! needs `CAP_NET_ADMIN` there, and `CAP_SYS_ADMIN` to enter another.
//!
//! ```no_run
//! use mesh_iptables::CaptureConfig;
//! use mesh_iptables::apply::{Applier, Outcome};
//!
//! let config = CaptureConfig::builder().args(["-b", "*", "-i", "*"])?.build()?;
//! let applier = Applier::new(config.apply_options());
//! assert_eq!(applier.apply(&config.plan())?.outcome, Outcome::Applied);
//! assert_eq!(applier.apply(&config.plan())?.outcome, Outcome::Unchanged);
//! assert!(applier.verify(&config.plan())?.is_in_sync());
//! applier.clean(&config.plan())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backend;
mod error;
mod guard;
mod host;
mod invocation;
mod iptables;
mod machine;
mod namespace;
mod native;
pub mod probe;
mod report;
mod session;
mod signals;
mod snapshot;

use std::path::Path;

pub use backend::{Tool, Version};
pub use error::{ApplyError, ApplyErrorKind};
pub use host::{step_command, step_removal_command};
pub use invocation::Invocation;
pub use machine::Machine;
pub use report::{Difference, Outcome, Report, StepOutcome, Verification};

use crate::chain::Family;
use crate::config::ApplyOptions;
use crate::nftables::NftablesPlan;
use crate::plan::RulePlan;
use crate::saved::SavedRules;
use crate::simulate::Ruleset;
use session::Session;

/// Applies plans to the kernel of this machine.
///
/// # Examples
/// ```
/// use mesh_iptables::CaptureConfig;
/// use mesh_iptables::apply::{Applier, Outcome};
///
/// // A dry run lists the commands and runs none.
/// let config = CaptureConfig::builder().args(["-b", "*", "-i", "*", "--dry-run"])?.build()?;
/// let report = Applier::new(config.apply_options()).apply(&config.plan())?;
/// assert_eq!(report.outcome, Outcome::Skipped);
/// let writing: Vec<String> = report.commands.iter().filter(|c| c.writes).map(ToString::to_string).collect();
/// assert_eq!(writing, ["iptables-restore --noflush"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Applier {
    options: ApplyOptions,
}

impl Applier {
    /// Works as the options say.
    pub fn new(options: &ApplyOptions) -> Self {
        Self { options: options.clone() }
    }

    /// Installs the rules with `iptables`, or leaves them if they are there (section 5.4).
    ///
    /// In order: find the programs, read both families, decide; parse both families; restore each in one
    /// process; set up addresses and routes; read again. With [`ApplyOptions::cleanup_only`] it removes instead,
    /// with [`ApplyOptions::skip_rule_apply`] it does nothing.
    ///
    /// With [`ApplyOptions::reconcile`] the calling thread takes no SIGHUP, SIGINT or SIGTERM until this returns, so
    /// that a program of one thread never ends behind its own guardrails.
    ///
    /// # Errors
    /// A program is missing or fails. What this run had added is removed again, and the error says so; after a
    /// failed repair the former rules are back.
    pub fn apply(&self, plan: &RulePlan) -> Result<Report, ApplyError> {
        if self.options.skip_rule_apply {
            return Ok(skipped());
        }
        // Asked to end during a repair, this process ends after the guardrails are gone (`APP-01`).
        let _held = self.options.reconcile.then(signals::hold);
        self.report(|session| {
            let (outcome, tools, steps) = iptables::apply(session, &self.options, plan)?;
            Ok((outcome, tools.into_found(), steps))
        })
    }

    /// Installs the rules with nftables itself, in one transaction, and removes tables that a former
    /// configuration had and this one has not (`NFT-15`, `NFT-62`).
    ///
    /// # Errors
    /// As for [`Applier::apply`].
    pub fn apply_nftables(&self, plan: &NftablesPlan) -> Result<Report, ApplyError> {
        if self.options.skip_rule_apply {
            return Ok(skipped());
        }
        self.report(|session| {
            if self.options.cleanup_only {
                return Ok((Outcome::Cleaned, Vec::new(), native::clean(session, plan)?));
            }
            Ok((Outcome::Applied, Vec::new(), native::apply(session, plan)?))
        })
    }

    /// Compares the kernel with the plan and changes nothing (section 5.3). Rules of others in built-in chains
    /// are no difference; rules in both variants of `iptables` at once are one.
    ///
    /// # Errors
    /// A program is missing or fails.
    pub fn verify(&self, plan: &RulePlan) -> Result<Verification, ApplyError> {
        self.inside(|session| {
            let (drifts, tools) = iptables::verify(session, &self.options, plan)?;
            Ok((drifts, tools.into_found()))
        })
        .map(verification)
    }

    /// Compares nftables with the plan and changes nothing. The order of rules counts.
    ///
    /// The plan is loaded into a network namespace of its own to learn how the kernel prints it, which needs
    /// `CAP_SYS_ADMIN`.
    ///
    /// # Errors
    /// `nft` is missing or fails, or no namespace can be made.
    pub fn verify_nftables(&self, plan: &NftablesPlan) -> Result<Verification, ApplyError> {
        self.inside(|session| Ok((native::verify(session, plan)?, Vec::new()))).map(verification)
    }

    /// The rules of `iptables` that this machine holds now, whoever made them, to walk packets through.
    ///
    /// # Errors
    /// A program is missing or fails.
    pub fn live(&self) -> Result<Ruleset, ApplyError> {
        let found = self.inside(|session| {
            let tools = iptables::Tools::find(session, &self.options, &[Family::Ipv4])?;
            let mut saved = [SavedRules::empty(), SavedRules::empty()];
            for (family, saved) in Family::BOTH.into_iter().zip(&mut saved) {
                if let Some(tool) = tools.of(family) {
                    *saved = SavedRules::parse(&session.run(tool.save())?);
                }
            }
            Ok(saved)
        })?;
        let [ipv4, ipv6] = found.0;
        Ok(Ruleset::from_saved(&ipv4, &ipv6))
    }

    /// The mesh's nftables tables that this machine holds now, to walk packets through.
    ///
    /// # Errors
    /// `nft` is missing or fails.
    pub fn live_nftables(&self) -> Result<Ruleset, ApplyError> {
        let (text, ..) =
            self.inside(|session| session.run(Invocation::read("nft", ["-s", "list", "ruleset", "inet"])))?;
        Ok(Ruleset::from_nftables(&text))
    }

    /// Removes the plan's rules, addresses, policy rules and routes; what others made stays (`APP-02`,
    /// `IPT-HST-03`). Nothing there is success.
    ///
    /// # Errors
    /// A program is missing, or an address or route cannot be removed.
    pub fn clean(&self, plan: &RulePlan) -> Result<Report, ApplyError> {
        self.report(|session| {
            let (tools, steps) = iptables::clean(session, &self.options, plan, false)?;
            Ok((Outcome::Cleaned, tools.into_found(), steps))
        })
    }

    /// As [`Applier::clean`] for nftables.
    ///
    /// # Errors
    /// `nft` is missing or fails, or an address or route cannot be removed.
    pub fn clean_nftables(&self, plan: &NftablesPlan) -> Result<Report, ApplyError> {
        self.report(|session| Ok((Outcome::Cleaned, Vec::new(), native::clean(session, plan)?)))
    }

    /// As [`Applier::clean`], then removes whatever else carries Istio's names: chains of any layout in either
    /// variant of `iptables`, guardrails a killed run left, and nftables tables (`RST-09`, `APP-02`).
    ///
    /// Rules and steps without a name of Istio's are found through the plan alone. When the mode that made them is
    /// not known, [`CaptureConfig::removal_plan`](crate::CaptureConfig::removal_plan) is the plan to give.
    ///
    /// # Errors
    /// As for [`Applier::clean`]. That `nft` is not installed is no error.
    pub fn clean_all(&self, plan: &RulePlan) -> Result<Report, ApplyError> {
        self.report(|session| {
            let (tools, steps) = iptables::clean(session, &self.options, plan, true)?;
            match native::clean_all(session) {
                Err(error) if error.kind() != ApplyErrorKind::NotStarted => return Err(error),
                _ => {}
            }
            Ok((Outcome::Cleaned, tools.into_found(), steps))
        })
    }

    fn report(
        &self,
        work: impl FnOnce(&mut Session) -> Result<(Outcome, Vec<Tool>, Steps), ApplyError> + Send,
    ) -> Result<Report, ApplyError> {
        let ((outcome, tools, host_steps), commands, warnings) = self.inside(work)?;
        let outcome = if self.options.dry_run { Outcome::Skipped } else { outcome };
        Ok(Report { outcome, tools, commands, host_steps, warnings })
    }

    /// Runs `work` in the namespace of the options.
    fn inside<T: Send>(
        &self,
        work: impl FnOnce(&mut Session) -> Result<T, ApplyError> + Send,
    ) -> Result<Finished<T>, ApplyError> {
        let dry = self.options.dry_run;
        let path = self.options.network_namespace.as_str();
        let path = Some(Path::new(path)).filter(|path| !path.as_os_str().is_empty() && !dry);
        namespace::inside(path, || {
            let mut session = Session::new(dry);
            let done = work(&mut session)?;
            let (commands, warnings) = session.into_parts();
            Ok((done, commands, warnings))
        })
    }
}

fn skipped() -> Report {
    let (tools, commands, host_steps, warnings) = Default::default();
    Report { outcome: Outcome::Skipped, tools, commands, host_steps, warnings }
}

type Steps = Vec<(crate::plan::HostStep, StepOutcome)>;
type Finished<T> = (T, Vec<Invocation>, Vec<String>);

fn verification(
    ((drifts, tools), commands, warnings): Finished<(Vec<Difference>, Vec<Tool>)>,
) -> Verification {
    Verification { drifts, tools, commands, warnings }
}
