//! A value that must not be printed, serialised or left behind in memory.

use std::fmt;
use zeroize::Zeroize;

/// Holds a secret: no `Serialize`, a `Debug` that says nothing, wiped when dropped.
///
/// Reading it is a visible act: [`Secret::expose`].
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes `value` in; from here on it leaves only through [`Secret::expose`].
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The secret itself. Every caller is a place to review.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_nothing_of_what_it_holds() {
        let secret = Secret::new(String::from("hunter2"));
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(secret.expose(), "hunter2");
    }
}
