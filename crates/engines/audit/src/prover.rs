//! Proofs of a ledger whose leaves come one after the other and are not kept: as much is remembered as the proof is long.

use crate::tree::{Hash, Tree};

/// A proof under way: the leaves of the ledger are handed to it in order.
#[derive(Debug)]
pub struct Prover {
    /// In the order of the proof.
    parts: Vec<Part>,
    /// Leaves that came or were skipped, a count.
    at: u64,
}

/// One hash of the proof: that of the leaves from one to before another.
#[derive(Debug)]
struct Part {
    from: u64,
    to: u64,
    /// Of the leaves that came.
    tree: Tree,
}

/// Leaves that the proof is made of did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entries {from} to {} are needed for this proof and are not here", .to.saturating_sub(1))]
pub struct Missing {
    /// The first of them.
    pub from: u64,
    /// The first behind them.
    pub to: u64,
}

impl Prover {
    /// Of leaf `index` in the first `size` leaves, as [`inclusion`](crate::inclusion); `None` where it is not among them.
    pub fn inclusion(index: u64, size: u64) -> Option<Self> {
        let mut parts = Vec::new();
        (index < size).then(|| beside(index, 0, size, &mut parts)).map(|()| Self { parts, at: 0 })
    }

    /// That the first `first` leaves are the beginning of the first `second`, as [`consistency`](crate::consistency); `None` where they are
    /// more.
    pub fn consistency(first: u64, second: u64) -> Option<Self> {
        let mut parts = Vec::new();
        if first > 0 && first < second {
            between(first, 0, second, true, &mut parts);
        }
        (first <= second).then_some(Self { parts, at: 0 })
    }

    /// The next leaf.
    pub fn leaf(&mut self, leaf: Hash) {
        let at = self.at;
        // What was skipped in part cannot be gone on with.
        let fed = self.parts.iter_mut().filter(|it| (it.from..it.to).contains(&at) && it.from + it.tree.size() == at);
        fed.for_each(|it| it.tree.push(leaf));
        self.at += 1;
    }

    /// Goes on behind the leaves of `tree`. Those that did not come are known by it alone, which is enough for a proof about what follows.
    pub fn skip_to(&mut self, tree: &Tree) {
        for part in &mut self.parts {
            let to = part.to.min(tree.size());
            if part.from + part.tree.size() < to
                && let Some(known) = tree.part(part.from, to)
            {
                part.tree = known;
            }
        }
        self.at = self.at.max(tree.size());
    }

    /// The proof.
    ///
    /// # Errors
    /// [`Missing`]: the first leaves that it lacks.
    pub fn finish(self) -> Result<Vec<Hash>, Missing> {
        let lacking = self.parts.iter().filter(|it| it.tree.size() < it.to - it.from).min_by_key(|it| it.from);
        if let Some(Part { from, to, tree }) = lacking {
            return Err(Missing { from: from + tree.size(), to: *to });
        }
        Ok(self.parts.into_iter().map(|it| it.tree.root()).collect())
    }
}

/// PATH of RFC 6962 for leaf `index` among those from `from` to `to`.
fn beside(index: u64, from: u64, to: u64, parts: &mut Vec<Part>) {
    if to - from < 2 {
        return;
    }
    let middle = from + split(to - from);
    if index < middle {
        beside(index, from, middle, parts);
        parts.push(part(middle, to));
    } else {
        beside(index, middle, to, parts);
        parts.push(part(from, middle));
    }
}

/// SUBPROOF of RFC 6962 for the leaves up to `end` among those from `from` to `to`.
fn between(end: u64, from: u64, to: u64, known: bool, parts: &mut Vec<Part>) {
    if end == to {
        if !known {
            parts.push(part(from, to));
        }
        return;
    }
    let middle = from + split(to - from);
    if end <= middle {
        between(end, from, middle, known, parts);
        parts.push(part(middle, to));
    } else {
        between(end, middle, to, false, parts);
        parts.push(part(from, middle));
    }
}

fn part(from: u64, to: u64) -> Part {
    Part { from, to, tree: Tree::default() }
}

/// The largest power of two below `leaves`, which are two at least.
fn split(leaves: u64) -> u64 {
    1 << (u64::BITS - 1 - (leaves - 1).leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::{consistency, inclusion};
    use crate::tree::tests::leaves;
    use proptest::prelude::*;

    fn tree(leaves: &[Hash]) -> Tree {
        let mut tree = Tree::default();
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        tree
    }

    #[test]
    fn there_is_no_proof_of_what_is_not_there() {
        assert!(Prover::inclusion(0, 0).is_none() && Prover::inclusion(5, 5).is_none());
        assert!(Prover::consistency(6, 5).is_none());
        let mut prover = Prover::inclusion(3, 8).unwrap();
        leaves(6).into_iter().for_each(|leaf| prover.leaf(leaf));
        assert_eq!(prover.finish(), Err(Missing { from: 6, to: 8 }), "two leaves did not come");
    }

    #[test]
    fn what_was_skipped_in_the_midst_of_a_part_is_missed() {
        let all = leaves(8);
        let mut prover = Prover::inclusion(0, 8).unwrap();
        all[..3].iter().for_each(|leaf| prover.leaf(*leaf));
        // Leaf 3 is needed by itself and known by the root over 2 and 3 alone, or not at all.
        prover.skip_to(&tree(&all[..5]));
        all[5..].iter().for_each(|leaf| prover.leaf(*leaf));
        assert_eq!(prover.finish(), Err(Missing { from: 3, to: 4 }));
    }

    proptest! {
        #[test]
        fn proofs_are_those_of_all_leaves(size in 1u64..200, index in 0u64..200, more in 0u64..9) {
            let (index, all) = (index % size, leaves(size + more));
            let of = |prover: Option<Prover>| {
                let mut prover = prover.unwrap();
                all.iter().for_each(|leaf| prover.leaf(*leaf));
                prover.finish().unwrap()
            };
            let known = &all[..size as usize];
            prop_assert_eq!(Some(of(Prover::inclusion(index, size))), inclusion(known, index as usize));
            prop_assert_eq!(Some(of(Prover::consistency(index, size))), consistency(known, index as usize));
        }

        #[test]
        fn what_lies_before_need_not_be_there(size in 2u64..200, skipped in 0u64..200, index in 0u64..200) {
            let all = leaves(size);
            let skipped = skipped % size;
            let index = skipped + index % (size - skipped);
            for (made, known) in [
                (Prover::inclusion(index, size), inclusion(&all, index as usize)),
                (Prover::consistency(index.max(1), size), consistency(&all, index.max(1) as usize)),
            ] {
                let mut prover = made.unwrap();
                prover.skip_to(&tree(&all[..skipped as usize]));
                all[skipped as usize..].iter().for_each(|leaf| prover.leaf(*leaf));
                prop_assert_eq!(prover.finish().ok(), known, "{} of {}, {} skipped", index, size, skipped);
            }
        }
    }
}
