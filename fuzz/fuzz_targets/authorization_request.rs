//! What an app asks for when it sends a browser: whatever it says, nobody is sent to where the app did not register, and an address is
//! registered only where it then allows itself.
#![no_main]

use bartizan_core::authorization::{App, Grant};
use bartizan_core::redirect::Redirect;
use bartizan_tokens::form::Form;
use bartizan_tokens::request::{Request, RequestError, with_parameters};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(redirect) = std::str::from_utf8(data).ok().and_then(|text| Redirect::parse(text).ok()) {
        assert!(redirect.allows(&redirect.to_string()), "it does not allow itself: {redirect}");
    }
    let known = ["https://shop.test/back?a=b", "http://127.0.0.1/cb", "com.shop.app:/back"];
    let redirect: Vec<_> = known.iter().filter_map(|text| Redirect::parse(text).ok()).collect();
    let app = App {
        title: String::new(),
        redirect: redirect.clone(),
        signed_out: Vec::new(),
        scopes: vec!["openid".to_owned(), "read".to_owned()],
        audiences: vec!["api".to_owned()],
        trusted: false,
        grants: vec![Grant::AuthorizationCode],
        bearer: false,
        workload: None,
        pushed: false,
        back_channel: None,
    };
    let Ok(form) = Form::parse(data) else { return };
    let (to, state) = match Request::read(&form, "shop", &app) {
        Ok(request) => (request.redirect_uri, request.state),
        Err(RequestError::App(refused)) => (refused.redirect_uri, refused.state),
        Err(RequestError::Page(_)) => return,
    };
    assert!(redirect.iter().any(|one| one.allows(&to)), "sent to {to}");
    // What goes back with it changes neither where it goes nor what came.
    let back = with_parameters(&to, &[("state", state.as_deref().unwrap_or("x"))]);
    let (place, query) = back.rsplit_once(['?', '&']).expect("a parameter was added");
    assert_eq!(place, to);
    let read = Form::parse(query.as_bytes()).expect("it is well escaped");
    assert_eq!(read.get("state"), Some(state.as_deref().unwrap_or("x")));
});
