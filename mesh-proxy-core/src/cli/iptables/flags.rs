//! The flags of Istio's own tool, by their names (section 1.1 of the interception reference).

use clap::{Arg, ArgAction, ArgMatches, Command};

/// What a flag takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// A value, called so in the help.
    Value(&'static str),
    /// Nothing, or `=true` and `=false`.
    Switch,
}

struct Flag {
    name: &'static str,
    short: Option<char>,
    takes: Takes,
    help: &'static str,
}

const fn value(name: &'static str, short: Option<char>, what: &'static str, help: &'static str) -> Flag {
    Flag { name, short, takes: Takes::Value(what), help }
}

const fn switch(name: &'static str, short: Option<char>, help: &'static str) -> Flag {
    Flag { name, short, takes: Takes::Switch, help }
}

/// In the order of the reference. The library knows types, defaults and variables; here is what help says.
const FLAGS: &[Flag] = &[
    value("envoy-port", Some('p'), "PORT", "Where outbound traffic goes [default: 15001]"),
    value("inbound-capture-port", Some('z'), "PORT", "Where inbound traffic goes [default: 15006]"),
    value("inbound-tunnel-port", Some('e'), "PORT", "The HBONE port, never redirected [default: 15008]"),
    value("proxy-uid", Some('u'), "UIDS", "The proxy's users [default: ENVOY_USER's id, else 1337]"),
    value("proxy-gid", Some('g'), "GIDS", "The proxy's groups [default: as --proxy-uid]"),
    value("istio-inbound-interception-mode", Some('m'), "MODE", "`TPROXY`; anything else is REDIRECT"),
    value("istio-inbound-ports", Some('b'), "PORTS", "Inbound ports to capture, or `*` [default: none]"),
    value("istio-local-exclude-ports", Some('d'), "PORTS", "Inbound ports not to capture, with `-b '*'`"),
    value("istio-exclude-interfaces", Some('c'), "NAMES", "Interfaces to leave alone"),
    value("istio-service-cidr", Some('i'), "RANGES", "Outbound ranges to capture, or `*` [default: none]"),
    value("istio-service-exclude-cidr", Some('x'), "RANGES", "Outbound ranges not to capture"),
    value("istio-outbound-ports", Some('q'), "PORTS", "Outbound ports to capture whatever the range"),
    value("istio-local-outbound-ports-exclude", Some('o'), "PORTS", "Outbound ports not to capture"),
    value("kube-virt-interfaces", Some('k'), "NAMES", "Interfaces whose incoming traffic is outbound"),
    value("istio-inbound-tproxy-mark", Some('t'), "MARK", "The mark of TPROXY [default: 1337]"),
    value("istio-inbound-tproxy-route-table", Some('r'), "TABLE", "The route table of TPROXY [default: 133]"),
    switch("redirect-dns", None, "Capture DNS queries to the resolvers (also ISTIO_META_DNS_CAPTURE)"),
    switch("capture-all-dns", None, "With --redirect-dns: queries to any server"),
    switch("drop-invalid", None, "Drop packets that tracking cannot place (also INVALID_DROP)"),
    switch(
        "dual-stack",
        None,
        "Any IPv6 address turns IPv6 on, not just a first one (also ISTIO_DUAL_STACK)",
    ),
    switch("dry-run", Some('n'), "List the commands and run none; DRY_RUN_FILE_PATH gets the rules"),
    switch("skip-rule-apply", None, "Make no rules; for --run-validation alone"),
    switch(
        "run-validation",
        None,
        "Probe afterwards, as a user of --proxy-uid, whether traffic is captured; exit code 126 if not",
    ),
    value("iptables-probe-port", None, "PORT", "The port the probe calls [default: 15002]"),
    value("probe-timeout", None, "DURATION", "How long the probe may take [default: 5s]"),
    value("network-namespace", None, "PATH", "Work in this network namespace"),
    switch("cni-mode", None, "Work for a pod from the host's file system"),
    switch("reconcile", None, "Replace rules that drifted, behind guardrails"),
    switch("cleanup-only", None, "Only remove the rules"),
    switch("force-apply", None, "Apply even if nothing drifted"),
    switch("native-nftables", None, "Use nftables itself"),
    value("force-iptables-binary", None, "VARIANT", "`legacy` or `nft` [default: what is there]"),
];

