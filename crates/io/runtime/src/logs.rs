//! The program's own log: lines on standard error.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Where the filter comes from, the first that is set; both in the syntax of `tracing_subscriber`, such as
/// `info,bartizan_proxy=debug`.
const VARIABLES: [&str; 2] = ["BARTIZAN_LOG", "RUST_LOG"];

/// Starts logging to standard error, filtered by `BARTIZAN_LOG`, else `RUST_LOG`, else `default_filter`.
///
/// A filter that does not parse is said so and replaced by the default. A second call changes nothing. Colours only
/// on a terminal and without `NO_COLOR`.
pub fn start(default_filter: &str) {
    let wish = VARIABLES.iter().find_map(|name| Some((*name, std::env::var(name).ok().filter(|v| !v.is_empty())?)));
    let (filter, complaint) = choose(wish, default_filter);
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .with_target(false)
        .try_init();
    if let (Ok(()), Some(complaint)) = (started, complaint) {
        tracing::warn!("{complaint}");
    }
}

/// The filter to take, and what to say about a wish that was not granted.
fn choose(wish: Option<(&str, String)>, default_filter: &str) -> (EnvFilter, Option<String>) {
    let Some((name, text)) = wish else { return (EnvFilter::new(default_filter), None) };
    match EnvFilter::try_new(&text) {
        Ok(filter) => (filter, None),
        Err(error) => (
            EnvFilter::new(default_filter),
            Some(format!("{name} = `{text}` is not a log filter: {error}; using the default")),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_that_does_not_parse_is_said_so() {
        let chosen = |wish: Option<&str>| {
            let (filter, complaint) = choose(wish.map(|text| ("BARTIZAN_LOG", text.to_owned())), "info");
            (filter.to_string(), complaint.is_some())
        };
        assert_eq!(chosen(None), ("info".to_owned(), false));
        assert_eq!(chosen(Some("debug")), ("debug".to_owned(), false));
        assert_eq!(chosen(Some("a=b=c")), ("info".to_owned(), true));
    }
}
