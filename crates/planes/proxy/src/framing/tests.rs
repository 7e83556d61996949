//! Each rule of the framing guard, and what holds for all input.

use super::*;
use proptest::prelude::*;

/// What a whole connection's bytes came to: the heads, the bytes passed on, and the rule that ended it.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    heads: Vec<Head>,
    passed: usize,
    refused: Option<Rule>,
}

/// Feeds `input` in pieces that end at `cuts`. A protocol switch is always declined.
fn feed(input: &[u8], cuts: &[usize]) -> Outcome {
    let mut guard = Guard::default();
    let mut outcome = Outcome { heads: vec![], passed: 0, refused: None };
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut % (input.len() + 1)).chain([input.len()]).collect();
    ends.sort_unstable();
    for end in ends {
        loop {
            match guard.judge(&input[outcome.passed..end.max(outcome.passed)]) {
                Verdict::More => break,
                Verdict::Body(bytes) => outcome.passed += bytes,
                Verdict::Head { bytes, head } => {
                    outcome.passed += bytes;
                    outcome.heads.push(head);
                    guard.decide(false);
                }
                Verdict::Refuse(rule) => {
                    outcome.refused = Some(rule);
                    return outcome;
                }
            }
        }
    }
    outcome
}

fn rule_of(input: &str) -> Option<Rule> {
    feed(input.as_bytes(), &[]).refused
}

/// A request with `lines` as its header section after `Host`.
fn with(lines: &str) -> String {
    format!("POST /x HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

#[test]
fn accepts_ordinary_requests_whole() {
    for (text, heads) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1),
        ("GET /a?b=c&d=%20{x|y} HTTP/1.1\r\nhost:a.example:8080\r\naccept: */*\r\n\r\n", 1),
        ("GET / HTTP/1.0\r\n\r\n", 1),
        ("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", 2),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: a\r\n\r\n", 2),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\n00\r\nx-sum: 1\r\n\r\n", 1),
        ("PROPFIND / HTTP/1.1\r\nHost: a\r\nx-empty:\r\nx-utf8: \u{e9}\r\n\r\n", 1),
        ("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n", 1),
    ] {
        let outcome = feed(text.as_bytes(), &[]);
        assert_eq!((outcome.refused, outcome.heads.len(), outcome.passed), (None, heads, text.len()), "{text:?}");
    }
}

#[test]
fn refuses_each_broken_head_by_its_rule() {
    use Rule::*;
    let many = "x: y\r\n".repeat(limits::HEADERS_MAX);
    let long = format!("x: {}\r\n", "y".repeat(limits::HEAD_BYTES_MAX));
    let cases = [
        ("GET / HTTP/1.1\nHost: a\n\n".to_owned(), BareLf),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n".to_owned(), BareLf),
        (with("x: a\rb\r\n"), BareCr),
        ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), LeadingSpace),
        (" GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), RequestLine),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), RequestLine),
        ("GET /\r\nHost: a\r\n\r\n".to_owned(), RequestLine),
        ("G\u{e9}T / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Method),
        (format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(33)), Method),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), MethodConnect),
        ("post / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Method),
        ("trace / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), MethodTrace),
        ("GET /#x HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Target),
        ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Target),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Target),
        ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), TargetAbsolute),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(limits::TARGET_BYTES_MAX)), TargetTooLong),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n".to_owned(), Version),
        ("GET / http/1.1\r\nHost: a\r\n\r\n".to_owned(), Version),
        ("GET / HTTP/1.10\r\nHost: a\r\n\r\n".to_owned(), Version),
        (with(&long), HeadTooLarge),
        (with(&many), TooManyHeaders),
        (with("x: a\r\n b\r\n"), ObsFold),
        (with("Content-Length : 0\r\n"), SpaceBeforeColon),
        (with("x\t: 0\r\n"), SpaceBeforeColon),
        (with(": 0\r\n"), HeaderName),
        (with("no colon\r\n"), HeaderName),
        (with("x y: 0\r\n"), HeaderName),
        (with("x\u{0}y: 0\r\n"), HeaderName),
        (with("x: a\u{0}b\r\n"), HeaderValue),
        (with("x: a\u{7f}b\r\n"), HeaderValue),
        (with("Content-Length: \u{b}5\r\n"), HeaderValue),
        (with("content_length: 5\r\n"), LookalikeHeader),
        (with("Transfer_Encoding: chunked\r\n"), LookalikeHeader),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), HostMissing),
        (with("host: a\r\n"), HostDuplicate),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned(), HostInvalid),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n".to_owned(), HostInvalid),
        ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n".to_owned(), HostInvalid),
        ("GET / HTTP/1.1\r\nHost: a:\r\n\r\n".to_owned(), HostInvalid),
        ("GET / HTTP/1.1\r\nHost: a:123456\r\n\r\n".to_owned(), HostInvalid),
        ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n".to_owned(), HostInvalid),
        ("GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n".to_owned(), HostInvalid),
        (with("Content-Length: +5\r\n"), ContentLengthInvalid),
        (with("Content-Length: -1\r\n"), ContentLengthInvalid),
        (with("Content-Length: 5, 5\r\n"), ContentLengthInvalid),
        (with("Content-Length:  0x5\r\n"), ContentLengthInvalid),
        (with("Content-Length: 5 5\r\n"), ContentLengthInvalid),
        (with("Content-Length:\r\n"), ContentLengthInvalid),
        (with("Content-Length: 18446744073709551616\r\n"), ContentLengthInvalid),
        (with("Content-Length: 9223372036854775808\r\n"), ContentLengthInvalid),
        (with("Content-Length: 5\r\nContent-Length: 6\r\n"), ContentLengthDuplicate),
        (with("Content-Length: 5\r\ncontent-length: 5\r\n"), ContentLengthDuplicate),
        (with("Transfer-Encoding: gzip, chunked\r\n"), TransferEncoding),
        (with("Transfer-Encoding: chunked, chunked\r\n"), TransferEncoding),
        (with("Transfer-Encoding: xchunked\r\n"), TransferEncoding),
        (with("Transfer-Encoding: \"chunked\"\r\n"), TransferEncoding),
        (with("Transfer-Encoding:\r\n"), TransferEncoding),
        (with("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"), TransferEncoding),
        (with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), TransferEncoding),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), TransferEncodingInHttp10),
        (with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), ContentLengthAndTransferEncoding),
        (with("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"), ContentLengthAndTransferEncoding),
    ];
    for (text, rule) in cases {
        assert_eq!(rule_of(&text), Some(rule), "{:?}", &text[..text.len().min(120)]);
    }
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\n";
    assert_eq!(rule_of(upgrade), Some(UpgradeWithBody));
}

