//! Where a value stands, as a JSON pointer (RFC 6901).

use super::{Id, Tree};

/// The pointer to `id`; empty for the root.
pub fn pointer(tree: &Tree<'_>, id: Id) -> String {
    let (mut out, mut at) = (String::new(), 0);
    while at < id {
        let mut index = 0_usize;
        let within = tree.children(at).inspect(|_| index += 1).find(|(child, node)| (*child..node.end).contains(&id));
        let Some((child, node)) = within else { return out };
        out.push('/');
        match &node.key {
            Some(key) => out.push_str(&key.replace('~', "~0").replace('/', "~1")),
            None => out.push_str(&(index - 1).to_string()),
        }
        at = child;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Bounds, read};

    #[test]
    fn names_every_value() {
        let tree = read(br#"{"a":[1,{"b/~":2}],"c":3}"#, &Bounds::BODY).unwrap();
        let all: Vec<String> = (0..tree.len() as Id).map(|id| pointer(&tree, id)).collect();
        assert_eq!(all, ["", "/a", "/a/0", "/a/1", "/a/1/b~1~0", "/c"]);
    }
}
