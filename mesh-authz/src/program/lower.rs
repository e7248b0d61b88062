//! From policies as plain values to the tables of a [`Program`]: the place where values are parsed.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::attribute::{HeaderName, Key};
use super::pattern::{Form, split_request_principal};
use super::{Attribute, Clause, Lists, Origin, Pattern, Program, Rule, Span, Test, Text};
use crate::cidr::IpBlock;
use crate::error::{BuildError, BuildErrorKind, FieldError};
use crate::path_template;
use crate::policy::{Action, Policy, Profile};
use crate::rule::{Condition, Operation, Source, Values};
use crate::trust_domain::TrustDomains;

/// What the meaning of a policy depends on besides its own text.
#[derive(Debug, Clone, Default)]
pub(crate) struct LowerContext {
    pub(crate) trust_domains: TrustDomains,
    pub(crate) strict_namespaces: bool,
    pub(crate) profile: Profile,
}

/// Numbers of the names that conditions ask for, so that each is in the tables once.
#[derive(Debug, Default)]
pub(crate) struct Names {
    headers: HashMap<Box<str>, u32, FixedState>,
    claims: HashMap<Box<[Box<str>]>, u32, FixedState>,
}

/// Adds the rules of `policy`, the one with number `number`, to `program`.
///
/// After an error `program` holds unused entries and nothing worse.
pub(crate) fn lower_policy(
    program: &mut Program,
    names: &mut Names,
    context: &LowerContext,
    policy: &Policy,
    number: u32,
) -> Result<Vec<Rule>, BuildError> {
    let custom = matches!(policy.action, Action::Custom(_));
    if let Some(reason) = &policy.unreadable {
        let at = FieldError {
            field: "spec".to_owned(),
            kind: BuildErrorKind::Unreadable,
            value: reason.as_ref().into(),
        };
        return Err(BuildError::new(&policy.id, None, at));
    }
    if policy.dry_run && !matches!(policy.action, Action::Allow | Action::Deny) {
        let field = "metadata.annotations[istio.io/dry-run]".to_owned();
        let at = FieldError { field, kind: BuildErrorKind::DryRunUnsupported, value: "true".to_owned() };
        return Err(BuildError::new(&policy.id, None, at));
    }
    let ztunnel = context.profile == Profile::Ztunnel;
    if let (true, Some(value)) = (ztunnel, super::ztunnel::unsupported(&policy.action)) {
        let (field, value) = ("spec.action".to_owned(), value.to_owned());
        let at = FieldError { field, kind: BuildErrorKind::NotForZtunnel, value };
        return Err(BuildError::new(&policy.id, None, at));
    }
    let mut lowering = Lowering { program, names, context, namespace: policy.id.namespace(), custom };
    let mut rules = Vec::with_capacity(policy.rules.len());
    for (index, rule) in policy.rules.iter().enumerate() {
        let lowered = lowering.rule(rule, number, index, ztunnel.then_some(&policy.action));
        rules.push(lowered.map_err(|at| BuildError::new(&policy.id, Some(index), at))?);
    }
    Ok(rules)
}

/// Clauses of one entry, before they are put into the tables.
pub(super) type Clauses = Vec<Clause>;

struct Lowering<'p> {
    program: &'p mut Program,
    names: &'p mut Names,
    context: &'p LowerContext,
    namespace: &'p str,
    custom: bool,
}

/// What is wrong with a value, before its path is known.
type Fault = BuildErrorKind;

/// Parses one value of a field and appends what it means.
type Parse<'p> = fn(&mut Lowering<'p>, &str, &mut Vec<Test>) -> Result<(), Fault>;

