//! Operators between two.

use super::{Moment, distinct, unnamed};
use crate::error::Error;
use crate::expr::{Binary, BinaryOp, Group, Matching};
use crate::labels::{Labels, NAME};
use crate::value::{Element, Value};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

impl Moment<'_> {
    pub(super) fn binary(&mut self, it: &Binary) -> Result<Value, Error> {
        let left = self.value(&it.left)?;
        let right = self.value(&it.right)?;
        match (left, right) {
            (Value::Scalar(left), Value::Scalar(right)) => Ok(Value::Scalar(made(it.op, left, right))),
            (Value::Vector(left), Value::Scalar(right)) => self.beside(it, left, |value| (value, right)),
            (Value::Scalar(left), Value::Vector(right)) => self.beside(it, right, |value| (left, value)),
            (Value::Vector(left), Value::Vector(right)) => {
                self.work.spend(left.len() + right.len())?;
                let found = if it.op.is_set() { set(it, left, right) } else { matched(it, left, right)? };
                Ok(Value::Vector(distinct(found)?))
            }
            _ => Err(Error::data(format!("`{}` takes numbers and instant vectors", it.op.as_str()))),
        }
    }

    /// A vector with a number on one side.
    fn beside(&mut self, it: &Binary, of: Vec<Element>, sides: impl Fn(f64) -> (f64, f64)) -> Result<Value, Error> {
        self.work.spend(of.len())?;
        let each = of.into_iter().filter_map(|element| {
            let (left, right) = sides(element.value);
            match (it.op.compares(), it.bool) {
                (true, false) => compared(it.op, left, right).then_some(element),
                _ => Some(unnamed(element.labels, made(it.op, left, right))),
            }
        });
        Ok(Value::Vector(distinct(each.collect())?))
    }
}

/// Whether a comparison holds.
fn compared(op: BinaryOp, left: f64, right: f64) -> bool {
    match op {
        BinaryOp::Equal => left == right,
        BinaryOp::NotEqual => left != right,
        BinaryOp::AtMost => left <= right,
        BinaryOp::Less => left < right,
        BinaryOp::AtLeast => left >= right,
        BinaryOp::More => left > right,
        _ => false,
    }
}

/// What two numbers make; of a comparison 0 or 1.
fn made(op: BinaryOp, left: f64, right: f64) -> f64 {
    match op {
        BinaryOp::Add => left + right,
        BinaryOp::Subtract => left - right,
        BinaryOp::Multiply => left * right,
        BinaryOp::Divide => left / right,
        BinaryOp::Modulo => left % right,
        BinaryOp::Power => left.powf(right),
        op => f64::from(u8::from(compared(op, left, right))),
    }
}

/// The labels by which elements of two sides find each other.
fn key(matching: &Matching, labels: &Labels) -> Labels {
    let named = |name: &str| matching.labels.iter().any(|it| it == name);
    match matching.on {
        true => labels.kept(named),
        false => labels.kept(|name| name != NAME && !named(name)),
    }
}

fn set(it: &Binary, mut left: Vec<Element>, right: Vec<Element>) -> Vec<Element> {
    let keys = |of: &[Element]| of.iter().map(|element| key(&it.matching, &element.labels)).collect::<HashSet<_>>();
    match it.op {
        BinaryOp::Or => {
            let there = keys(&left);
            left.extend(right.into_iter().filter(|element| !there.contains(&key(&it.matching, &element.labels))));
        }
        op => {
            let there = keys(&right);
            left.retain(|element| there.contains(&key(&it.matching, &element.labels)) == (op == BinaryOp::And));
        }
    }
    left
}

fn matched(it: &Binary, left: Vec<Element>, right: Vec<Element>) -> Result<Vec<Element>, Error> {
    if left.is_empty() || right.is_empty() {
        return Ok(Vec::new());
    }
    let swapped = it.matching.group == Group::Right;
    let (many, one) = if swapped { (right, left) } else { (left, right) };
    let mut ones: HashMap<Labels, &Element> = HashMap::new();
    for element in &one {
        match ones.entry(key(&it.matching, &element.labels)) {
            Entry::Vacant(free) => drop(free.insert(element)),
            Entry::Occupied(before) => {
                let side = if swapped { "left" } else { "right" };
                return Err(Error::data(format!(
                    "found duplicate series for the match group {} on the {side} hand-side of the operation: [{}, {}]; \
                     many-to-many matching not allowed: matching labels must be unique on one side",
                    before.key(),
                    element.labels,
                    before.get().labels
                )));
            }
        }
    }
    let (mut out, mut seen) = (Vec::new(), HashSet::new());
    for element in &many {
        let key = key(&it.matching, &element.labels);
        let Some(other) = ones.get(&key) else { continue };
        let (left, right) = if swapped { (other.value, element.value) } else { (element.value, other.value) };
        let filters = it.op.compares() && !it.bool;
        if filters && !compared(it.op, left, right) {
            continue;
        }
        let labels = result(it, &element.labels, &other.labels);
        let twice = if it.matching.group == Group::None { !seen.insert(key) } else { !seen.insert(labels.clone()) };
        if twice {
            return Err(Error::data(match it.matching.group {
                Group::None => {
                    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
                }
                _ => "multiple matches for labels: grouping labels must ensure unique matches",
            }));
        }
        out.push(Element { labels, value: if filters { left } else { made(it.op, left, right) } });
    }
    Ok(out)
}

/// The labels of what two elements make.
fn result(it: &Binary, many: &Labels, one: &Labels) -> Labels {
    let named = |name: &str| it.matching.labels.iter().any(|it| it == name);
    let mut labels = match it.op.compares() && !it.bool {
        true => many.clone(),
        false => many.without_name(),
    };
    if it.matching.group == Group::None {
        labels = labels.kept(|name| named(name) == it.matching.on);
    }
    for name in &it.matching.include {
        labels = labels.with(name, one.get(name));
    }
    labels
}
