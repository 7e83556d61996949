//! Sums that lose no small numbers beside large ones (Kahan, as Neumaier improved it), as Prometheus adds.

/// A sum and what it lost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    pub(super) sum: f64,
    lost: f64,
}

impl Sum {
    pub(super) fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        self.lost += if self.sum.abs() >= value.abs() { (self.sum - sum) + value } else { (value - sum) + self.sum };
        self.sum = sum;
    }

    pub(super) fn total(self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum + self.lost }
    }

    /// Both parts together, also where they make no number.
    pub(super) fn both(self) -> f64 {
        self.sum + self.lost
    }
}

pub(super) fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let mut all = Sum::default();
    values.for_each(|it| all.add(it));
    all.total()
}

/// A mean that does not overflow on the way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    mean: Sum,
    count: f64,
}

impl Mean {
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1.0;
        let mean = self.mean.sum;
        // Once infinite it stays so, unless the other infinity or no number comes.
        let stays = mean.is_infinite() && !value.is_nan() && (value.is_finite() || (mean > 0.0) == (value > 0.0));
        if !stays {
            self.mean.add(value / self.count - mean / self.count);
        }
    }

    pub(super) fn total(self) -> f64 {
        self.mean.total()
    }
}

/// The mean square of what differs from the mean.
pub(super) fn variance(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0, Sum::default(), Sum::default());
    for value in values {
        count += 1.0;
        let delta = value - mean.both();
        mean.add(delta / count);
        squares.add(delta * (value - mean.both()));
    }
    squares.both() / count
}

/// The larger of two, where no number wins only over nothing.
pub(super) fn larger(best: f64, value: f64) -> f64 {
    if value > best || best.is_nan() { value } else { best }
}

pub(super) fn smaller(best: f64, value: f64) -> f64 {
    if value < best || best.is_nan() { value } else { best }
}
