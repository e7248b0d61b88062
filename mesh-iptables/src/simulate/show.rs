//! A simulation as a table to read.

use std::fmt;

use super::packet::Direction;
use super::trace::{Delivery, Effect, Simulation, Step, Verdict};
use crate::rule::Target;

impl fmt::Display for Simulation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = f.alternate();
        let begin = match self.packet.direction() {
            Direction::Out => "sent through",
            Direction::In => "arrives on",
        };
        writeln!(f, "{}\n{begin} {}", self.packet, self.first_interface)?;
        let shown: Vec<&Step<'_>> =
            self.steps.iter().filter(|step| all || step.matched() || step.unknown().is_some()).collect();
        let place = |step: &Step<'_>| format!("{} {} {}", step.table(), step.chain(), step.number());
        let width = shown.iter().map(|step| place(step).chars().count()).max().unwrap_or_default().min(40);
        let mut reentered = false;
        for step in &shown {
            if step.reentered() && !reentered {
                reentered = true;
                writeln!(f, "comes back through lo")?;
            }
            writeln!(f, "  {:width$}  {}", place(step), step.text())?;
            writeln!(f, "  {:width$}    {}", "", Outcome(step))?;
        }
        if shown.is_empty() {
            writeln!(f, "  no rule applies")?;
        }
        if self.reentered && !reentered {
            writeln!(f, "comes back through lo")?;
        }
        self.write_result(f)
    }
}

/// What a rule did and why it is there.
struct Outcome<'s, 'r>(&'s Step<'r>);

impl fmt::Display for Outcome<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = self.0;
        match (step.effect(), step.failed()) {
            (Effect::NoMatch, Some(failed)) => return write!(f, "- not so: {failed}"),
            (Effect::Jump, _) => match step.rule().map(|rule| &rule.target) {
                Some(Target::Jump(chain)) => write!(f, "> go through {chain}")?,
                _ => write!(f, "> {}", step.effect())?,
            },
            (effect, _) => write!(f, "> {effect}")?,
        }
        step.reason().map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMatch => f.write_str("passed over"),
            Self::NotUnderstood => f.write_str("not understood, passed over"),
            Self::Jump => f.write_str("go through"),
            Self::Return => f.write_str("return"),
            Self::Accept => f.write_str("accept"),
            Self::Drop => f.write_str("drop"),
            Self::Redirect(to) => write!(f, "redirect to {to}"),
            Self::Tproxy { port, mark } => write!(f, "hand to port {port}, mark {mark:#x}"),
            Self::Mark(mark) => write!(f, "packet mark {mark:#x}"),
            Self::ConnectionMark(mark) => write!(f, "connection mark {mark:#x}"),
            Self::Zone(zone) => write!(f, "zone {zone}"),
            Self::ZoneKept(zone) => write!(f, "zone stays {zone}"),
            Self::Snat(to) => write!(f, "source {to}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("not captured"),
            Self::Redirect { port } => write!(f, "redirected to port {port}"),
            Self::Tproxy { port, .. } => write!(f, "handed to the transparent listener on port {port}"),
            Self::Drop => f.write_str("dropped"),
        }
    }
}

impl Simulation<'_> {
    fn write_result(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.verdict)?;
        match &self.delivery {
            Delivery::Dropped => {}
            Delivery::Local => write!(f, ": delivered here at {}", self.destination)?,
            Delivery::Leaves(interface) => write!(f, ": leaves through {interface} to {}", self.destination)?,
            Delivery::Forwarded(interface) => {
                write!(f, ": passed on through {interface} to {}", self.destination)?;
            }
        }
        for (name, mark) in [("mark", self.mark), ("connection mark", self.connection_mark)] {
            if mark != 0 {
                write!(f, ", {name} {mark:#x}")?;
            }
        }
        if let Some(zone) = self.zone {
            write!(f, ", zone {zone}")?;
        }
        if !self.is_certain() {
            f.write_str("\nsome rules were not understood, the kernel may decide otherwise")?;
        }
        Ok(())
    }
}
