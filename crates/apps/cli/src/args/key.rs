//! `bartizan key` and everything below it.

use super::DataArgs;
use bartizan_core::ServiceName;
use clap::{Args, Subcommand};

/// Subcommands of `key`.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key. It is printed once, alone on its line, and kept nowhere.
    #[command(after_help = "Examples:\n  \
        bartizan key add report --scopes accounts:read --tenant acme --expires 90d\n  \
        bartizan key add nightly > /run/secrets/nightly\n\n\
        Policies know whoever shows it as `key:NAME` of `bartizan:keys`.")]
    Add(AddKeyArgs),
    /// The keys there are, by name, with what they may do and until when.
    #[command(after_help = "Example:\n  bartizan key list --json | jq '.keys[].name'")]
    List(DataArgs),
    /// Take a key back: the gateway refuses it from then on, also on open connections.
    #[command(after_help = "Example:\n  bartizan key revoke report")]
    Revoke(RevokeKeyArgs),
}

/// `bartizan key add`.
#[derive(Debug, Args)]
pub(crate) struct AddKeyArgs {
    /// Its name: lower-case letters, digits and `-`.
    #[arg(value_name = "NAME")]
    pub(crate) name: ServiceName,
    /// What its owner may do, with commas between.
    #[arg(long, value_name = "SCOPES", value_delimiter = ',')]
    pub(crate) scopes: Vec<String>,
    /// The tenant of its owner.
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,
    /// For how long it counts, such as `90d` or `12h` [default: until it is revoked].
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub(crate) expires: Option<u32>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// `bartizan key revoke`.
#[derive(Debug, Args)]
pub(crate) struct RevokeKeyArgs {
    /// Its name.
    #[arg(value_name = "NAME")]
    pub(crate) name: ServiceName,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// A time of days or hours, up to ten years.
fn seconds(text: &str) -> Result<u32, String> {
    const MOST_S: u32 = 10 * 366 * 24 * 3600;
    let parts = [("d", 24 * 3600), ("h", 3600)].into_iter().find_map(|(unit, s)| Some((text.strip_suffix(unit)?, s)));
    let whole = parts.filter(|(digits, _)| digits.bytes().all(|b| b.is_ascii_digit()));
    let found = whole.and_then(|(digits, s)| digits.parse::<u32>().ok()?.checked_mul(s));
    found.filter(|s| (1..=MOST_S).contains(s)).ok_or_else(|| "write it as `90d` or `12h`, ten years at most".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_days_or_hours() {
        for bad in ["", "d", "0d", "90", "90s", "-1d", "+1d", "1.5d", "4000d", "99999999999d"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
        assert_eq!((seconds("90d"), seconds("12h")), (Ok(90 * 24 * 3600), Ok(12 * 3600)));
    }
}
