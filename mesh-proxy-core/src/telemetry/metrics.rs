//! Counters that cost a load and a store: each cell has one writer (its worker), readers sum over workers.
//!
//! `PROXY-MET-07`: a label set is resolved to a handle once; a request then touches only cells that no other thread
//! writes. Relaxed atomics make reading from the admin thread defined; there is no read-modify-write instruction and
//! no lock on the request path.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::flags::ResponseFlags;

/// A counter with one writing thread and any number of readers.
#[derive(Debug, Default)]
pub(crate) struct Cell64(AtomicU64);

impl Cell64 {
    /// Adds `n`. Only the owning worker may call this: a second writer would lose counts (never memory safety).
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Subtracts `n`; same rule as [`Cell64::add`].
    #[inline]
    pub(crate) fn sub(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_sub(n), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Envoy's default histogram bounds, which Istio keeps (`PROXY-MET-05`): milliseconds or bytes.
pub(crate) const BUCKETS: [f64; 19] = [
    0.5,
    1.0,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1_000.0,
    2_500.0,
    5_000.0,
    10_000.0,
    30_000.0,
    60_000.0,
    300_000.0,
    600_000.0,
    1_800_000.0,
    3_600_000.0,
];

/// The same in thousandths, as they are recorded.
const BOUNDS_MILLI: [u64; BUCKETS.len()] = [
    500,
    1_000,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    600_000_000,
    1_800_000_000,
    3_600_000_000,
];

/// A histogram over [`BUCKETS`]; the sum is kept in thousandths so that it needs no floating-point cell.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [Cell64; BUCKETS.len() + 1],
    sum_milli: Cell64,
}

impl Histogram {
    /// Records a value given in thousandths of the unit (microseconds for milliseconds).
    #[inline]
    pub(crate) fn record_milli(&self, milli: u64) {
        let at = BOUNDS_MILLI.partition_point(|bound| *bound < milli);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.add(1);
        }
        self.sum_milli.add(milli);
    }

    pub(crate) fn add_to(&self, total: &mut HistogramTotal) {
        for (sum, cell) in total.buckets.iter_mut().zip(&self.buckets) {
            *sum += cell.get();
        }
        total.sum_milli += self.sum_milli.get();
    }
}

/// A histogram summed over workers.
#[derive(Clone, Debug, Default)]
pub(crate) struct HistogramTotal {
    pub(crate) buckets: [u64; BUCKETS.len() + 1],
    pub(crate) sum_milli: u64,
}

/// What tells one time series from another, apart from the labels behind `target` (`PROXY-MET-01`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SeriesKey {
    /// Index into the label interner: everything that is known before the response.
    pub(crate) target: u32,
    /// 0 when no response was sent.
    pub(crate) code: u16,
    pub(crate) flags: ResponseFlags,
    pub(crate) protocol: RequestProtocol,
    /// `grpc_response_status`, when the request was gRPC and a status was seen.
    pub(crate) grpc_status: Option<u8>,
}

/// The label `request_protocol` (`PROXY-MET-02`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RequestProtocol {
    Http,
    Grpc,
}

/// The cells of one series on one worker.
#[derive(Debug, Default)]
pub(crate) struct Series {
    pub(crate) requests: Cell64,
    pub(crate) duration: Histogram,
    pub(crate) request_bytes: Histogram,
    pub(crate) response_bytes: Histogram,
}

/// All series of one worker. The worker finds its cells in a private map; the list behind the lock is touched only
/// when a series is seen for the first time, and by scrapes.
#[derive(Debug)]
pub(crate) struct WorkerSeries {
    map: HashMap<SeriesKey, Arc<Series>, RandomState>,
    shared: SharedSeries,
    limit: usize,
    overflow: Arc<Cell64>,
}

type SharedSeries = Arc<Mutex<Vec<(SeriesKey, Arc<Series>)>>>;

impl WorkerSeries {
    /// The cells for `key`, made on first use. Past `limit` distinct keys, new ones fold into the target `other`.
    pub(crate) fn get(&mut self, key: SeriesKey) -> &Series {
        // DIFFERENCE PROXY-MET-04: Envoy lets the number of series grow without bound.
        let key = if self.map.len() >= self.limit && !self.map.contains_key(&key) {
            self.overflow.add(1);
            SeriesKey { target: OTHER_TARGET, ..key }
        } else {
            key
        };
        self.map.entry(key).or_insert_with(|| {
            let series = Arc::new(Series::default());
            self.shared.lock().unwrap_or_else(PoisonError::into_inner).push((key, Arc::clone(&series)));
            series
        })
    }
}

