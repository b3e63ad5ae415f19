//! The first message of a TLS client, written byte by byte: for versions and ciphers that no library
//! offers any more.

/// TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, which the server takes.
pub(super) const GOOD_CIPHER: u16 = 0xc02b;
/// Broken ones: RC4, 3DES, and AES and Camellia with CBC, with and without forward secrecy; GCM without
/// it; none at all.
pub(super) const BROKEN_CIPHERS: [u16; 10] =
    [0x0005, 0x000a, 0x002f, 0x0035, 0x0041, 0xc009, 0xc00a, 0xc013, 0x009c, 0x0000];

/// A ClientHello (RFC 5246 section 7.4.1.2) of `version`, such as 0x0302 for TLS 1.1.
pub(super) fn client_hello(version: u16, ciphers: &[u16]) -> Vec<u8> {
    let mut extensions = Vec::new();
    let mut extension = |kind: u16, body: &[u8]| {
        extensions.extend(kind.to_be_bytes());
        extensions.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        extensions.extend(body);
    };
    extension(10, &[0, 4, 0, 29, 0, 23]); // groups: x25519, secp256r1
    extension(11, &[1, 0]); // points: uncompressed
    extension(13, &[0, 4, 4, 3, 4, 1]); // signatures: ecdsa_secp256r1_sha256, rsa_pkcs1_sha256
    extension(23, &[]); // extended master secret
    let mut hello = version.to_be_bytes().to_vec();
    hello.extend([7; 32]);
    hello.push(0);
    hello.extend(u16::try_from(2 * ciphers.len()).unwrap().to_be_bytes());
    hello.extend(ciphers.iter().flat_map(|cipher| cipher.to_be_bytes()));
    hello.extend([1, 0]);
    hello.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    hello.extend(extensions);
    let mut handshake = vec![1, 0];
    handshake.extend(u16::try_from(hello.len()).unwrap().to_be_bytes());
    handshake.extend(hello);
    let mut record = vec![22, 3, 1];
    record.extend(u16::try_from(handshake.len()).unwrap().to_be_bytes());
    record.extend(handshake);
    record
}
