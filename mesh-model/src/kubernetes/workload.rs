//! Deployment, StatefulSet and DaemonSet: what makes pods.

use super::label_selector::LabelSelector;
use super::pod::PodSpec;
use crate::macros::spec;
use crate::meta::ObjectMeta;

spec! {
    /// A Deployment.
    pub struct Deployment {
        /// Its `spec`.
        pub spec: WorkloadSpec,
    }

    /// A StatefulSet.
    pub struct StatefulSet {
        /// Its `spec`.
        pub spec: WorkloadSpec,
    }

    /// A DaemonSet.
    pub struct DaemonSet {
        /// Its `spec`.
        pub spec: WorkloadSpec,
    }

    /// What the three kinds have in common: the pods they make.
    pub struct WorkloadSpec {
        /// How many pods; absent is one, and a DaemonSet has one a node.
        pub replicas: Option<i32>,
        /// Labels of its pods.
        pub selector: LabelSelector,
        /// The headless Service of a StatefulSet.
        pub service_name: String,
        /// The pods.
        pub template: PodTemplate,
    }

    /// The pods a workload makes.
    pub struct PodTemplate {
        /// Labels and annotations of the pods; they have the workload's namespace.
        pub metadata: ObjectMeta,
        /// Their `spec`.
        pub spec: PodSpec,
    }
}
