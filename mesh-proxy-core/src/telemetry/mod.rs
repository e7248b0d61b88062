//! Metrics, access logs, and the vocabulary they share.

pub(crate) mod access_log;
mod flags;
mod labels;
mod metrics;
pub(crate) mod prometheus;

pub(crate) use flags::ResponseFlags;
pub(crate) use labels::{MetricTargets, TargetInterner};
pub(crate) use metrics::{
    BUCKETS, Cell64, HistogramTotal, Registry, RequestProtocol, Series, SeriesKey, WorkerSeries,
};
