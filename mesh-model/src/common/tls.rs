//! TLS settings of servers (Gateway, Sidecar) and of clients (DestinationRule).

use crate::macros::{not_empty_list, spec, spec_enum};

not_empty_list!(not_empty, "MODEL-STLS-7", "remove the field, or name a certificate in it");

spec_enum! {
    /// How a server treats TLS.
    pub enum ServerTlsMode {
        /// Forward by SNI without terminating.
        #[default]
        Passthrough = "PASSTHROUGH",
        /// Terminate with the server's certificate.
        Simple = "SIMPLE",
        /// Terminate and require a client certificate.
        Mutual = "MUTUAL",
        /// Forward by an SNI that encodes the service.
        AutoPassthrough = "AUTO_PASSTHROUGH",
        /// Terminate with the mesh certificate and require a mesh client.
        IstioMutual = "ISTIO_MUTUAL",
        /// Terminate and accept a client certificate if there is one.
        OptionalMutual = "OPTIONAL_MUTUAL",
    }

    /// How a client originates TLS.
    pub enum ClientTlsMode {
        /// No TLS.
        #[default]
        Disable = "DISABLE",
        /// TLS without client certificate.
        Simple = "SIMPLE",
        /// TLS with the given client certificate.
        Mutual = "MUTUAL",
        /// TLS with the mesh certificate.
        IstioMutual = "ISTIO_MUTUAL",
    }

    /// A TLS version bound.
    pub enum TlsProtocol {
        /// The proxy's choice; as a minimum, TLS 1.2.
        #[default]
        Auto = "TLS_AUTO",
        /// TLS 1.0.
        V1_0 = "TLSV1_0",
        /// TLS 1.1.
        V1_1 = "TLSV1_1",
        /// TLS 1.2.
        V1_2 = "TLSV1_2",
        /// TLS 1.3.
        V1_3 = "TLSV1_3",
    }
}

spec! {
    /// TLS of a Gateway server or a Sidecar ingress listener.
    pub struct ServerTlsSettings {
        /// Answer with a 301 to `https`; HTTP servers only.
        pub https_redirect: bool,
        /// See [`ServerTlsMode`].
        pub mode: ServerTlsMode,
        /// Path of the certificate.
        pub server_certificate: String,
        /// Path of the key.
        pub private_key: String,
        /// Path of the CA that signs client certificates.
        pub ca_certificates: String,
        /// Path of the revocation list.
        pub ca_crl: String,
        /// Secret in the gateway pod's namespace (MODEL-RES-40).
        pub credential_name: String,
        /// An RSA and an ECDSA pair.
        #[serde(deserialize_with = "not_empty")]
        pub credential_names: Vec<String>,
        /// Secret or ConfigMap with the CA; beats the CA of `credentialName`.
        pub ca_cert_credential_name: String,
        /// One or two pairs by path.
        #[serde(deserialize_with = "not_empty")]
        pub tls_certificates: Vec<TlsCertificate>,
        /// Accepted identities of the client.
        pub subject_alt_names: Vec<String>,
        /// Base64 SHA-256 of accepted public keys.
        pub verify_certificate_spki: Vec<String>,
        /// Hex SHA-256 of accepted certificates.
        pub verify_certificate_hash: Vec<String>,
        /// Lowest version.
        pub min_protocol_version: TlsProtocol,
        /// Highest version.
        pub max_protocol_version: TlsProtocol,
        /// Empty means the proxy's list.
        pub cipher_suites: Vec<String>,
        /// Accept even when the client certificate does not verify.
        pub insecure_skip_verify: Option<bool>,
    }

    /// A certificate and key by path.
    pub struct TlsCertificate {
        /// Path of the certificate.
        pub server_certificate: String,
        /// Path of the key.
        pub private_key: String,
        /// Path of the CA.
        pub ca_certificates: String,
    }

    /// TLS towards an upstream.
    pub struct ClientTlsSettings {
        /// See [`ClientTlsMode`].
        pub mode: ClientTlsMode,
        /// Path of the client certificate.
        pub client_certificate: String,
        /// Path of the client key.
        pub private_key: String,
        /// Path of the CA; empty is the operating system's store.
        pub ca_certificates: String,
        /// Path of the revocation list.
        pub ca_crl: String,
        /// Secret (MODEL-RES-40).
        pub credential_name: String,
        /// Accepted identities of the server; overrides those of a ServiceEntry.
        pub subject_alt_names: Vec<String>,
        /// SNI to send; empty is the host header (SIMPLE, MUTUAL).
        pub sni: String,
        /// Do not verify the server.
        pub insecure_skip_verify: Option<bool>,
    }
}