/// The interner's first entry: where series go past the limit.
pub(crate) const OTHER_TARGET: u32 = 0;

/// The registry that scrapes read: one list of series per worker.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    workers: Mutex<Vec<(SharedSeries, Arc<Cell64>)>>,
}

/// One series summed over workers.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeriesTotal {
    pub(crate) requests: u64,
    pub(crate) duration: HistogramTotal,
    pub(crate) request_bytes: HistogramTotal,
    pub(crate) response_bytes: HistogramTotal,
}

impl Registry {
    /// Series per worker before new ones fold into `other` (`PROXY-MET-04`).
    pub(crate) const SERIES_LIMIT: usize = 10_000;

    /// The part of the registry that one worker writes.
    pub(crate) fn worker(&self) -> WorkerSeries {
        let shared = SharedSeries::default();
        let overflow = Arc::new(Cell64::default());
        self.workers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((Arc::clone(&shared), Arc::clone(&overflow)));
        WorkerSeries { map: HashMap::default(), shared, limit: Self::SERIES_LIMIT, overflow }
    }

    /// Sums over all workers. A worker is blocked only while it would add a new series, and then for the time of
    /// copying a list of pointers.
    pub(crate) fn totals(&self) -> (HashMap<SeriesKey, SeriesTotal, RandomState>, u64) {
        let workers: Vec<_> = self
            .workers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|(shared, overflow)| (Arc::clone(shared), overflow.get()))
            .collect();
        let mut totals: HashMap<SeriesKey, SeriesTotal, RandomState> = HashMap::default();
        let mut overflowed = 0;
        for (shared, overflow) in workers {
            overflowed += overflow;
            let series: Vec<_> = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for (key, cells) in series {
                let total = totals.entry(key).or_default();
                total.requests += cells.requests.get();
                cells.duration.add_to(&mut total.duration);
                cells.request_bytes.add_to(&mut total.request_bytes);
                cells.response_bytes.add_to(&mut total.response_bytes);
            }
        }
        (totals, overflowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(target: u32) -> SeriesKey {
        SeriesKey {
            target,
            code: 200,
            flags: ResponseFlags::NONE,
            protocol: RequestProtocol::Http,
            grpc_status: None,
        }
    }

    /// PROXY-MET-05
    #[test]
    fn recorded_bounds_are_the_written_ones() {
        for (written, milli) in BUCKETS.iter().zip(BOUNDS_MILLI) {
            assert_eq!((written * 1_000.0).to_string(), milli.to_string());
        }
    }

    /// PROXY-MET-05, PROXY-MET-07
    #[test]
    fn scrapes_sum_over_workers() {
        let registry = Registry::default();
        let (mut a, mut b) = (registry.worker(), registry.worker());
        for worker in [&mut a, &mut b] {
            let series = worker.get(key(3));
            series.requests.add(1);
            series.duration.record_milli(700);
        }
        a.get(key(3)).duration.record_milli(4_000_000_000);
        let (totals, overflowed) = registry.totals();
        let total = &totals[&key(3)];
        assert_eq!(total.requests, 2);
        assert_eq!(total.duration.buckets[1], 2, "0.7 ms lies in (0.5, 1]");
        assert_eq!(total.duration.buckets[BUCKETS.len()], 1, "above the last bound");
        assert_eq!(total.duration.sum_milli, 4_000_001_400);
        assert_eq!(overflowed, 0);
    }

    /// PROXY-MET-04
    #[test]
    fn series_past_the_limit_fold_into_other() {
        let registry = Registry::default();
        let mut worker = registry.worker();
        worker.limit = 2;
        for target in 1..=5 {
            worker.get(key(target)).requests.add(1);
        }
        worker.get(key(1)).requests.add(1);
        let (totals, overflowed) = registry.totals();
        assert_eq!(totals[&key(1)].requests, 2);
        assert_eq!(totals[&key(OTHER_TARGET)].requests, 3);
        assert_eq!(overflowed, 3);
    }
}
