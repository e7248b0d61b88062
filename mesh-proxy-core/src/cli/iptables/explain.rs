//! `mesh-proxy iptables explain`

use std::process::ExitCode;

use mesh_iptables::Packet;
use mesh_iptables::apply::Applier;

use super::print;
use super::setup::{Failure, Purpose, Setup};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A packet is `out` or `in` and words in any order:
  dst=10.0.0.7:80      where to; needed          uid=1000 gid=1000    who sends it, for out
  src=10.0.0.9:4000    where from                owner=none           the kernel sends it
  proto=udp            tcp, udp, sctp or icmp    iface=eth0           the interface
  mark=0x539           packet mark               connmark=0x111       connection mark
  state=established    new, established, related, invalid or untracked
  flow=127.0.0.1:15001 with state=established: where its first packet was sent

Example:
  mesh-proxy iptables explain -b '*' -i '*' --packet 'out uid=1000 dst=10.0.0.7:80'")]
pub(super) struct Arguments {
    #[command(flatten)]
    setup: Setup,
    /// The packet, such as 'out uid=1000 dst=10.0.0.7:80'; may be repeated.
    #[arg(long, value_name = "PACKET", required = true)]
    packet: Vec<Packet>,
    /// Also show the rules that were passed over, each with the condition that failed.
    #[arg(long)]
    full: bool,
    /// Walk the rules that are in the kernel instead of those the options make.
    #[arg(long)]
    live: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let ready = arguments.setup.ready(Purpose::Look)?;
    let (plan, native) = (ready.plan(), ready.config.nftables_plan());
    let applier = Applier::new(ready.config.apply_options());
    let rules = match (arguments.live, ready.is_native()) {
        (true, true) => applier.live_nftables()?,
        (true, false) => applier.live()?.explained_by(&plan),
        (false, true) => native.ruleset(),
        (false, false) => plan.ruleset(),
    };
    let namespace = ready.machine.namespace().host_steps(plan.host_steps());
    for (index, packet) in arguments.packet.iter().enumerate() {
        let found = rules.simulate(packet, &namespace);
        let gap = if index > 0 { "\n" } else { "" };
        print(&if arguments.full { format!("{gap}{found:#}\n") } else { format!("{gap}{found}\n") });
    }
    Ok(ExitCode::SUCCESS)
}
