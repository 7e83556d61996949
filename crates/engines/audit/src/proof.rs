//! Proofs (RFC 6962 sections 2.1.1 and 2.1.2), checked as RFC 9162 sections 2.1.3.2 and 2.1.4.2 say.

use crate::tree::{Hash, node_hash, root_of, split};

/// The hashes beside the way from leaf `index` to the root, the lowest first; `None` where there is no such leaf.
pub fn inclusion(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    if index >= leaves.len() {
        return None;
    }
    let (mut part, mut index, mut path) = (leaves, index, Vec::new());
    while part.len() > 1 {
        let (left, right) = part.split_at(split(part.len()));
        if index < left.len() {
            path.push(root_of(right));
            part = left;
        } else {
            path.push(root_of(left));
            index -= left.len();
            part = right;
        }
    }
    path.reverse();
    Some(path)
}

/// Whether `leaf` is number `index` of the tree of `size` leaves with this root.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, root: &Hash, path: &[Hash]) -> bool {
    if index >= size {
        return false;
    }
    let (mut of, mut last, mut node) = (index, size - 1, *leaf);
    for beside in path {
        if last == 0 {
            return false;
        }
        if of & 1 == 1 || of == last {
            node = node_hash(beside, &node);
            while of & 1 == 0 && of != 0 {
                of >>= 1;
                last >>= 1;
            }
        } else {
            node = node_hash(&node, beside);
        }
        of >>= 1;
        last >>= 1;
    }
    last == 0 && node == *root
}

/// The hashes by which somebody who knows the root of the first `size` leaves sees that these leaves begin with them; `None` where
/// they are fewer. None are needed for a tree without leaves, and for the same one.
pub fn consistency(leaves: &[Hash], size: usize) -> Option<Vec<Hash>> {
    if size > leaves.len() {
        return None;
    }
    let mut path = Vec::new();
    if size > 0 && size < leaves.len() {
        part(leaves, size, true, &mut path);
    }
    Some(path)
}

/// SUBPROOF of RFC 6962: `known` where the root of these first leaves is the one that the other knows.
fn part(leaves: &[Hash], size: usize, known: bool, path: &mut Vec<Hash>) {
    if size == leaves.len() {
        if !known {
            path.push(root_of(leaves));
        }
        return;
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    if size <= left.len() {
        part(left, size, known, path);
        path.push(root_of(right));
    } else {
        part(right, size - left.len(), false, path);
        path.push(root_of(left));
    }
}

/// Whether the tree of `first` leaves with root `first_root` is the beginning of that of `second` leaves.
pub fn verify_consistency(first: u64, first_root: &Hash, second: u64, second_root: &Hash, path: &[Hash]) -> bool {
    if first > second {
        return false;
    }
    if first == second {
        return path.is_empty() && first_root == second_root;
    }
    if first == 0 {
        // Nothing is the beginning of everything; what its root is said to be has to be right all the same.
        return path.is_empty() && *first_root == root_of(&[]);
    }
    // A whole tree is the first part of its own proof.
    let mut parts = first.is_power_of_two().then_some(first_root).into_iter().chain(path);
    let Some(begin) = parts.next() else { return false };
    let (mut of, mut last) = (first - 1, second - 1);
    while of & 1 == 1 {
        of >>= 1;
        last >>= 1;
    }
    let (mut first_node, mut second_node) = (*begin, *begin);
    for beside in parts {
        if last == 0 {
            return false;
        }
        if of & 1 == 1 || of == last {
            first_node = node_hash(beside, &first_node);
            second_node = node_hash(beside, &second_node);
            while of & 1 == 0 && of != 0 {
                of >>= 1;
                last >>= 1;
            }
        } else {
            second_node = node_hash(&second_node, beside);
        }
        of >>= 1;
        last >>= 1;
    }
    last == 0 && first_node == *first_root && second_node == *second_root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::tests::leaves;
    use proptest::prelude::*;

    #[test]
    fn every_leaf_of_every_small_tree_is_proven_and_no_other() {
        for size in 1..40usize {
            let leaves = leaves(size as u64);
            let root = root_of(&leaves);
            for index in 0..size {
                let path = inclusion(&leaves, index).unwrap();
                let holds = |leaf: &Hash, index: u64, size: u64, path: &[Hash]| {
                    verify_inclusion(leaf, index, size, &root, path)
                };
                assert!(holds(&leaves[index], index as u64, size as u64, &path), "{index} of {size}");
                for other in (0..size).filter(|other| *other != index) {
                    assert!(
                        !holds(&leaves[other], index as u64, size as u64, &path),
                        "{other} in place of {index} of {size}"
                    );
                    assert!(!holds(&leaves[index], other as u64, size as u64, &path), "{index} at {other} of {size}");
                }
                if let Some((_, short)) = path.split_last() {
                    assert!(!holds(&leaves[index], index as u64, size as u64, short));
                }
                assert!(!holds(&leaves[index], index as u64, size as u64, &[path.as_slice(), &[root]].concat()));
                assert!(!holds(&leaves[index], size as u64, size as u64, &path));
            }
            assert_eq!(inclusion(&leaves, size), None);
        }
    }

    #[test]
    fn every_beginning_of_every_small_tree_is_proven_and_no_fork() {
        for second in 0..34usize {
            let leaves = leaves(second as u64);
            let root = root_of(&leaves);
            for first in 0..=second {
                let path = consistency(&leaves, first).unwrap();
                let old = root_of(&leaves[..first]);
                let holds =
                    |old: &Hash, path: &[Hash]| verify_consistency(first as u64, old, second as u64, &root, path);
                assert!(holds(&old, &path), "{first} of {second}");
                // What was there before is another one than here.
                let mut forked = leaves[..first].to_vec();
                if let Some(leaf) = forked.first_mut() {
                    leaf[0] ^= 1;
                    assert!(!holds(&root_of(&forked), &path), "a fork, {first} of {second}");
                }
                for n in 0..path.len() {
                    let mut altered = path.clone();
                    altered[n][5] ^= 1;
                    assert!(!holds(&old, &altered), "part {n}, {first} of {second}");
                    assert!(!holds(&old, &path[..n]), "cut after {n}, {first} of {second}");
                }
                assert!(!holds(&old, &[path.as_slice(), &[root]].concat()), "a part too many, {first} of {second}");
                assert!(first == second || !verify_consistency(second as u64, &root, first as u64, &old, &path));
            }
            assert_eq!(consistency(&leaves, second + 1), None);
        }
    }

    proptest! {
        #[test]
        fn no_proof_makes_it_panic(
            index: u64, size: u64, path in proptest::collection::vec(any::<[u8; 32]>(), 0..70),
        ) {
            let leaf = [7; 32];
            let _ = verify_inclusion(&leaf, index, size, &leaf, &path);
            let _ = verify_consistency(index, &leaf, size, &leaf, &path);
        }
    }
}
