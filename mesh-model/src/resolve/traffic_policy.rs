//! The policy of a port and subset (MODEL-RES-23 to 26).

use super::{DestinationRuleView, ResourceSet};
use crate::common::{ClientTlsSettings, ConnectionPoolSettings, LoadBalancerSettings, OutlierDetection};
use crate::networking::destination_rule::{
    PortTrafficPolicy, ProxyProtocol, RetryBudget, TrafficPolicy, TunnelSettings,
};

/// The blocks in force; an absent block has its default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PolicyView<'r> {
    /// How an endpoint is chosen.
    pub load_balancer: Option<&'r LoadBalancerSettings>,
    /// Limits.
    pub connection_pool: Option<&'r ConnectionPoolSettings>,
    /// Ejection.
    pub outlier_detection: Option<&'r OutlierDetection>,
    /// TLS; absent is decided by auto mutual TLS.
    pub tls: Option<&'r ClientTlsSettings>,
    /// Tunnel; never together with a port-level entry.
    pub tunnel: Option<&'r TunnelSettings>,
    /// PROXY protocol; never together with a port-level entry.
    pub proxy_protocol: Option<&'r ProxyProtocol>,
    /// Retry budget; never together with a port-level entry.
    pub retry_budget: Option<&'r RetryBudget>,
}

impl<'r> PolicyView<'r> {
    /// A port entry supplies four blocks; those it omits fall to the defaults, not to the destination (MODEL-RES-23).
    fn of_port(port: &'r PortTrafficPolicy) -> Self {
        Self {
            load_balancer: port.load_balancer.as_ref(),
            connection_pool: port.connection_pool.as_ref(),
            outlier_detection: port.outlier_detection.as_ref(),
            tls: port.tls.as_ref(),
            ..Self::default()
        }
    }

    fn of_destination(policy: &'r TrafficPolicy) -> Self {
        Self {
            load_balancer: policy.load_balancer.as_ref(),
            connection_pool: policy.connection_pool.as_ref(),
            outlier_detection: policy.outlier_detection.as_ref(),
            tls: policy.tls.as_ref(),
            tunnel: policy.tunnel.as_ref(),
            proxy_protocol: policy.proxy_protocol.as_ref(),
            retry_budget: policy.retry_budget.as_ref(),
        }
    }

    /// Blocks of `over` replace those of `self` whole; nothing is merged inside a block.
    fn overlaid(self, over: Self) -> Self {
        Self {
            load_balancer: over.load_balancer.or(self.load_balancer),
            connection_pool: over.connection_pool.or(self.connection_pool),
            outlier_detection: over.outlier_detection.or(self.outlier_detection),
            tls: over.tls.or(self.tls),
            tunnel: over.tunnel.or(self.tunnel),
            proxy_protocol: over.proxy_protocol.or(self.proxy_protocol),
            retry_budget: over.retry_budget.or(self.retry_budget),
        }
    }
}

fn port_entry(policy: &TrafficPolicy, port: u32) -> Option<&PortTrafficPolicy> {
    policy.port_level_settings.iter().find(|entry| entry.port.is_some_and(|selector| selector.number == port))
}

impl DestinationRuleView {
    /// The policy of service port `port` in `subset`; mesh defaults are not in it.
    ///
    /// Base is the port's entry if there is one, else the rule's policy. A subset's own port entry replaces all four
    /// blocks; otherwise each block the subset gives replaces the base's. A subset that is not defined changes
    /// nothing.
    pub fn policy(&self, port: u32, subset: Option<&str>) -> PolicyView<'_> {
        let base = self.traffic_policy.as_ref().map_or_else(PolicyView::default, |policy| {
            port_entry(policy, port).map_or_else(|| PolicyView::of_destination(policy), PolicyView::of_port)
        });
        let own = subset.and_then(|name| self.subset(name)?.traffic_policy.as_ref());
        match own {
            None => base,
            Some(policy) => match port_entry(policy, port) {
                Some(entry) => PolicyView {
                    tunnel: base.tunnel,
                    proxy_protocol: base.proxy_protocol,
                    retry_budget: base.retry_budget,
                    ..PolicyView::of_port(entry)
                },
                None => base.overlaid(PolicyView::of_destination(policy)),
            },
        }
    }
}

impl ResourceSet {
    /// Like [`DestinationRuleView::policy`], with the mesh's `defaultTrafficPolicy` for the connection pool and outlier
    /// detection where the rule gives none (MODEL-RES-26).
    pub fn effective_policy<'s>(
        &'s self,
        rule: Option<&'s DestinationRuleView>,
        port: u32,
        subset: Option<&str>,
    ) -> PolicyView<'s> {
        let mut policy = rule.map_or_else(PolicyView::default, |rule| rule.policy(port, subset));
        if let Some(default) = &self.mesh().default_traffic_policy {
            policy.connection_pool = policy.connection_pool.or(default.connection_pool.as_ref());
            policy.outlier_detection = policy.outlier_detection.or(default.outlier_detection.as_ref());
        }
        policy
    }
}
