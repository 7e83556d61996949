//! The rules that a request's framing can break; each has a word for events and a status for the answer.

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:literal;)*) => {
        /// A rule of RFC 9112 (or a limit of ours) that input broke.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Rule { $($(#[$doc])* $name,)* }

        impl Rule {
            /// Every rule, in the order of the manual.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word in events and answers.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The HTTP status that names it best.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
        }
    };
}

rules! {
    /// A line ends in LF without CR: readers disagree whether that ends a line (RFC 9112 section 2.2).
    BareLf = "bare_lf", 400;
    /// A CR that no LF follows (RFC 9112 section 2.2).
    BareCr = "bare_cr", 400;
    /// An empty line or white space stands before the request line.
    LeadingSpace = "leading_space", 400;
    /// The request line is not `method SP target SP version`.
    RequestLine = "request_line", 400;
    /// The method is not a token or longer than [`crate::limits::METHOD_BYTES_MAX`].
    Method = "method", 400;
    /// CONNECT would open a tunnel to anywhere.
    MethodConnect = "method_connect", 405;
    /// TRACE echoes credentials.
    MethodTrace = "method_trace", 405;
    /// The target has a character outside of RFC 3986, or is not in origin form.
    Target = "target", 400;
    /// The target names a host of its own, which may differ from `Host`.
    TargetAbsolute = "target_absolute", 400;
    /// The target is longer than [`crate::limits::TARGET_BYTES_MAX`].
    TargetTooLong = "target_too_long", 414;
    /// Neither HTTP/1.1 nor HTTP/1.0.
    Version = "version", 505;
    /// The head is longer than [`crate::limits::HEAD_BYTES_MAX`].
    HeadTooLarge = "head_too_large", 431;
    /// More header lines than [`crate::limits::HEADERS_MAX`].
    TooManyHeaders = "too_many_headers", 431;
    /// A header line begins with white space (folding, RFC 9112 section 5.2).
    ObsFold = "obs_fold", 400;
    /// White space before the colon: some readers take it as part of the name (RFC 9112 section 5.1).
    SpaceBeforeColon = "space_before_colon", 400;
    /// A header name is empty or not a token.
    HeaderName = "header_name", 400;
    /// A control character in a header value.
    HeaderValue = "header_value", 400;
    /// `content_length` and its like: programs behind CGI-style gateways take `_` for `-`.
    LookalikeHeader = "lookalike_header", 400;
    /// HTTP/1.1 without `Host` (RFC 9112 section 3.2).
    HostMissing = "host_missing", 400;
    /// More than one `Host`, or one that differs from `:authority`.
    HostDuplicate = "host_duplicate", 400;
    /// `Host` is not a name, an address or one of these with a port.
    HostInvalid = "host_invalid", 400;
    /// `Content-Length` is not a plain number that fits 64 bits.
    ContentLengthInvalid = "content_length_invalid", 400;
    /// More than one `Content-Length`, even where they agree.
    ContentLengthDuplicate = "content_length_duplicate", 400;
    /// `Transfer-Encoding` is something else than `chunked`, or stands twice.
    TransferEncoding = "transfer_encoding", 400;
    /// HTTP/1.0 has no transfer coding; a 1.0 reader would take the chunks for a second request.
    TransferEncodingInHttp10 = "transfer_encoding_in_http10", 400;
    /// Both lengths at once: the classic of request smuggling (RFC 9112 section 6.1).
    ContentLengthAndTransferEncoding = "content_length_and_transfer_encoding", 400;
    /// A protocol switch with a body: where the body ends and the new protocol begins is easily misread.
    UpgradeWithBody = "upgrade_with_body", 400;
    /// A chunk size is not a hexadecimal number below 2^63.
    ChunkSize = "chunk_size", 400;
    /// A chunk size line is longer than [`crate::limits::CHUNK_LINE_BYTES_MAX`] or has a control character.
    ChunkLine = "chunk_line", 400;
    /// More chunk extension bytes in one body than [`crate::limits::CHUNK_EXTENSION_BYTES_MAX`].
    ChunkExtensions = "chunk_extensions", 400;
    /// Chunk data is not followed by CR LF.
    ChunkEnd = "chunk_end", 400;
    /// The trailer section is longer than [`crate::limits::TRAILER_BYTES_MAX`].
    TrailersTooLarge = "trailers_too_large", 431;
    /// A trailer that decides framing or routing (RFC 9110 section 6.5.1).
    TrailerForbidden = "trailer_forbidden", 400;
    /// The head took longer than [`crate::limits::HEAD_TIME`].
    SlowHead = "slow_head", 408;
    /// The body stood still for [`crate::limits::BODY_STALL_TIME`].
    SlowBody = "slow_body", 408;
    /// A leg broke its protocol, or brought what breaks a rule of HTTP.
    Leg = "leg", 400;
    /// HTTP/2 was broken, or used to make work: see [`crate::flood`].
    Http2 = "http2", 400;
    /// The body of a request came where none was announced; seen only where our two readers disagree.
    Parser = "parser", 400;
}

impl Rule {
    /// Whether no client of good will breaks it: what makes readers disagree about where a request ends or what it says, and what
    /// is a flood. Left out is what a clumsy or slow client does: too long, too slow, no HTTP at all.
    pub const fn is_attack(self) -> bool {
        match self {
            Self::BareLf
            | Self::BareCr
            | Self::ObsFold
            | Self::SpaceBeforeColon
            | Self::HeaderName
            | Self::HeaderValue
            | Self::LookalikeHeader
            | Self::HostDuplicate
            | Self::ContentLengthInvalid
            | Self::ContentLengthDuplicate
            | Self::TransferEncoding
            | Self::TransferEncodingInHttp10
            | Self::ContentLengthAndTransferEncoding
            | Self::UpgradeWithBody
            | Self::ChunkSize
            | Self::ChunkLine
            | Self::ChunkExtensions
            | Self::ChunkEnd
            | Self::TrailerForbidden
            | Self::MethodConnect
            | Self::MethodTrace
            | Self::Leg
            | Self::Http2
            | Self::Parser => true,
            Self::LeadingSpace
            | Self::RequestLine
            | Self::Method
            | Self::Target
            | Self::TargetAbsolute
            | Self::TargetTooLong
            | Self::Version
            | Self::HeadTooLarge
            | Self::TooManyHeaders
            | Self::HostMissing
            | Self::HostInvalid
            | Self::TrailersTooLarge
            | Self::SlowHead
            | Self::SlowBody => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_statuses_are_errors() {
        let words: std::collections::BTreeSet<_> = Rule::ALL.iter().map(|r| r.word()).collect();
        assert_eq!(words.len(), Rule::ALL.len());
        for rule in Rule::ALL {
            assert!((400..=505).contains(&rule.status()), "{rule:?}");
            assert!(rule.word().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
        }
    }
}
