//! One certificate in several Gateways (MODEL-ANA-16, MODEL-PIT-18).

use super::scope::Two;
use crate::common::{ServerTlsSettings, StringMap};
use crate::networking::Gateway;
use crate::object::Object;
use crate::validate::report::{At, Report, show};
use std::collections::{BTreeSet, HashMap};

/// Selectors with more labels are compared for equality alone.
const LABELS: usize = 8;

/// A certificate by its Secret, or by the files of certificate and key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Certificate<'o> {
    Secret(&'o str),
    Files(&'o str, &'o str),
}

type Pairs<'o> = Vec<(&'o str, &'o str)>;

/// The certificates of a server, and where they are named.
fn certificates(
    tls: &ServerTlsSettings,
) -> impl Iterator<Item = (Certificate<'_>, &'static str, Option<usize>)> {
    let single = Some((Certificate::Secret(&tls.credential_name), "credentialName", None));
    let list = tls.credential_names.iter().enumerate();
    let list = list.map(|(number, name)| (Certificate::Secret(name), "credentialNames", Some(number)));
    let files = Certificate::Files(&tls.server_certificate, &tls.private_key);
    let files = tls.credential_name.is_empty().then_some((files, "serverCertificate", None));
    single.into_iter().chain(list).chain(files).filter(|(certificate, ..)| match certificate {
        Certificate::Secret(name) => !name.is_empty(),
        Certificate::Files(certificate, key) => !certificate.is_empty() && !key.is_empty(),
    })
}

/// The Gateways with one certificate, by selector: first those of the selector itself, then those as well whose
/// selector has more labels, or fewer.
#[derive(Default)]
struct Users<'o> {
    by_selector: HashMap<Pairs<'o>, Two<usize>>,
    related: HashMap<Pairs<'o>, Two<usize>>,
}

impl Users<'_> {
    /// Joins what is nested.
    fn relate(&mut self) {
        if self.by_selector.len() < 2 {
            self.related.clone_from(&self.by_selector);
            return;
        }
        let mut selectors: Vec<_> =
            self.by_selector.iter().map(|(selector, users)| (selector.clone(), *users)).collect();
        selectors.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.related = selectors.iter().cloned().collect();
        for (selector, users) in &selectors {
            for smaller in proper_subsets(selector) {
                let Some(others) = self.by_selector.get(&smaller).copied() else { continue };
                if let Some(own) = self.related.get_mut(selector) {
                    own.join(others);
                }
                if let Some(own) = self.related.get_mut(&smaller) {
                    own.join(*users);
                }
            }
        }
    }
}

/// All subsets of the pairs besides all of them; none of too many pairs.
fn proper_subsets<'o>(pairs: &Pairs<'o>) -> impl Iterator<Item = Pairs<'o>> {
    let all = if pairs.len() > LABELS { 0 } else { (1_usize << pairs.len()) - 1 };
    let pairs = pairs.clone();
    (0..all).map(move |mask| {
        let chosen = pairs.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1);
        chosen.map(|(_, pair)| *pair).collect()
    })
}

fn pairs(selector: &StringMap) -> Pairs<'_> {
    selector.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

pub(super) struct Certificates<'o> {
    objects: &'o [Object],
    users: HashMap<Certificate<'o>, Users<'o>>,
}

impl<'o> Certificates<'o> {
    /// Cost: linear in the servers; a selector of n labels costs 2ⁿ lookups, up to eight of them.
    pub(super) fn new(objects: &'o [Object]) -> Self {
        let mut users: HashMap<Certificate<'o>, Users<'o>> = HashMap::new();
        for (at, object) in objects.iter().enumerate() {
            let Some(gateway) = object.as_gateway() else { continue };
            let tls = gateway.servers.iter().filter_map(|server| server.tls.as_ref());
            let own: BTreeSet<_> = tls.flat_map(|tls| certificates(tls).map(|(found, ..)| found)).collect();
            for certificate in own {
                let users = users.entry(certificate).or_default();
                users.by_selector.entry(pairs(&gateway.selector)).or_default().add(at);
            }
        }
        users.values_mut().for_each(Users::relate);
        Self { objects, users }
    }

    pub(super) fn check(&self, report: &mut Report<'_>, at: usize, gateway: &Gateway) {
        let spec = At::OBJECT.field("spec");
        let servers = spec.field("servers");
        let own = pairs(&gateway.selector);
        for (number, server) in gateway.servers.iter().enumerate() {
            let Some(tls) = &server.tls else { continue };
            let server = servers.index(number);
            let at_tls = server.field("tls");
            for (certificate, field, number) in certificates(tls) {
                let users = self.users.get(&certificate).and_then(|users| users.related.get(&own));
                let Some(users) = users else { continue };
                let Some(other) = users.other(at).and_then(|other| self.objects.get(other)) else { continue };
                let field = at_tls.field(field);
                let place = number.map(|number| field.index(number));
                let more = match users.count.saturating_sub(2) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                let name = match certificate {
                    Certificate::Secret(name) | Certificate::Files(name, _) => show(name),
                };
                report
                    .warning(
                        "MODEL-ANA-16",
                        place.as_ref().unwrap_or(&field),
                        format!("`{name}` is the certificate of {}{more} too (IST0138)", other.reference()),
                    )
                    .help(
                        "a browser sends requests for both over one HTTP/2 connection and gets 404 for one; put the \
                         servers into one Gateway, or use two certificates",
                    );
            }
        }
    }
}
