//! The body of Istio 0.8 (`workloadLabels`, `filters`), and what it says in today's terms.

use super::matching::{
    FilterChainMatch, FilterMatch, ListenerMatch, PatchContext, PatchMatch, SubFilterMatch,
};
use super::names::{HTTP_CONNECTION_MANAGER, canonical};
use super::{ApplyTo, ConfigPatch, EnvoyFilter, FilterClass, Patch, PatchOperation};
use crate::common::{Value, WorkloadSelector};
use crate::macros::{spec, spec_enum};

spec! {
    /// A filter to insert, as Istio 0.8 had it.
    pub struct LegacyFilter {
        /// Absent is every listener.
        pub listener_match: Option<LegacyListenerMatch>,
        /// Absent is the front.
        pub insert_position: Option<LegacyInsertPosition>,
        /// Required.
        pub filter_type: LegacyFilterType,
        /// Required.
        pub filter_name: String,
        /// Required; the filter's own message. Not checked for unknown fields (MODEL-UNK-3).
        pub filter_config: Option<Value>,
    }

    /// Conditions on the listener; all must hold.
    pub struct LegacyListenerMatch {
        /// 0 is any.
        pub port_number: u32,
        /// The port's name begins so, whatever the case. Has no counterpart today.
        pub port_name_prefix: String,
        /// See [`LegacyListenerType`].
        pub listener_type: LegacyListenerType,
        /// Has no counterpart today.
        pub listener_protocol: LegacyListenerProtocol,
        /// The listener has one of these addresses. Has no counterpart today.
        pub address: Vec<String>,
    }

    /// Where among the filters.
    pub struct LegacyInsertPosition {
        /// See [`LegacyInsertIndex`].
        pub index: LegacyInsertIndex,
        /// Name of the filter that BEFORE and AFTER are about.
        pub relative_to: String,
    }
}

spec_enum! {
    /// The kind of filter.
    pub enum LegacyFilterType {
        /// Not given.
        #[default]
        Invalid = "INVALID",
        /// A filter of an HTTP connection manager.
        Http = "HTTP",
        /// A network filter.
        Network = "NETWORK",
    }

    /// Which side of which proxy.
    pub enum LegacyListenerType {
        /// Every one.
        #[default]
        Any = "ANY",
        /// What comes into a sidecar.
        SidecarInbound = "SIDECAR_INBOUND",
        /// What leaves through a sidecar.
        SidecarOutbound = "SIDECAR_OUTBOUND",
        /// A gateway.
        Gateway = "GATEWAY",
    }

    /// What the listener speaks.
    pub enum LegacyListenerProtocol {
        /// Anything.
        #[default]
        All = "ALL",
        /// HTTP.
        Http = "HTTP",
        /// TCP.
        Tcp = "TCP",
    }

    /// A place in a list of filters.
    pub enum LegacyInsertIndex {
        /// At the front.
        #[default]
        First = "FIRST",
        /// At the end.
        Last = "LAST",
        /// Before another.
        Before = "BEFORE",
        /// Behind another.
        After = "AFTER",
    }
}

impl EnvoyFilter {
    /// What it says in today's terms: `workloadLabels` as `workloadSelector`, and each of `filters` as a patch behind
    /// those that it has (MODEL-LEG-19).
    ///
    /// Old names of Envoy's filters become the new ones (MODEL-LEG-20). What a listener match says besides port and
    /// side has no counterpart and is left out, and so are filters without type or name. The answer has no legacy
    /// body, so that asking again changes nothing.
    ///
    /// Cost: linear; the patches are copied.
    #[must_use]
    pub fn modern(&self) -> Self {
        let mut modern = self.clone();
        let labels = std::mem::take(&mut modern.workload_labels);
        if modern.workload_selector.is_none() && !labels.is_empty() {
            modern.workload_selector = Some(WorkloadSelector { labels });
        }
        let filters = std::mem::take(&mut modern.filters);
        modern.config_patches.extend(filters.into_iter().filter_map(LegacyFilter::into_patch));
        modern
    }
}

impl LegacyFilter {
    fn into_patch(self) -> Option<ConfigPatch> {
        let apply_to = match self.filter_type {
            LegacyFilterType::Http => ApplyTo::HttpFilter,
            LegacyFilterType::Network => ApplyTo::NetworkFilter,
            LegacyFilterType::Invalid => return None,
        };
        if self.filter_name.is_empty() {
            return None;
        }
        let position = self.insert_position.unwrap_or_default();
        let (operation, relative) = match position.index {
            LegacyInsertIndex::First => (PatchOperation::InsertFirst, false),
            LegacyInsertIndex::Last => (PatchOperation::Add, false),
            LegacyInsertIndex::Before => (PatchOperation::InsertBefore, true),
            LegacyInsertIndex::After => (PatchOperation::InsertAfter, true),
        };
        let other = Some(position.relative_to).filter(|name| relative && !name.is_empty());
        let network = apply_to == ApplyTo::NetworkFilter;
        let today = |name: String| canonical(&name, network).map_or(name, str::to_owned);
        let filter = other.map(|name| {
            let name = today(name);
            match apply_to {
                ApplyTo::HttpFilter => FilterMatch {
                    name: HTTP_CONNECTION_MANAGER.to_owned(),
                    sub_filter: Some(SubFilterMatch { name }),
                },
                _ => FilterMatch { name, sub_filter: None },
            }
        });
        let old = self.listener_match.unwrap_or_default();
        let listener = ListenerMatch {
            port_number: old.port_number,
            filter_chain: filter
                .map(|filter| FilterChainMatch { filter: Some(filter), ..FilterChainMatch::default() }),
            ..ListenerMatch::default()
        };
        let mut value = vec![("name".to_owned(), Value::String(today(self.filter_name)))];
        value.extend(self.filter_config.map(|config| ("config".to_owned(), config)));
        Some(ConfigPatch {
            apply_to,
            matches: Some(PatchMatch {
                context: match old.listener_type {
                    LegacyListenerType::Any => PatchContext::Any,
                    LegacyListenerType::SidecarInbound => PatchContext::SidecarInbound,
                    LegacyListenerType::SidecarOutbound => PatchContext::SidecarOutbound,
                    LegacyListenerType::Gateway => PatchContext::Gateway,
                },
                listener: Some(listener).filter(|listener| *listener != ListenerMatch::default()),
                ..PatchMatch::default()
            }),
            patch: Some(Patch {
                operation,
                value: Some(Value::Map(value)),
                filter_class: FilterClass::default(),
            }),
        })
    }
}
