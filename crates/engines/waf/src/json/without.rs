//! A text without some of its values; all that stays is as it was written.

use super::{Id, Kind, Tree};

/// `bytes`, which `tree` was read from, without the values `gone` (sorted) and their names.
pub fn without(bytes: &[u8], tree: &Tree<'_>, gone: &[Id]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    copy(bytes, tree, gone, 0, &mut out);
    out
}

fn copy(bytes: &[u8], tree: &Tree<'_>, gone: &[Id], id: Id, out: &mut Vec<u8>) {
    let node = tree.node(id);
    let first = gone.partition_point(|&it| it <= id);
    if gone.get(first).is_none_or(|&it| it >= node.end) {
        // Nothing within it goes.
        out.extend_from_slice(&bytes[node.span.0 as usize..node.span.1 as usize]);
        return;
    }
    let (open, close) = if node.kind == Kind::Object { (b'{', b'}') } else { (b'[', b']') };
    out.push(open);
    let mut is_first = true;
    for (child, member) in tree.children(id).filter(|(child, _)| gone.binary_search(child).is_err()) {
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        if let Some(key) = &member.key {
            quote(key, out);
            out.push(b':');
        }
        copy(bytes, tree, gone, child, out);
    }
    out.push(close);
}

/// A text as JSON writes it.
fn quote(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            0..=0x1f => out.extend(format!("\\u{byte:04x}").bytes()),
            byte => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Bounds, read};

    fn gone(text: &str, names: &[&str]) -> String {
        let tree = read(text.as_bytes(), &Bounds::BODY).unwrap();
        let is_gone = |id: &Id| tree.node(*id).key.as_deref().is_some_and(|key| names.contains(&key));
        let ids: Vec<Id> = (0..tree.len() as Id).filter(is_gone).collect();
        String::from_utf8(without(text.as_bytes(), &tree, &ids)).unwrap()
    }

    #[test]
    fn takes_out_members_and_leaves_the_rest_as_it_was() {
        let text = r#"{"a": 1.50, "x": {"y": 1}, "l": [ {"x": 1, "b\"": "\u00e9"}, {"x": 2} ]}"#;
        assert_eq!(gone(text, &["x"]), r#"{"a":1.50,"l":[{"b\"":"\u00e9"},{}]}"#);
        assert_eq!(gone(text, &["nothing"]), text);
        assert_eq!(gone(text, &["a", "x", "l"]), "{}");
    }
}
