//! Tables, chains and address families.

use std::borrow::Cow;
use std::fmt;

/// The address family of a rule list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    /// `iptables`.
    Ipv4,
    /// `ip6tables`.
    Ipv6,
}

impl Family {
    /// Both families, IPv4 first as everywhere in the output.
    pub const BOTH: [Self; 2] = [Self::Ipv4, Self::Ipv6];
}

/// A table of the packet filter. The order is the order of restore text (rule `RST-01`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Table {
    /// Accept or drop.
    Filter,
    /// Marks and TPROXY.
    Mangle,
    /// REDIRECT and SNAT; sees only the first packet of a flow.
    Nat,
    /// Before connection tracking; sets its zone.
    Raw,
}

impl Table {
    /// All tables in output order.
    pub const ALL: [Self; 4] = [Self::Filter, Self::Mangle, Self::Nat, Self::Raw];

    /// The name `iptables` uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Mangle => "mangle",
            Self::Nat => "nat",
            Self::Raw => "raw",
        }
    }

    /// The built-in chains in hook order, as `iptables-save` lists them (rule `SAV-20`).
    pub const fn hooks(self) -> &'static [Chain] {
        const FILTER: &[Chain] = &[Chain::INPUT, Chain::FORWARD, Chain::OUTPUT];
        const MANGLE: &[Chain] =
            &[Chain::PREROUTING, Chain::INPUT, Chain::FORWARD, Chain::OUTPUT, Chain::POSTROUTING];
        const NAT: &[Chain] = &[Chain::PREROUTING, Chain::INPUT, Chain::OUTPUT, Chain::POSTROUTING];
        const RAW: &[Chain] = &[Chain::PREROUTING, Chain::OUTPUT];
        match self {
            Self::Filter => FILTER,
            Self::Mangle => MANGLE,
            Self::Nat => NAT,
            Self::Raw => RAW,
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A chain, by its `iptables` name.
///
/// The nftables plan uses the same values; its spelling is [`Chain::nft_name`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Chain(Cow<'static, str>);

macro_rules! chains {
    ($($constant:ident $name:literal $doc:literal;)*) => {
        impl Chain {
            $(#[doc = $doc] pub const $constant: Self = Self(Cow::Borrowed($name));)*

            /// The chain of this name if it is one of the above.
            pub(crate) fn known(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$constant),)*
                    _ => None,
                }
            }
        }
    };
}

chains! {
    PREROUTING "PREROUTING" "Every packet that arrives, from outside or through `lo`.";
    INPUT "INPUT" "Packets for a local process.";
    FORWARD "FORWARD" "Packets passing through.";
    OUTPUT "OUTPUT" "Packets a local process sends.";
    POSTROUTING "POSTROUTING" "Packets about to leave.";
    ISTIO_INBOUND "ISTIO_INBOUND" "Decides which inbound ports are captured.";
    ISTIO_IN_REDIRECT "ISTIO_IN_REDIRECT" "Sends TCP to the proxy's inbound listener.";
    ISTIO_OUTPUT "ISTIO_OUTPUT" "Decides which outbound traffic is captured.";
    ISTIO_OUTPUT_DNS "ISTIO_OUTPUT_DNS" "Sends DNS queries to the local agent, and gives them their zone.";
    ISTIO_REDIRECT "ISTIO_REDIRECT" "Sends TCP to the proxy's outbound listener.";
    ISTIO_DIVERT "ISTIO_DIVERT" "TPROXY: marks packets of known flows.";
    ISTIO_TPROXY "ISTIO_TPROXY" "TPROXY: hands new flows to the transparent listener.";
    ISTIO_DROP "ISTIO_DROP" "Drops what connection tracking cannot place.";
    ISTIO_PRERT "ISTIO_PRERT" "Ambient: what arrives at the pod.";
    ISTIO_POSTRT "ISTIO_POSTRT" "Ambient, on the host: what leaves towards a pod.";
}

impl Chain {
    /// A chain of any name.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self(name.into())
    }

    /// The name `iptables` uses.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The name in the nftables transaction: lower case with dashes; the ambient `ISTIO_PRERT` is written
    /// out as `istio-prerouting`.
    pub fn nft_name(&self) -> Cow<'static, str> {
        macro_rules! known {
            ($($name:literal => $nft:literal,)*) => {
                match &*self.0 {
                    $($name => Cow::Borrowed($nft),)*
                    other => Cow::Owned(other.to_ascii_lowercase().replace('_', "-")),
                }
            };
        }
        // The names of our plans cost no allocation.
        known! {
            "PREROUTING" => "prerouting",
            "OUTPUT" => "output",
            "POSTROUTING" => "postrouting",
            "ISTIO_INBOUND" => "istio-inbound",
            "ISTIO_IN_REDIRECT" => "istio-in-redirect",
            "ISTIO_OUTPUT" => "istio-output",
            "ISTIO_OUTPUT_DNS" => "istio-output-dns",
            "ISTIO_REDIRECT" => "istio-redirect",
            "ISTIO_DIVERT" => "istio-divert",
            "ISTIO_TPROXY" => "istio-tproxy",
            "ISTIO_DROP" => "istio-drop",
            "ISTIO_PRERT" => "istio-prerouting",
        }
    }

    /// Whether the kernel owns the chain.
    pub fn is_built_in(&self) -> bool {
        is_built_in(&self.0)
    }

    /// Whether the name marks the chain as Istio's (rule `RST-06`: the literal prefix `ISTIO_`).
    pub fn is_istio(&self) -> bool {
        self.0.starts_with("ISTIO_")
    }
}

pub(crate) fn is_built_in(name: &str) -> bool {
    matches!(name, "INPUT" | "OUTPUT" | "FORWARD" | "PREROUTING" | "POSTROUTING")
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
