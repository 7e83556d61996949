//! Passwords that are tried first: the most common ones of leaked lists that are long enough, and what people make of them.

/// One a line, in lower case.
const LIST: &str = include_str!("common.txt");
/// Fewest different characters of a password, a count.
const DIFFERENT_MIN: usize = 5;

/// Whether a password is among those that are tried first.
pub(super) fn is_common(password: &str) -> bool {
    let lower = password.to_lowercase();
    let different: std::collections::BTreeSet<char> = lower.chars().collect();
    if different.len() < DIFFERENT_MIN {
        return true;
    }
    // `P@ssw0rd2024!!` is `password` to those who guess; so is `passwordpassword`.
    let word = lower.trim_matches(|letter: char| !letter.is_alphabetic());
    let word: String = word.chars().map(unleet).collect();
    let listed = |text: &str| LIST.lines().any(|line| line == text);
    listed(&lower) || listed(&word) || [2, 3, 4].iter().any(|times| repeated(&word, *times).is_some_and(listed))
}

/// What stands `times` times in `text`, one after the other.
fn repeated(text: &str, times: usize) -> Option<&str> {
    let part = text.get(..text.len() / times)?;
    (!part.is_empty() && text.len().is_multiple_of(times) && part.repeat(times) == text).then_some(part)
}

fn unleet(letter: char) -> char {
    match letter {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        letter => letter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_first_is_found_in_its_disguises() {
        for password in [
            "123456789012",
            "passwordpassword",
            "Password1234",
            "P@ssw0rd2024!",
            "qwertyuiop[]",
            "aaaaaaaaaaaaaa",
            "abababababab",
            "iloveyou2025",
            "letmeinletmein",
            "Welcome12345!",
        ] {
            assert!(is_common(password), "{password}");
        }
        for password in ["a horse of four words", "correct horse battery staple", "vX9#kPq2mL!d", "zwölf Boxkämpfer"]
        {
            assert!(!is_common(password), "{password}");
        }
    }

    #[test]
    fn the_list_has_each_once_as_it_is_looked_for() {
        let mut seen = std::collections::BTreeSet::new();
        for line in LIST.lines() {
            assert!(!line.is_empty() && line == line.to_lowercase() && seen.insert(line), "{line}");
        }
    }
}