#[test]
fn refuses_each_broken_chunk_by_its_rule() {
    use Rule::*;
    let extension = format!("1;{}\r\n", "e".repeat(limits::CHUNK_LINE_BYTES_MAX));
    let extensions = format!("1;{}\r\na\r\n", "e".repeat(200)).repeat(30);
    let trailers = format!("0\r\nx: {}\r\n\r\n", "y".repeat(limits::TRAILER_BYTES_MAX));
    let many = format!("0\r\n{}\r\n", "x: y\r\n".repeat(limits::HEADERS_MAX + 1));
    for (body, rule) in [
        ("x\r\n", ChunkSize),
        ("\r\n", ChunkSize),
        ("0x5\r\n", ChunkSize),
        ("-1\r\n", ChunkSize),
        (" 5\r\n", ChunkSize),
        ("5 \r\n", ChunkSize),
        ("1000000000000000\r\n", ChunkSize),
        ("5\nabcde\r\n", BareLf),
        ("5;a\nabcde\r\n", BareLf),
        ("5\rabcde\r\n", BareCr),
        ("5;\u{0}\r\nabcde\r\n", ChunkLine),
        (&extension, ChunkLine),
        (&extensions, ChunkExtensions),
        ("5\r\nabcdef\r\n", ChunkEnd),
        ("5\r\nabcde\n0\r\n\r\n", ChunkEnd),
        ("5\r\nabcde\r0\r\n\r\n", ChunkEnd),
        (&trailers, TrailersTooLarge),
        (&many, TrailersTooLarge),
        ("0\r\nContent-Length: 5\r\n\r\n", TrailerForbidden),
        ("0\r\ntransfer_encoding: x\r\n\r\n", TrailerForbidden),
        ("0\r\nHost: b\r\n\r\n", TrailerForbidden),
        ("0\r\n folded: x\r\n\r\n", ObsFold),
        ("0\r\nx: y\n\r\n", BareLf),
    ] {
        let text = with("Transfer-Encoding: chunked\r\n") + body;
        assert_eq!(rule_of(&text), Some(rule), "{:?}", &body[..body.len().min(60)]);
    }
}