impl Lowering<'_> {
    /// `ztunnel` is the action of the policy, if ztunnel is to enforce the rule.
    fn rule(
        &mut self,
        rule: &crate::policy::Rule,
        policy: u32,
        index: usize,
        ztunnel: Option<&Action>,
    ) -> Result<Rule, FieldError> {
        let sources = rule.from.iter().enumerate().map(|(i, source)| self.source(i, source));
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        let operations = rule.to.iter().enumerate().map(|(i, operation)| self.operation(i, operation));
        let operations = operations.collect::<Result<Vec<_>, _>>()?;
        let conditions = rule.when.iter().enumerate().map(|(i, condition)| self.condition(i, condition));
        let conditions: Vec<Option<Clause>> = conditions.collect::<Result<_, _>>()?;
        let (sources, operations, conditions, never) = match ztunnel {
            None => (sources, operations, conditions, false),
            Some(action) => super::ztunnel::reduce(action, sources, operations, conditions),
        };
        let mut all: Clauses = conditions.into_iter().flatten().collect();

        let uses_http = |clauses: &Clauses| clauses.iter().any(|c| c.attribute.is_http());
        let mut http = uses_http(&all);
        let mut groups = Vec::new();
        for entries in [sources, operations] {
            http |= entries.iter().any(uses_http);
            if entries.len() > 1 {
                groups.push(entries);
            } else {
                all.extend(entries.into_iter().flatten());
            }
        }
        let clauses = self.clauses(all)?;
        let mut spans = Vec::with_capacity(groups.len());
        for entries in groups {
            let alternatives = entries.into_iter().map(|entry| self.clauses(entry));
            let alternatives = alternatives.collect::<Result<Vec<_>, _>>()?;
            spans.push(append(&mut self.program.alternatives, &alternatives)?);
        }
        Ok(Rule {
            policy,
            index: u32::try_from(index).map_err(|_| too_large())?,
            clauses,
            groups: append(&mut self.program.groups, &spans)?,
            uses_http: http,
            invalid: false,
            never,
        })
    }

    /// Puts the clauses of one conjunction into the table, cheap ones first.
    fn clauses(&mut self, mut clauses: Clauses) -> Result<Span, FieldError> {
        clauses.sort_by_key(|clause| clause.attribute.cost());
        append(&mut self.program.clauses, &clauses)
    }

    fn source(&mut self, index: usize, source: &Source) -> Result<Clauses, FieldError> {
        use Attribute as A;
        let identity =
            |envoy, ztunnel| if self.context.profile == Profile::Ztunnel { ztunnel } else { envoy };
        let fields: [(&str, &Values, Attribute); 7] = [
            ("principals", &source.principals, identity(A::Principal, A::MeshPrincipal)),
            ("requestPrincipals", &source.request_principals, A::RequestPrincipal),
            ("namespaces", &source.namespaces, identity(A::Namespace, A::MeshNamespace)),
            ("serviceAccounts", &source.service_accounts, identity(A::ServiceAccount, A::MeshAccount)),
            ("trustDomains", &source.trust_domains, A::TrustDomain),
            ("ipBlocks", &source.ip_blocks, A::SourceIp),
            ("remoteIpBlocks", &source.remote_ip_blocks, A::RemoteIp),
        ];
        self.entry(&|| format!("from[{index}].source"), Origin::From(small(index)), &fields)
    }

    fn operation(&mut self, index: usize, operation: &Operation) -> Result<Clauses, FieldError> {
        let fields: [(&str, &Values, Attribute); 4] = [
            ("hosts", &operation.hosts, Attribute::Host),
            ("ports", &operation.ports, Attribute::DestinationPort),
            ("methods", &operation.methods, Attribute::Method),
            ("paths", &operation.paths, Attribute::Path),
        ];
        self.entry(&|| format!("to[{index}].operation"), Origin::To(small(index)), &fields)
    }

    fn entry(
        &mut self,
        path: &dyn Fn() -> String,
        origin: Origin,
        fields: &[(&str, &Values, Attribute)],
    ) -> Result<Clauses, FieldError> {
        let mut clauses = Vec::new();
        for &(name, values, attribute) in fields {
            let not = || format!("{}.not{}", path(), capitalized(name));
            clauses.extend(self.clause(attribute, origin, values, &|| format!("{}.{name}", path()), &not)?);
        }
        Ok(clauses)
    }

    fn condition(&mut self, index: usize, condition: &Condition) -> Result<Option<Clause>, FieldError> {
        let path = || format!("when[{index}]");
        let key = Key::parse(&condition.key).and_then(|key| self.attribute(key));
        let attribute = key.map_err(|kind| FieldError {
            field: format!("{}.key", path()),
            kind,
            value: condition.key.clone(),
        })?;
        if self.custom && attribute.is_identity() {
            let kind = BuildErrorKind::NotForCustom;
            return Err(FieldError { field: format!("{}.key", path()), kind, value: condition.key.clone() });
        }
        let origin = Origin::When(small(index));
        let not = || format!("{}.notValues", path());
        self.clause(attribute, origin, &condition.values, &|| format!("{}.values", path()), &not)
    }

    /// The number of the header, claim or metadata entry that a condition asks for.
    fn attribute(&mut self, key: Key) -> Result<Attribute, Fault> {
        let next = |len: usize| u32::try_from(len).map_err(|_| Fault::TooLarge);
        match key {
            Key::Fixed(attribute) => Ok(match (self.context.profile, attribute) {
                (Profile::Ztunnel, Attribute::Principal) => Attribute::MeshPrincipal,
                (Profile::Ztunnel, Attribute::Namespace) => Attribute::MeshNamespace,
                (_, attribute) => attribute,
            }),
            Key::Header(name) => {
                if let Some(&known) = self.names.headers.get(name.as_str()) {
                    return Ok(Attribute::Header(known));
                }
                let number = next(self.program.headers.len())?;
                self.names.headers.insert(HeaderName::as_str(&name).into(), number);
                self.program.headers.push(name);
                Ok(Attribute::Header(number))
            }
            Key::Claim(path) => {
                let path = path.into_boxed_slice();
                if let Some(&known) = self.names.claims.get(&path) {
                    return Ok(Attribute::Claim(known));
                }
                let number = next(self.program.claims.len())?;
                self.names.claims.insert(path.clone(), number);
                self.program.claims.push(path);
                Ok(Attribute::Claim(number))
            }
            Key::Metadata(key) => {
                let number = next(self.program.metadata.len())?;
                self.program.metadata.push(key);
                Ok(Attribute::Metadata(number))
            }
        }
    }

    /// The clause of a field and its negation; `None` if neither has a value (AUTHZ-RULE-06).
    fn clause(
        &mut self,
        attribute: Attribute,
        origin: Origin,
        values: &Values,
        path: &dyn Fn() -> String,
        not_path: &dyn Fn() -> String,
    ) -> Result<Option<Clause>, FieldError> {
        if values.values.is_empty() && values.not.is_empty() {
            return Ok(None);
        }
        if self.custom && attribute.is_identity() {
            let field = if values.values.is_empty() { not_path() } else { path() };
            let value = values.values.iter().chain(&values.not).next().cloned().unwrap_or_default();
            return Err(FieldError { field: format!("{field}[0]"), kind: Fault::NotForCustom, value });
        }
        let tests = self.tests(attribute, &values.values, path)?;
        let negated = self.tests(attribute, &values.not, not_path)?;
        if let ([test], []) = (&*tests, &*negated) {
            let plain = !values.values.iter().any(|value| value.contains(['?', '#']));
            return Ok(Some(Clause::one(attribute, origin, *test, plain)));
        }
        let number = u32::try_from(self.program.lists.len()).map_err(|_| too_large())?;
        let tests = append(&mut self.program.tests, &tests)?;
        let negated = append(&mut self.program.tests, &negated)?;
        self.program.lists.push(Lists { tests, negated });
        Ok(Some(Clause::lists(attribute, origin, number)))
    }

    fn tests(
        &mut self,
        attribute: Attribute,
        values: &[String],
        path: &dyn Fn() -> String,
    ) -> Result<Vec<Test>, FieldError> {
        let parse = parser(attribute);
        let mut tests = Vec::with_capacity(values.len());
        for (index, value) in values.iter().enumerate() {
            let parsed =
                if value.is_empty() { Err(Fault::EmptyValue) } else { parse(self, value, &mut tests) };
            parsed.map_err(|kind| FieldError {
                field: format!("{}[{index}]", path()),
                kind,
                value: value.clone(),
            })?;
        }
        Ok(tests)
    }

    fn text(&mut self, text: &str) -> Result<Text, Fault> {
        self.program.texts.intern(text.as_bytes()).ok_or(Fault::TooLarge)
    }

    fn pattern(&mut self, form: Form<'_>) -> Result<Pattern, Fault> {
        Ok(match form {
            Form::Exact(text) => Pattern::Exact(self.text(text)?),
            Form::Prefix(text) => Pattern::Prefix(self.text(text)?),
            Form::Suffix(text) => Pattern::Suffix(self.text(text)?),
            Form::Present => Pattern::Present,
        })
    }

    fn string(&mut self, value: &str, tests: &mut Vec<Test>) -> Result<(), Fault> {
        tests.push(Test::String(self.pattern(Form::parse(value))?));
        Ok(())
    }

    fn host(&mut self, value: &str, tests: &mut Vec<Test>) -> Result<(), Fault> {
        self.string(&value.to_ascii_lowercase(), tests)
    }

    fn principal(&mut self, value: &str, tests: &mut Vec<Test>) -> Result<(), Fault> {
        let context = self.context;
        for principal in context.trust_domains.expand_principal(value) {
            self.string(&principal, tests)?;
        }
        Ok(())
    }

    fn trust_domain(&mut self, value: &str, tests: &mut Vec<Test>) -> Result<(), Fault> {
        let stars = value.matches('*').count();
        let at_an_end = value.starts_with('*') || value.ends_with('*');
        if value.contains('/') || stars > 1 || (stars == 1 && !at_an_end) {
            return Err(Fault::InvalidTrustDomain);
        }
        let context = self.context;
        for domain in context.trust_domains.expand_trust_domain(value) {
            tests.push(Test::TrustDomain(self.text(domain)?));
        }
        Ok(())
    }

    fn namespace(&mut self, value: &str, tests: &mut Vec<Test>) -> Result<(), Fault> {
        let text = self.text(&format!("/ns/{value}/"))?;
        tests.push(if self.context.strict_namespaces {
            Test::StrictNamespace(text)
        } else {
            Test::Namespace(text)
        });
        Ok(())
    }

    fn service_account(&mut self, value: &str, tests: &mut Vec<Test>) -> Result<(), Fault> {
        let (namespace, account) = value.split_once('/').unwrap_or((self.namespace, value));
        let valid = !account.is_empty() && !namespace.is_empty() && !account.contains('/');
        if !valid || value.contains('*') {
            return Err(Fault::InvalidServiceAccount);
        }
        tests.push(Test::ServiceAccount(self.text(&format!("{namespace}/sa/{account}"))?));
        Ok(())
    }

    fn request_principal(&mut self, value: &str, tests: &mut Vec<Test>) -> Result<(), Fault> {
        let (issuer, subject) = split_request_principal(value);
        let patterns = (self.pattern(issuer)?, self.pattern(subject)?);
        let number = u32::try_from(self.program.request_principals.len()).map_err(|_| Fault::TooLarge)?;
        self.program.request_principals.push(patterns);
        tests.push(Test::RequestPrincipal(number));
        Ok(())
    }

    fn path(&mut self, value: &str, tests: &mut Vec<Test>) -> Result<(), Fault> {
        if path_template::is_template(value) {
            if !path_template::is_valid(value) {
                return Err(Fault::InvalidPathTemplate);
            }
            tests.push(Test::Template(self.text(value)?));
            return Ok(());
        }
        // Braces are reserved for the two operators (AUTHZ-VAL-07).
        if value.contains(['{', '}']) { Err(Fault::InvalidPathTemplate) } else { self.string(value, tests) }
    }

    fn block(&mut self, value: &str, tests: &mut Vec<Test>) -> Result<(), Fault> {
        let block = IpBlock::parse(value).ok_or(Fault::InvalidIpBlock)?;
        let number = u32::try_from(self.program.blocks.len()).map_err(|_| Fault::TooLarge)?;
        self.program.blocks.push(block);
        tests.push(Test::Block(number));
        Ok(())
    }

    #[allow(clippy::unused_self, reason = "has the shape of the other parsers")]
    fn port(&mut self, value: &str, tests: &mut Vec<Test>) -> Result<(), Fault> {
        // `u16::from_str` accepts a leading `+`, which OP-05 does not.
        let digits = value.bytes().all(|b| b.is_ascii_digit());
        let port = value.parse().ok().filter(|_| digits).ok_or(Fault::InvalidPort)?;
        tests.push(Test::Port(port));
        Ok(())
    }

    fn metadata(&mut self, value: &str, tests: &mut Vec<Test>) -> Result<(), Fault> {
        match value.strip_prefix('[').and_then(|v| v.strip_suffix(']')) {
            Some("") => Err(Fault::EmptyValue),
            Some(listed) => {
                let pattern = self.pattern(Form::parse(listed))?;
                let number = u32::try_from(self.program.listed.len()).map_err(|_| Fault::TooLarge)?;
                self.program.listed.push(pattern);
                tests.push(Test::Listed(number));
                Ok(())
            }
            None => self.string(value, tests),
        }
    }
}

