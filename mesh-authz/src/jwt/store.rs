//! Where keys come from, and which are at hand (AUTHZ-JWKS-01 to 07). Pure: fetching is the embedder's.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::keys::KeySet;

/// How long fetched keys count as fresh (AUTHZ-JWKS-02).
const REFRESH: Duration = Duration::from_mins(20);
/// How long keys that could not be refreshed go on being used (AUTHZ-JWKS-02).
const KEEP: Duration = Duration::from_hours(7 * 24);
/// How long to wait after the first failed round; doubled after each further one (AUTHZ-JWKS-02).
const FIRST_RETRY: Duration = Duration::from_mins(1);
/// The longest wait between failed rounds (AUTHZ-JWKS-02).
const LONGEST_RETRY: Duration = Duration::from_hours(1);

/// Where the keys of a rule have to be fetched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeySource {
    issuer: String,
    uri: Option<String>,
}

impl KeySource {
    /// The keys of `issuer` at `uri`, the rule's `jwksUri`; without one they are found by OpenID discovery.
    pub fn new(issuer: &str, uri: Option<&str>) -> Self {
        Self { issuer: issuer.to_owned(), uri: uri.map(str::to_owned) }
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The address of the key set, if the rule names it. Otherwise it is the member `jwks_uri` of the JSON object at
    /// [`discovery_uri`](Self::discovery_uri) (AUTHZ-JWKS-01).
    pub fn jwks_uri(&self) -> Option<&str> {
        self.uri.as_deref()
    }

    /// The issuer's OpenID configuration: `<issuer without trailing />/.well-known/openid-configuration`.
    pub fn discovery_uri(&self) -> String {
        let issuer = self.issuer.strip_suffix('/').unwrap_or(&self.issuer);
        format!("{issuer}/.well-known/openid-configuration")
    }
}

/// Which keys of a [`KeySource`] are at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "keys are fresh, old or not there")]
pub enum KeyLookup<'k> {
    /// Fetched within the last 20 minutes.
    Ready(&'k KeySet),
    /// Older, because fetching fails; used meanwhile, for seven days.
    Stale(&'k KeySet),
    /// None. Every token is refused with 401, requests without a token pass (AUTHZ-JWKS-03).
    Absent,
}

impl<'k> KeyLookup<'k> {
    /// The keys, fresh or not.
    pub fn keys(self) -> Option<&'k KeySet> {
        match self {
            Self::Ready(keys) | Self::Stale(keys) => Some(keys),
            Self::Absent => None,
        }
    }
}

/// The fetched keys of all issuers, and when to fetch again.
///
/// Times are since any one moment, the same for all calls; the Unix epoch does. Like everything here it is a value:
/// change a copy and swap it.
///
/// ```
/// use std::time::Duration;
/// use mesh_authz::jwt::{KeyLookup, KeySet, KeySource, KeyStore};
///
/// let source = KeySource::new("https://issuer.example", Some("https://issuer.example/keys"));
/// let mut store = KeyStore::new();
/// let now = Duration::from_secs(1_700_000_000);
/// assert_eq!(store.lookup(&source, now), KeyLookup::Absent);
/// assert!(store.is_due(&source, now));
///
/// let keys = KeySet::default(); // as fetched
/// store.fetched(source.clone(), keys.clone(), now);
/// assert_eq!(store.lookup(&source, now), KeyLookup::Ready(&keys));
/// assert!(!store.is_due(&source, now));
/// ```
#[derive(Debug, Clone, Default)]
pub struct KeyStore {
    entries: BTreeMap<KeySource, Entry>,
    unknown_kid_interval: Option<Duration>,
}

#[derive(Debug, Clone, Default)]
struct Entry {
    keys: Option<(KeySet, Duration)>,
    failures: u32,
    /// When the last round ended, well or not.
    tried: Duration,
}

impl KeyStore {
    /// A store without keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a token with an unknown key id cause fetching, at most once in `interval` for each source: new signing
    /// keys are then known at once instead of up to 20 minutes later (AUTHZ-JWKS-07).
    // DIFFERENCE AUTHZ-JWKS-02: an improvement over Istio, which does not do that; off unless asked for.
    #[must_use]
    pub fn refetch_on_unknown_kid(mut self, interval: Duration) -> Self {
        self.unknown_kid_interval = Some(interval);
        self
    }

    /// The keys of `source`. Cost: one search among the sources; nothing is allocated.
    pub fn lookup(&self, source: &KeySource, now: Duration) -> KeyLookup<'_> {
        let Some((keys, fetched)) = self.entries.get(source).and_then(|entry| entry.keys.as_ref()) else {
            return KeyLookup::Absent;
        };
        match now.saturating_sub(*fetched) {
            age if age <= REFRESH => KeyLookup::Ready(keys),
            age if age <= KEEP => KeyLookup::Stale(keys),
            _ => KeyLookup::Absent,
        }
    }

    /// Puts in keys that have been fetched at `now`.
    pub fn fetched(&mut self, source: KeySource, keys: KeySet, now: Duration) {
        self.entries.insert(source, Entry { keys: Some((keys, now)), failures: 0, tried: now });
    }

    /// Notes that fetching failed at `now`, all retries of the round included. Keys fetched earlier stay.
    pub fn failed(&mut self, source: KeySource, now: Duration) {
        let entry = self.entries.entry(source).or_default();
        entry.failures = entry.failures.saturating_add(1);
        entry.tried = now;
    }

    /// Whether to fetch `source` now: never fetched, 20 minutes after a success, or one minute after a failure, the
    /// wait doubling up to an hour (AUTHZ-JWKS-02).
    ///
    /// While fetching is under way the answer stays as it is: one fetch at a time is the caller's to see to.
    pub fn is_due(&self, source: &KeySource, now: Duration) -> bool {
        let Some(entry) = self.entries.get(source) else { return true };
        let wait = match entry.failures {
            0 => REFRESH,
            failures => {
                let doubled = FIRST_RETRY.saturating_mul(1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX));
                doubled.min(LONGEST_RETRY)
            }
        };
        now.saturating_sub(entry.tried) >= wait
    }

    /// Whether a token whose key id no key has should cause fetching now; see
    /// [`refetch_on_unknown_kid`](Self::refetch_on_unknown_kid).
    pub fn is_due_for_unknown_kid(&self, source: &KeySource, now: Duration) -> bool {
        let Some(interval) = self.unknown_kid_interval else { return false };
        self.entries.get(source).is_none_or(|entry| now.saturating_sub(entry.tried) >= interval)
    }

    /// Drops the sources that `wanted` does not name, and keys that are too old to be used (AUTHZ-JWKS-02).
    pub fn retain(&mut self, now: Duration, wanted: impl Fn(&KeySource) -> bool) {
        self.entries.retain(|source, entry| {
            if entry.keys.as_ref().is_some_and(|(_, fetched)| now.saturating_sub(*fetched) > KEEP) {
                entry.keys = None;
            }
            wanted(source)
        });
    }
}

/// Whether keys must not be fetched from `ip`: link-local addresses, among them the metadata services of clouds, and
/// the metadata services that have other addresses (AUTHZ-JWKS-06). Whoever fetches asks this for each address that
/// the name of a `jwksUri` resolves to, and for those of redirects.
pub fn is_blocked_key_host(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        // Azure's and Alibaba's services are not link-local.
        IpAddr::V4(v4) => {
            v4.is_link_local() || matches!(v4.octets(), [168, 63, 129, 16] | [100, 100, 100, 200])
        }
        // AWS's service over IPv6.
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local() || v6.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]
        }
    }
}