#[test]
fn only_a_switch_to_websocket_is_a_switch() {
    for (lines, upgrade) in [
        ("Connection: Upgrade\r\nUpgrade: websocket\r\n", true),
        ("Connection: upgrade\r\nUpgrade: WebSocket\r\n", true),
        ("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n", false),
        ("Upgrade: websocket\r\n", false),
        ("Connection: upgrade\r\n", false),
        ("Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n", false),
    ] {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        assert_eq!(feed(text.as_bytes(), &[]).heads[0].upgrade, upgrade, "{lines:?}");
    }
}

#[test]
fn after_a_switch_nothing_is_judged_and_before_its_answer_nothing_passes() {
    let mut guard = Guard::default();
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert!(matches!(guard.judge(head), Verdict::Head { .. }));
    assert_eq!(guard.judge(b"\x81\x05hello"), Verdict::More);
    guard.decide(true);
    assert_eq!(guard.judge(b"\x81\x05hello"), Verdict::Body(7));
    assert_eq!(guard.opaque(), u64::MAX);
}

#[test]
fn a_refusal_is_final() {
    let mut guard = Guard::default();
    assert_eq!(guard.judge(b"\r\n"), Verdict::Refuse(Rule::LeadingSpace));
    assert_eq!(guard.judge(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Verdict::Refuse(Rule::LeadingSpace));
}

/// Valid requests, as text.
fn request() -> impl Strategy<Value = String> {
    let header = ("x-[a-z]{1,8}", "[ -~]{0,20}").prop_map(|(name, value)| format!("{name}: {value}\r\n"));
    let headers = proptest::collection::vec(header, 0..5).prop_map(|h| h.concat());
    let body = prop_oneof![
        Just(String::from("\r\n")),
        "[a-z\r\n]{0,40}".prop_map(|body| format!("Content-Length: {}\r\n\r\n{body}", body.len())),
        (proptest::collection::vec("[a-z\r\n]{1,20}", 0..4), proptest::bool::ANY).prop_map(|(chunks, trailer)| {
            let chunks: String = chunks.iter().map(|c| format!("{:x}\r\n{c}\r\n", c.len())).collect();
            let trailer = if trailer { "x-sum: 1\r\n" } else { "" };
            format!("Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n{trailer}\r\n")
        }),
    ];
    ("(GET|POST|PUT|DELETE|M-SEARCH)", "/[a-zA-Z0-9/?&=%{}~.-]{0,30}", headers, body)
        .prop_map(|(method, target, headers, body)| format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{headers}{body}"))
}

/// Bytes that look like requests with something changed.
fn nearly_requests() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        8 => request().prop_map(String::into_bytes),
        1 => "[ -~\r\n\t\u{0}]{0,30}".prop_map(String::into_bytes),
    ];
    (proptest::collection::vec(pieces, 1..4), any::<Option<(u16, u8)>>()).prop_map(|(pieces, change)| {
        let mut bytes = pieces.concat();
        if let Some((at, byte)) = change
            && !bytes.is_empty()
        {
            let at = usize::from(at) % bytes.len();
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn valid_requests_pass_whole_and_count_right(requests in proptest::collection::vec(request(), 1..4)) {
        let text = requests.concat();
        let outcome = feed(text.as_bytes(), &[]);
        prop_assert_eq!(outcome.refused, None);
        prop_assert_eq!(outcome.passed, text.len());
        prop_assert_eq!(outcome.heads.len(), requests.len());
    }

    #[test]
    fn cuts_do_not_change_the_verdict(bytes in nearly_requests(), cuts in proptest::collection::vec(any::<usize>(), 0..12)) {
        let (whole, cut) = (feed(&bytes, &[]), feed(&bytes, &cuts));
        prop_assert_eq!(whole.refused, cut.refused);
        prop_assert_eq!(&whole.heads, &cut.heads);
        if whole.refused.is_none() {
            prop_assert_eq!(whole.passed, cut.passed);
        }
        let single: Vec<_> = (0..bytes.len()).collect();
        prop_assert_eq!(whole.refused, feed(&bytes, &single).refused);
    }

    /// What we accept, hyper's parser accepts too and reads to the same length.
    #[test]
    fn httparse_agrees_with_what_is_accepted(bytes in nearly_requests()) {
        let mut guard = Guard::default();
        if let Verdict::Head { bytes: length, .. } = guard.judge(&bytes) {
            let mut headers = [httparse::EMPTY_HEADER; limits::HEADERS_MAX];
            let mut request = httparse::Request::new(&mut headers);
            prop_assert_eq!(request.parse(&bytes), Ok(httparse::Status::Complete(length)));
            prop_assert!(request.path.unwrap().parse::<http::Uri>().is_ok());
        }
    }
}
