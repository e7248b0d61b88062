//! Envoy's response flags: the closed vocabulary in which logs and metrics say why an answer is what it is.

use std::fmt;

/// A set of Envoy response flags (`PROXY-LOCAL-05`), printed as Envoy prints it: short names joined by commas in
/// Envoy's order, `-` when empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct ResponseFlags(u32);

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $bit:literal, $short:literal;)*) => {
        impl ResponseFlags {
            $($(#[$doc])* pub(crate) const $name: Self = Self(1 << $bit);)*
        }
        /// In the order in which Envoy prints them.
        const NAMES: &[(ResponseFlags, &str)] = &[$((ResponseFlags::$name, $short),)*];
    };
}

flags! {
    /// `LH`: a local service failed its health check.
    FAILED_LOCAL_HEALTH_CHECK = 0, "LH";
    /// `UH`: no healthy upstream.
    NO_HEALTHY_UPSTREAM = 1, "UH";
    /// `UT`: the upstream did not answer in time.
    UPSTREAM_REQUEST_TIMEOUT = 2, "UT";
    /// `LR`: the connection was reset here.
    LOCAL_RESET = 3, "LR";
    /// `UR`: the upstream reset the stream.
    UPSTREAM_REMOTE_RESET = 4, "UR";
    /// `UF`: connecting to the upstream failed.
    UPSTREAM_CONNECTION_FAILURE = 5, "UF";
    /// `UC`: the upstream closed the connection.
    UPSTREAM_CONNECTION_TERMINATION = 6, "UC";
    /// `UO`: a circuit breaker is open.
    UPSTREAM_OVERFLOW = 7, "UO";
    /// `NR`: no route.
    NO_ROUTE_FOUND = 8, "NR";
    /// `DI`: delayed by fault injection.
    DELAY_INJECTED = 9, "DI";
    /// `FI`: aborted by fault injection.
    FAULT_INJECTED = 10, "FI";
    /// `RL`: rate limited.
    RATE_LIMITED = 11, "RL";
    /// `UAEX`: denied by the external authorization service.
    UNAUTHORIZED_EXTERNAL_SERVICE = 12, "UAEX";
    /// `DC`: the client went away.
    DOWNSTREAM_CONNECTION_TERMINATION = 13, "DC";
    /// `URX`: the retry limit or the connection attempts are used up.
    UPSTREAM_RETRY_LIMIT_EXCEEDED = 14, "URX";
    /// `SI`: the stream was idle for too long.
    STREAM_IDLE_TIMEOUT = 15, "SI";
    /// `DPE`: the client broke the protocol.
    DOWNSTREAM_PROTOCOL_ERROR = 16, "DPE";
    /// `UPE`: the upstream broke the protocol.
    UPSTREAM_PROTOCOL_ERROR = 17, "UPE";
    /// `UMSDR`: the upstream stream lived for too long.
    UPSTREAM_MAX_STREAM_DURATION_REACHED = 18, "UMSDR";
    /// `NC`: the route's cluster does not exist.
    NO_CLUSTER_FOUND = 19, "NC";
    /// `OM`: the overload manager ended the stream.
    OVERLOAD_MANAGER = 20, "OM";
}

impl ResponseFlags {
    /// No flag: `-`.
    pub(crate) const NONE: Self = Self(0);

    /// Whether no flag is set.
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether every flag of `other` is set.
    pub(crate) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Sets the flags of `other`.
    pub(crate) fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Appends the printed form to `out`.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        if self.is_empty() {
            out.push(b'-');
            return;
        }
        let mut first = true;
        for (flag, name) in NAMES {
            if self.contains(*flag) {
                if !first {
                    out.push(b',');
                }
                first = false;
                out.extend_from_slice(name.as_bytes());
            }
        }
    }
}

impl std::ops::BitOr for ResponseFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for ResponseFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(8);
        self.write(&mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PROXY-LOCAL-05
    #[test]
    fn flags_print_as_envoy_prints_them() {
        assert_eq!(ResponseFlags::NONE.to_string(), "-");
        assert_eq!(ResponseFlags::NO_ROUTE_FOUND.to_string(), "NR");
        let mut both = ResponseFlags::FAULT_INJECTED;
        both.insert(ResponseFlags::DELAY_INJECTED);
        assert_eq!(both.to_string(), "DI,FI", "the order is Envoy's, not that of insertion");
        let retried =
            ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED | ResponseFlags::UPSTREAM_CONNECTION_FAILURE;
        assert_eq!(retried.to_string(), "UF,URX");
        assert!(retried.contains(ResponseFlags::UPSTREAM_CONNECTION_FAILURE));
        assert!(!retried.contains(ResponseFlags::NO_ROUTE_FOUND));
    }
}
