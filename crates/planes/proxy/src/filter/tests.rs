//! The list and the folder are the same.

use super::IN_ORDER;

#[test]
fn every_file_of_this_folder_is_in_the_list_once() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/filter");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<_> = files.filter_map(|name| Some(name.strip_suffix(".rs")?.to_owned())).collect();
    files.retain(|name| name != "mod" && name != "tests");
    files.sort();
    let mut listed: Vec<_> = IN_ORDER.iter().map(|filter| filter.name.to_owned()).collect();
    listed.sort();
    assert_eq!(files, listed);
}

#[test]
fn what_refuses_comes_before_what_changes_the_head() {
    let place = |name: &str| IN_ORDER.iter().position(|f| f.name == name).unwrap();
    for judge in [
        "form",
        "ready",
        "peer",
        "path",
        "client",
        "host",
        "route",
        "address",
        "cors",
        "event",
        "key",
        "login",
        "user",
        "body_limit",
        "authorize",
        "slow_down",
        "rate_limit",
        "schema",
        "graphql",
        "overload",
    ] {
        assert!(place(judge) < place("hop_headers"), "{judge}");
    }
    assert!(place("rate_limit") < place("schema") && place("schema") < place("graphql"));
    assert!(place("authorize") < place("rate_limit"), "who may not call uses nothing up");
    assert!(place("authorize") < place("slow_down"), "who may not call says nothing of what is usual");
    assert!(place("slow_down") < place("rate_limit"), "who waits takes from limits once it waited");
    assert!(place("rate_limit") < place("overload"), "who is refused takes no place");
    assert!(place("host") < place("route"), "a route may be for some hosts alone");
    assert!(
        place("cors") < place("event") && place("event") < place("body_limit"),
        "nothing is used up before its sender is known"
    );
    assert!(place("key") < place("user"), "where a key is shown, no token is asked for");
    assert!(place("route") < place("authorize"), "policy asks for the service and its route");
    assert!(place("client") < place("route"), "whom the gateway keeps out learns nothing of its routes");
    assert!(place("address") < place("cors") && place("cors") < place("user"), "a preflight shows no token");
    assert!(place("hop_headers") < place("headers") && place("headers") < place("stamp"));
    assert!(place("hop_headers") < place("request_id") && place("hop_headers") < place("stamp"));
}
