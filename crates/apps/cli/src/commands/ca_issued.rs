//! `bartizan ca issued`.

use super::{place, print, print_json, unanswered};
use crate::args::CaIssuedArgs;
use crate::failure::Failure;
use crate::render::{table, utc};
use bartizan_core::issued::{Issued, IssuedList};
use bartizan_runtime::local;

/// Wide enough for every column; who has a narrow terminal can scroll or use `--json`.
const WIDTH: u16 = 240;

/// Prints certificates that were issued, in the order in which they were.
pub(crate) async fn run(args: &CaIssuedArgs) -> Result<(), Failure> {
    let CaIssuedArgs { id, serial, node, limit, data } = args;
    let place = place(&data.place)?;
    let mut path = format!("/v1/ca/issued?limit={limit}");
    for (key, value) in [
        ("id", id.as_ref().map(|id| id.as_str().to_owned())),
        ("serial", serial.clone()),
        ("node", node.as_ref().map(|node| node.as_str().to_owned())),
    ] {
        if let Some(value) = value {
            path.push_str(&format!("&{key}={}", escaped(&value)));
        }
    }
    let list: IssuedList =
        local::get(&place.control_socket(), &path).await.map_err(|error| unanswered(&place, &error))?;
    if data.json { print_json(&list) } else { print(&told(&list)) }
}

/// A query value (RFC 3986 section 2.1): whatever is not unreserved, in hexadecimal.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn told(list: &IssuedList) -> String {
    let IssuedList { issued, waiting, database } = list;
    let row = |it: &Issued| {
        let node = it.node.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        vec![utc(it.at), it.kind.as_str().to_owned(), it.id.to_string(), it.serial.clone(), node, utc(it.not_after)]
    };
    let mut text =
        table(&["ISSUED", "FOR", "IDENTITY", "SERIAL", "NODE", "UNTIL"], issued.iter().map(row).collect(), WIDTH);
    text.push('\n');
    if let Some(why) = database {
        text.push_str(&format!(
            "the database is away ({why}), so this is what waits in the journal: {waiting}; issuing goes on\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_value_cannot_become_another_key() {
        assert_eq!(escaped("spiffe://a.b/c&limit=1#"), "spiffe%3A%2F%2Fa.b%2Fc%26limit%3D1%23");
    }
}
