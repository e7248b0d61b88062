//! Why each rule exists.

use std::fmt;

/// Why a rule is there: the id of its rule in the interception reference and one sentence.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Reason {
    id: &'static str,
    text: &'static str,
}

impl Reason {
    /// The id, such as `IPT-OUT-06`.
    pub const fn id(self) -> &'static str {
        self.id
    }

    /// One sentence in lower case.
    pub const fn text(self) -> &'static str {
        self.text
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.id)
    }
}

macro_rules! reasons {
    ($($name:ident $id:literal $text:literal;)*) => {
        $(pub(crate) const $name: Reason = Reason { id: $id, text: $text };)*
    };
}

reasons! {
    EXCLUDED_INTERFACE "IPT-IFX-01" "traffic of an excluded interface is left alone";
    EXCLUDED_INTERFACE_MANGLE "IPT-IFX-02" "traffic of an excluded interface is left alone by TPROXY too";
    VIRTUAL_INTERFACE "IPT-VIF-01" "what a virtual machine sends is outbound and must not meet the inbound rules";
    INVALID_JUMP "IPT-DRP-01" "a packet connection tracking cannot place would reach the application untranslated";
    INVALID_DROP "IPT-DRP-01" "packets connection tracking cannot place are dropped";
    TUNNEL "IPT-INB-01" "the mutual-TLS tunnel is already the proxy's own listener";
    TO_OUTBOUND "IPT-RED-01" "captured outbound traffic goes to the outbound listener";
    TO_INBOUND "IPT-RED-02" "captured inbound traffic goes to the inbound listener";
    DIVERT_MARK "IPT-INB-02" "the mark routes the packet to the local listener";
    DIVERT_ACCEPT "IPT-INB-02" "the socket of a known flow takes the packet";
    TO_TPROXY "IPT-INB-02" "a new flow goes to the transparent listener with its addresses intact";
    INBOUND_JUMP "IPT-INB-03" "arriving TCP passes the inbound rules";
    INBOUND_EXCLUDE "IPT-INB-04" "the port is excluded from inbound capture";
    INBOUND_ALL "IPT-INB-05" "every other inbound port is captured";
    INBOUND_ALL_DIVERT "IPT-INB-06" "packets of known flows go back to their socket";
    INBOUND_ALL_TPROXY "IPT-INB-06" "new flows to any other port are captured";
    INBOUND_PORT "IPT-INB-07" "the port is listed for inbound capture";
    INBOUND_PORT_DIVERT "IPT-INB-08" "packets of known flows to a listed port go back to their socket";
    INBOUND_PORT_TPROXY "IPT-INB-08" "new flows to a listed port are captured";
    OUTPUT_JUMP "IPT-OUT-01" "everything a local process sends passes the outbound rules";
    OUTBOUND_EXCLUDE_PORT "IPT-OUT-02" "the port is excluded from outbound capture";
    FROM_INBOUND_PROXY "IPT-OUT-03" "the proxy hands an inbound request to the application";
    UID_SELF_CALL "IPT-OUT-04" "the proxy calls its own pod, which counts as inbound";
    UID_DIRECT "IPT-OUT-05" "the application calls its own pod directly";
    UID_NO_LOOP "IPT-OUT-06" "the proxy's own traffic must not come back to it";
    GID_SELF_CALL "IPT-OUT-07" "the proxy calls its own pod, which counts as inbound";
    GID_DIRECT "IPT-OUT-08" "the application calls its own pod directly";
    GID_NO_LOOP "IPT-OUT-09" "the proxy's own traffic must not come back to it";
    OWNER_GROUPS "IPT-OUT-10" "only some groups are captured outbound";
    DNS_RAW_JUMP "IPT-DNS-01" "queries and their answers get a tracking zone";
    DNS_NAT_JUMP "IPT-DNS-02" "queries are looked at before destinations are";
    DNS_TCP "IPT-DNS-03" "TCP queries go to the local agent";
    DNS_UDP "IPT-DNS-04" "UDP queries go to the local agent";
    DNS_PROXY_ZONE "IPT-DNS-05" "the agent's own queries are tracked apart from the application's";
    DNS_ANSWER_ZONE "IPT-DNS-05" "the agent's answers belong to the application's flow";
    DNS_ALL_PREROUTING "IPT-DNS-06" "answers from resolvers get a tracking zone";
    DNS_ALL_QUERY_ZONE "IPT-DNS-06" "the application's queries are tracked in their own zone";
    DNS_ALL_ANSWER_ZONE "IPT-DNS-06" "answers from resolvers belong to the agent's flow";
    DNS_PREROUTING "IPT-DNS-07" "answers from the pod's resolvers get a tracking zone";
    DNS_QUERY_ZONE "IPT-DNS-07" "the application's queries to the pod's resolvers are tracked in their own zone";
    DNS_RESPONSE_ZONE "IPT-DNS-07" "answers from the pod's resolvers belong to the agent's flow";
    LOOPBACK "IPT-OUT-11" "calls to the loopback address stay in the pod";
    OUTBOUND_EXCLUDE_RANGE "IPT-OUT-12" "the range is excluded from outbound capture";
    OUTBOUND_PORT "IPT-OUT-13" "the port is listed for outbound capture";
    OUTBOUND_ALL "IPT-OUT-14" "every other destination is captured";
    OUTBOUND_RANGE "IPT-OUT-15" "the range is listed for outbound capture";
    VIRTUAL_ALL "IPT-OUT-14" "what a virtual machine sends is captured as outbound";
    VIRTUAL_RANGE "IPT-OUT-15" "what a virtual machine sends to a listed range is captured as outbound";
    TPROXY_SAVE "IPT-TPX-01" "the answers of this connection must find the proxy again";
    TPROXY_TO_APPLICATION "IPT-TPX-02" "the proxy calls the application with the client's address";
    TPROXY_MARK_PROXY "IPT-TPX-03" "tells the proxy's calls to its own pod from the application's";
    TPROXY_RESTORE "IPT-TPX-04" "the application's answers go back through the proxy";
    TPROXY_SKIP_MARKED "IPT-TPX-05" "what the proxy already handled is not captured again";
    TPROXY_SKIP_SELF "IPT-TPX-06" "the proxy hands an inbound request to the application";
    TPROXY_SKIP_LOCAL "IPT-TPX-07" "the application calls its own pod directly";
    GEN_SSH "PRS-01" "older layouts never captured SSH";
    GEN_SELF_CALL "7.1" "older layouts captured all calls to the own pod, whoever made them";
    GEN_FINAL "7.1" "older layouts ended a list of ranges with an explicit return";
    AMBIENT_JUMP "AMB-01" "the pod's traffic passes the ambient rules";
    AMBIENT_VIRTUAL "AMB-02" "what a virtual machine sends is captured as outbound";
    AMBIENT_VIRTUAL_RETURN "AMB-02" "nothing else looks at what a virtual machine sends";
    AMBIENT_REMEMBER "AMB-03" "the connection remembers that ztunnel opened it";
    AMBIENT_PROBE_IN "AMB-04" "health probes from the node reach the application directly";
    AMBIENT_PROBE_OUT "AMB-05" "answers to health probes leave directly";
    AMBIENT_INBOUND "AMB-06" "plain inbound traffic goes to ztunnel";
    AMBIENT_RESTORE "AMB-07" "the application's answers go back through ztunnel";
    AMBIENT_DNS "AMB-08" "queries go to ztunnel, except its own";
    AMBIENT_DNS_ZONE "AMB-08" "ztunnel's own queries are tracked apart from the application's";
    AMBIENT_KNOWN "AMB-09" "answers of connections ztunnel opened are not captured";
    AMBIENT_SELF "AMB-10" "calls inside the pod stay in the pod";
    AMBIENT_OUTBOUND "AMB-11" "everything else the pod sends goes to ztunnel";
    HOST_JUMP "AMB-15" "what the node sends passes the ambient host rules first";
    HOST_PROBE "AMB-15" "a health probe gets a source address the pod's rules recognise";
    NFT_HOST_PROBE "NFT-49" "a health probe of the kubelet gets a source address the pod's rules recognise";
    FOUND "SAV-10" "found in the kernel's tables";
    GUARDRAIL "RST-08" "nothing may pass while the rules are being replaced";
}
