//! Every limit of this crate, with its unit and the reason for the number.

/// Deepest nesting of a JSON body, a count: what is deeper costs stack and is hardly ever meant.
pub const JSON_DEPTH_MAX: usize = 64;
/// Most values in a JSON body, a count: a megabyte of small numbers.
pub const JSON_VALUES_MAX: usize = 200_000;
/// Most members of one object, a count.
pub const JSON_MEMBERS_MAX: usize = 10_000;
/// Longest number in a JSON body, in bytes: more than any double prints.
pub const NUMBER_BYTES_MAX: usize = 400;

/// Deepest nesting of an API's document, a count.
pub const DOCUMENT_DEPTH_MAX: usize = 96;
/// Most values in an API's document, a count.
pub const DOCUMENT_VALUES_MAX: usize = 1_000_000;
/// Most schemas in one document, a count: each takes some 300 bytes of a guard's memory.
pub const SCHEMAS_MAX: usize = 60_000;
/// Deepest nesting of schemas in a document, a count.
pub const SCHEMA_DEPTH_MAX: usize = 64;
/// Most operations in one document, a count.
pub const OPERATIONS_MAX: usize = 5_000;
/// Most mistakes of a document that are reported, a count: more than anybody reads at once.
pub const ERRORS_MAX: usize = 100;
/// References followed one after the other until something is found that is none, a count.
pub const REFERENCES_MAX: usize = 32;
/// Longest regular expression in a document, in bytes.
pub const PATTERN_BYTES_MAX: usize = 4096;
/// Different regular expressions in one document, a count: each may take some 100 KiB.
pub const PATTERNS_MAX: usize = 1_000;
/// Largest compiled regular expression, in bytes.
pub const PATTERN_PROGRAM_BYTES_MAX: usize = 1 << 20;

/// Steps of checking one body, a count: one schema applied to one value. Alternatives within alternatives could ask for
/// any number of them.
pub const STEPS_MAX: u32 = 2_000_000;

/// Query parameters of a request, a count.
pub const QUERY_PARAMETERS_MAX: usize = 500;
/// Items or members of a parameter, a count.
pub const PARAMETER_ITEMS_MAX: usize = 500;

/// Tokens of a GraphQL document, a count.
pub const GRAPHQL_TOKENS_MAX: usize = 10_000;
/// Deepest nesting that the parser of GraphQL goes into, a count; what routes allow is less.
pub const GRAPHQL_NESTING_MAX: usize = 64;

/// Most bytes that packed content may grow to, as a multiple of its own: what people pack grows tenfold, dull lists fiftyfold, bombs a
/// thousandfold.
pub const UNPACK_RATIO_MAX: usize = 128;
/// Bytes up to which it does not matter how much packed content grows.
pub const UNPACK_FREE_BYTES: usize = 64 << 10;
/// Bytes that packed content grows by before it is looked at again how large it is.
pub const UNPACK_PIECE_BYTES: usize = 16 << 10;