const HEADING: &str = "Istio's options (environment: the name in upper case with `_`)";

/// The flags given, in the words of the library.
#[derive(Clone, Debug, Default)]
pub(super) struct Flags {
    pub(super) given: Vec<(&'static str, String)>,
}

impl clap::Args for Flags {
    fn augment_args(command: Command) -> Command {
        let command = FLAGS.iter().fold(command, |command, flag| {
            let arg = Arg::new(flag.name).long(flag.name).help(flag.help).help_heading(HEADING);
            let arg = flag.short.map_or(arg.clone(), |letter| arg.short(letter));
            let arg = arg.action(ArgAction::Set).overrides_with(flag.name);
            command.arg(match flag.takes {
                Takes::Value(what) => arg.value_name(what).allow_hyphen_values(true),
                Takes::Switch => arg
                    .value_name("true|false")
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("true")
                    .hide_possible_values(true),
            })
        });
        // The injector's template passes logging options, which mean nothing here.
        ["log_output_level", "log_target", "log_caller", "log_stacktrace_level", "log_rotate"].iter().fold(
            command.arg(Arg::new("log_as_json").long("log_as_json").action(ArgAction::SetTrue).hide(true)),
            |command, name| command.arg(Arg::new(*name).long(*name).action(ArgAction::Append).hide(true)),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let given = |flag: &Flag| Some((flag.name, matches.get_one::<String>(flag.name)?.clone()));
        self.given = FLAGS.iter().filter_map(given).collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_is_one_of_the_librarys() {
        let builder = mesh_iptables::CaptureConfig::builder();
        for flag in FLAGS {
            assert!(builder.value(flag.name).is_some(), "{}", flag.name);
            let default = builder.value(flag.name).unwrap();
            if let Some((_, said)) = flag.help.split_once("[default: ")
                && !default.is_empty()
            {
                assert_eq!(said.trim_end_matches(']'), default, "{}", flag.name);
            }
            // A letter is the same one there.
            if let Some(letter) = flag.short {
                let text = if flag.takes == Takes::Switch { "true" } else { "7" };
                let args = match flag.takes {
                    Takes::Switch => vec![format!("-{letter}")],
                    Takes::Value(_) => vec![format!("-{letter}"), text.to_owned()],
                };
                let builder = builder.clone().args(args).unwrap();
                assert_eq!(builder.value(flag.name), Some(text), "{}", flag.name);
            }
        }
    }

    #[test]
    fn flags_are_read_as_istio_reads_them() {
        use clap::{Args as _, FromArgMatches as _};
        let read = |line: &str| {
            let matches = Flags::augment_args(Command::new("x")).try_get_matches_from(line.split(' '));
            Flags::from_arg_matches(&matches.unwrap()).unwrap().given
        };
        let text = |name, value: &str| (name, value.to_owned());
        assert_eq!(
            read("x -p 15001 -z=15006 -u1337"),
            [text("envoy-port", "15001"), text("inbound-capture-port", "15006"), text("proxy-uid", "1337")]
        );
        // The last one counts; a switch takes a value only after `=`.
        assert_eq!(
            read("x -b * -b 80 --redirect-dns --dry-run=false"),
            [text("istio-inbound-ports", "80"), text("redirect-dns", "true"), text("dry-run", "false")]
        );
        assert_eq!(
            read("x --log_output_level=default:info --log_as_json -x "),
            [text("istio-service-exclude-cidr", "")]
        );
    }
}
