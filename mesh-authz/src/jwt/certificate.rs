//! Keys inside certificates (AUTHZ-JWKS-05).

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use webpki::EndEntityCert;

/// The DER of `rsaEncryption`, 1.2.840.113549.1.1.1, as it stands in every RSA key's `SubjectPublicKeyInfo`.
const RSA_ENCRYPTION: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// The public key of the first certificate in `pem` as `SubjectPublicKeyInfo`; `None` if it is no RSA key.
///
/// The certificate is a wrapping only: as in Envoy, neither its signature nor its times mean anything here.
pub(crate) fn rsa_key(pem: &str) -> Option<Box<[u8]>> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let key = EndEntityCert::try_from(&der).ok()?.subject_public_key_info();
    // Outer and inner header take at most four bytes each.
    let head = key.get(..RSA_ENCRYPTION.len() + 8)?;
    let is_rsa = head.windows(RSA_ENCRYPTION.len()).any(|window| window == RSA_ENCRYPTION);
    is_rsa.then(|| key.as_ref().into())
}
