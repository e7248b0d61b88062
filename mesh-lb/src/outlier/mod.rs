//! Outlier detection: endpoints that keep failing are left alone for a while (spec section 3).

mod config;
mod detector;
mod event;
mod ledger;
mod log;
mod rates;
mod sweep;

pub use config::{ConsecutiveErrors, OutlierConfig};
pub use detector::OutlierDetector;
pub use event::{EjectionCause, Outcome, grpc_to_http_status};
pub use ledger::OutlierStats;
pub use log::{Ejection, OutlierAction, OutlierEvent};
pub use rates::{FailurePercentage, RateEvidence, SuccessRate};
pub use sweep::Sweep;
