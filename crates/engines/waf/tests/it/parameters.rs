//! Paths, queries, headers and cookies.

use crate::support::{head, shop, why};
use bartizan_waf::api::Found;
use bartizan_waf::schema::Unknown;

#[test]
fn knows_its_paths_and_methods() {
    let api = shop();
    let is = |method: &str, path: &str| match api.find(method, path) {
        Found::Operation(found) => format!("{} {}", found.operation.method, found.operation.template),
        Found::OtherMethods(allow) => format!("405 {allow}"),
        Found::Nothing => "404".to_owned(),
    };
    assert_eq!(is("GET", "/v1/orders"), "GET /v1/orders");
    assert_eq!(is("HEAD", "/v1/orders"), "GET /v1/orders");
    assert_eq!(is("GET", "/v1/orders/newest"), "GET /v1/orders/newest");
    assert_eq!(is("GET", "/v1/orders/7"), "GET /v1/orders/{id}");
    assert_eq!(is("PUT", "/v1/orders/7"), "405 GET, DELETE, HEAD");
    assert_eq!(is("GET", "/orders"), "404", "the base is part of it");
    assert_eq!(is("GET", "/v1orders"), "404");
    assert_eq!(is("GET", "/v1/orders/7/x"), "404");
    assert_eq!(is("GET", "/v1/orders/"), "404");
    let facts: Vec<(bool, bool)> = api.operations().iter().map(|it| (it.secured, it.deprecated)).collect();
    assert_eq!(facts, [(true, false), (true, false), (true, true), (false, false), (true, false)]);
}

#[test]
fn refuses_values_that_are_not_as_they_have_to_be() {
    let api = shop();
    let query = |query: &str| {
        why(head(&api, "GET", &format!("/v1/orders?{query}"), &[("cookie", "session=12345678")], Unknown::Refuse))
    };
    for (text, expected) in [
        ("limit=0", "400 query parameter limit: is too small"),
        ("limit=ten", "400 query parameter limit: has to be integer, is a string"),
        ("limit=1.5", "400 query parameter limit: has to be a whole number"),
        ("limit=", "400 query parameter limit: has to be integer, is a string"),
        ("limit=1&limit=2", "400 query parameter limit: is there more than once"),
        ("limit=1&%6cimit=2", "400 query parameter limit: is there more than once"),
        ("tag=a&tag=B", "400 query parameter tag `/1`: does not fit its pattern"),
        ("tag=a&tag=b&tag=c&tag=d", "400 query parameter tag: may have at most 3 items"),
        ("id=1,x", "400 query parameter id `/1`: has to be integer, is a string"),
        ("id=1%2C2", "400 query parameter id `/0`: has to be integer, is a string"),
        ("filter[state]=closed", "400 query parameter filter `/state`: is none of the values that may stand here"),
        ("filter[x]=1", "400 query parameter filter `/x`: is not a member that is known here"),
        ("filter[a][b]=1", "400 query parameter filter: goes deeper than one member"),
        ("filter[min]=1&filter[min]=2", "400 query parameter filter: has a member twice"),
        ("at=%7Bx", "400 query parameter at: not JSON, at byte 1"),
        ("at=%7B%22x%22:true%7D", "400 query parameter at `/x`: has to be number, is a boolean"),
        ("other=1", "400 query parameter other: is not a parameter that is known here"),
        ("limit=%zz", "400 query parameter limit: has broken percent-encoding"),
        ("limit=%ff", "400 query parameter limit: is not UTF-8"),
    ] {
        assert_eq!(query(text), expected, "{text}");
    }
    for text in [
        "",
        "limit=5&tag=a&tag=b&id=1,2",
        "filter[state]=open&filter[min]=1.5",
        "api_key=x",
        "at=%7B%22x%22:1%7D",
        "filter%5Bmin%5D=2",
    ] {
        assert_eq!(query(text), "good", "{text}");
    }
    let many = (0..=500).map(|i| format!("p{i}=1")).collect::<Vec<_>>().join("&");
    assert_eq!(query(&many), "400 query: has more than 500 parameters");
}

#[test]
fn unknown_parameters_are_taken_out_or_let_through_where_asked_for() {
    let api = shop();
    let headers = [("cookie", "session=12345678")];
    let passed = head(&api, "GET", "/v1/orders?a=1&limit=5&b&tag=x%2Cy", &headers, Unknown::Strip);
    assert!(passed.is_err(), "what is known is still judged");
    let passed = head(&api, "GET", "/v1/orders?a=1&limit=5&b&tag=x", &headers, Unknown::Strip).unwrap();
    assert_eq!(passed.query.as_deref(), Some("limit=5&tag=x"));
    let passed = head(&api, "GET", "/v1/orders?a=1&limit=5", &headers, Unknown::Allow).unwrap();
    assert_eq!(passed.query, None);
}

#[test]
fn judges_headers_cookies_and_paths() {
    let api = shop();
    let with = |headers: &[(&str, &str)]| why(head(&api, "GET", "/v1/orders", headers, Unknown::Refuse));
    let cookie = ("cookie", "a=1; session=12345678");
    assert_eq!(with(&[]), "400 cookie session: is missing");
    assert_eq!(with(&[("cookie", "session=1")]), "400 cookie session: has to have at least 8 characters");
    assert_eq!(
        with(&[("cookie", "session=12345678; session=87654321")]),
        "400 cookie session: is there more than once"
    );
    assert_eq!(with(&[cookie, ("x-trace", "1")]), "400 header X-Trace: does not have the format uuid");
    assert_eq!(with(&[cookie, ("x-ids", "1, x")]), "400 header X-Ids `/1`: has to be integer, is a string");
    assert_eq!(with(&[cookie, ("x-ids", "1"), ("x-ids", "2"), ("accept", "x"), ("x-other", "y")]), "good");
    let path = |path: &str| why(head(&api, "GET", path, &[], Unknown::Refuse));
    assert_eq!(path("/v1/orders/x"), "400 path parameter id: has to be integer, is a string");
    assert_eq!(path("/v1/orders/9223372036854775808"), "400 path parameter id: does not have the format int64");
    assert_eq!(path("/v1/orders/9223372036854775807"), "good");
    assert_eq!(path("/v1/orders/7?x=1"), "400 query parameter x: is not a parameter that is known here");
}

#[test]
fn judges_the_kind_of_content_before_it_is_read() {
    let api = shop();
    let with = |headers: &[(&str, &str)]| why(head(&api, "POST", "/v1/orders", headers, Unknown::Refuse));
    assert_eq!(with(&[]), "400 body: is missing");
    assert_eq!(
        with(&[("content-type", "text/xml")]),
        "415 content type: text/xml is none of those that are taken here"
    );
    assert_eq!(with(&[("content-type", "json")]), "415 content type: is none");
    assert_eq!(
        with(&[("content-type", "application/json"), ("content-type", "text/xml")]),
        "415 content type: is there more than once"
    );
    assert_eq!(
        with(&[("content-type", "application/json; charset=utf-16")]),
        "415 content type: another character set than UTF-8"
    );
    assert_eq!(with(&[("content-type", "Application/JSON; charset=UTF-8")]), "good");
    assert_eq!(with(&[("content-type", "image/png")]), "good");
    let gone = head(&api, "DELETE", "/v1/orders/7", &[("content-type", "application/json")], Unknown::Refuse);
    assert_eq!(why(gone), "400 body: none is expected here");
}
