//! Lines of the access log, in Istio's default format (`PROXY-LOG-02`).

/// One line, field by field.
#[derive(Clone, Debug)]
pub(crate) struct LogLine {
    pub(crate) start: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) protocol: String,
    pub(crate) code: u16,
    /// Sorted: neither the references nor Envoy's versions agree on their order.
    pub(crate) flags: Vec<String>,
    pub(crate) details: String,
    pub(crate) transport_failure: String,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) duration: u64,
    pub(crate) service_time: String,
    pub(crate) forwarded_for: String,
    pub(crate) user_agent: String,
    pub(crate) request_id: String,
    pub(crate) authority: String,
    pub(crate) upstream: String,
    pub(crate) cluster: String,
    pub(crate) upstream_local: String,
    pub(crate) downstream_local: String,
    pub(crate) downstream_remote: String,
    pub(crate) route: String,
}

impl LogLine {
    /// Reads a line; `None` when it has another form.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut fields = split(line).into_iter();
        let mut next = || fields.next();
        let start = next()?.strip_prefix('[')?.strip_suffix(']')?.to_owned();
        let request = next()?;
        let mut request = request.splitn(3, ' ').map(str::to_owned);
        let line = Self {
            start,
            method: request.next()?,
            path: request.next()?,
            protocol: request.next()?,
            code: next()?.parse().ok()?,
            flags: {
                let mut flags: Vec<_> = next()?.split(',').map(str::to_owned).collect();
                flags.sort();
                flags
            },
            details: next()?,
            transport_failure: {
                let termination_details = next()?;
                if termination_details != "-" {
                    return None;
                }
                next()?
            },
            received: next()?.parse().ok()?,
            sent: next()?.parse().ok()?,
            duration: next()?.parse().ok()?,
            service_time: next()?,
            forwarded_for: next()?,
            user_agent: next()?,
            request_id: next()?,
            authority: next()?,
            upstream: next()?,
            cluster: next()?,
            upstream_local: next()?,
            downstream_local: next()?,
            downstream_remote: next()?,
            route: {
                let requested_server_name = next()?;
                if requested_server_name != "-" {
                    return None;
                }
                next()?
            },
        };
        next().is_none().then_some(line)
    }
}

/// Splits at blanks outside of quotes; the quotes go.
fn split(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => fields.push(String::new()),
            c => fields.last_mut().expect("at least one").push(c),
        }
    }
    fields
}
