//! "Did you mean": the word nearest to a misspelt one.

/// Longest word compared, in bytes: the longest service name.
const WORD_BYTES_MAX: usize = crate::name::SERVICE_NAME_BYTES_MAX;

/// The nearest of `words` where it is near enough: one edit per three letters, at least one, at most three.
pub(super) fn nearest<'w>(word: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let allowed = (word.len() / 3).clamp(1, 3);
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    words
        .filter(|w| w.len() <= WORD_BYTES_MAX && w.len().abs_diff(word.len()) <= allowed)
        .map(|w| (edits(word.as_bytes(), w.as_bytes()), w))
        .filter(|(edits, _)| *edits <= allowed && *edits < word.len())
        .min()
        .map(|(_, w)| w)
}

/// How many bytes have to be inserted, removed, replaced or swapped with their neighbour (optimal string alignment).
fn edits(a: &[u8], b: &[u8]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(!a[i - 1].eq_ignore_ascii_case(&b[j - 1]));
            row[j] = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_nearest_word_and_nothing_far_off() {
        let words = ["ledger", "accounts", "postgres", "y"];
        for (word, near) in [
            ("ledgr", Some("ledger")),
            ("legder", Some("ledger")),
            ("Accounts", Some("accounts")),
            ("account", Some("accounts")),
            ("postgresql", Some("postgres")),
            ("redis", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, words.into_iter()), near, "{word}");
        }
        assert_eq!(nearest(&"a".repeat(10_000), words.into_iter()), None);
    }
}