/// How the values of `attribute` are written.
fn parser<'p>(attribute: Attribute) -> Parse<'p> {
    match attribute {
        Attribute::Principal => Lowering::principal,
        Attribute::Namespace => Lowering::namespace,
        Attribute::ServiceAccount | Attribute::MeshAccount => Lowering::service_account,
        Attribute::TrustDomain => Lowering::trust_domain,
        Attribute::SourceIp | Attribute::RemoteIp | Attribute::DestinationIp => Lowering::block,
        Attribute::DestinationPort => Lowering::port,
        Attribute::Metadata(_) => Lowering::metadata,
        Attribute::Host => Lowering::host,
        Attribute::Path => Lowering::path,
        Attribute::RequestPrincipal => Lowering::request_principal,
        Attribute::MeshPrincipal | Attribute::MeshNamespace => Lowering::string,
        Attribute::Sni | Attribute::Method | Attribute::Header(_) | Attribute::Claim(_) => Lowering::string,
    }
}

fn append<T: Copy>(table: &mut Vec<T>, items: &[T]) -> Result<Span, FieldError> {
    Span::append(table, items).ok_or_else(too_large)
}

fn too_large() -> FieldError {
    FieldError { field: String::new(), kind: Fault::TooLarge, value: String::new() }
}

/// Entries are numbered for explanations only; Istio's schema stops at 512 of them (AUTHZ-VAL-11).
fn small(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}

fn capitalized(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}
