//! Why a server is not asked, and why it gave no answer. No message holds an address's query, a token or
//! a word of what a server answered.

/// Why a server that a call names is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("longer than 1024 bytes")]
    TooLong,
    #[error("holds a character that no address of a FHIR server needs")]
    Character,
    #[error("must begin with https:// (http:// only on this machine)")]
    Scheme,
    #[error("holds a name or password: leave it out")]
    UserInfo,
    #[error("holds a query or a fragment: leave it out")]
    Query,
    #[error("has no host, or one that is neither a name nor an IP address in its usual spelling")]
    Host,
    #[error("has a port that is none")]
    Port,
    #[error("has an empty step in its path, or one that leads up")]
    Path,
    #[error("is not among the servers that may be asked (`ehr.fhir_servers`)")]
    NotListed,
}

/// Why a server gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error("the question does not stay inside the FHIR server's address")]
    Query,
    #[error("the access token is no text that a header can carry")]
    Token,
    #[error("the FHIR server's name is not known")]
    HostUnknown,
    #[error(
        "the FHIR server's name leads to an address that is never asked (this machine, link-local, \
         multicast, reserved)"
    )]
    AddressRefused,
    #[error("no connection to the FHIR server")]
    NoConnection,
    #[error(
        "the FHIR server's certificate is not trusted; name its authority in `ehr.fhir_ca_file`"
    )]
    NotTrusted,
    #[error("the FHIR server did not answer in time")]
    TooSlow,
    #[error("the FHIR server answered with a redirect (status {0}), which is never followed")]
    Redirect(u16),
    #[error("the FHIR server answered with status {0}")]
    Status(u16),
    #[error("the FHIR server's answer is compressed, which was not asked for")]
    Compressed,
    #[error("the FHIR server's answer is not FHIR in JSON")]
    NotFhir,
    #[error("the FHIR server's answer is no good HTTP")]
    NotHttp,
    #[error("the FHIR server's answers exceed the bytes of one call")]
    TooLarge,
    #[error("the FHIR server's answers exceed the pages of one call")]
    TooManyPages,
    #[error("the next page lies outside the FHIR server's address")]
    NextPage,
    #[error("the machine gives no further thread")]
    NoThread,
}
