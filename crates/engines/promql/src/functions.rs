//! The functions of the subset, with what they take and give. What each does is in [`eval`](crate::eval).

/// What a part of a query is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// One number.
    Scalar,
    /// A text.
    Text,
    /// A number for each series.
    Vector,
    /// Numbers over a span of time for each series.
    Window,
}

impl Type {
    /// As messages name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "a number",
            Self::Text => "a text",
            Self::Vector => "an instant vector",
            Self::Window => "a range vector",
        }
    }
}

/// A function.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub(crate) does: Does,
    /// What it takes.
    pub takes: &'static [Type],
    /// How many of those may be left out, at the end.
    pub optional: usize,
    /// Whether the last may come again and again.
    pub repeats: bool,
    /// What it gives.
    pub gives: Type,
}

/// What a function does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    Map(Map),
    Over(Over),
    Round,
    Clamp,
    ClampMin,
    ClampMax,
    Scalar,
    Vector,
    Time,
    Timestamp,
    Absent,
    AbsentOverTime,
    HistogramQuantile,
    LabelReplace,
    LabelJoin,
    Sort,
    SortDesc,
}

/// Functions of each value by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Map {
    Abs,
    Ceil,
    Floor,
    Sqrt,
    Exp,
    Ln,
    Log2,
    Log10,
    Sgn,
}

/// Functions of the values of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Rate,
    Increase,
    Delta,
    Irate,
    Idelta,
    Changes,
    Resets,
    Deriv,
    PredictLinear,
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Last,
    Present,
    Stddev,
    Stdvar,
    Quantile,
}

const fn it(name: &'static str, does: Does, takes: &'static [Type], gives: Type) -> Function {
    Function { name, does, takes, optional: 0, repeats: false, gives }
}

const fn map(name: &'static str, does: Map) -> Function {
    it(name, Does::Map(does), &[Type::Vector], Type::Vector)
}

const fn over(name: &'static str, does: Over) -> Function {
    it(name, Does::Over(does), &[Type::Window], Type::Vector)
}

use Type::{Scalar as S, Text as T, Vector as V, Window as W};

/// Every function of the subset, in the order of the manual.
pub static ALL: &[Function] = &[
    over("rate", Over::Rate),
    over("increase", Over::Increase),
    over("delta", Over::Delta),
    over("irate", Over::Irate),
    over("idelta", Over::Idelta),
    over("changes", Over::Changes),
    over("resets", Over::Resets),
    over("deriv", Over::Deriv),
    it("predict_linear", Does::Over(Over::PredictLinear), &[W, S], V),
    over("sum_over_time", Over::Sum),
    over("avg_over_time", Over::Avg),
    over("min_over_time", Over::Min),
    over("max_over_time", Over::Max),
    over("count_over_time", Over::Count),
    over("last_over_time", Over::Last),
    over("present_over_time", Over::Present),
    over("stddev_over_time", Over::Stddev),
    over("stdvar_over_time", Over::Stdvar),
    it("quantile_over_time", Does::Over(Over::Quantile), &[S, W], V),
    it("absent_over_time", Does::AbsentOverTime, &[W], V),
    it("absent", Does::Absent, &[V], V),
    it("histogram_quantile", Does::HistogramQuantile, &[S, V], V),
    map("abs", Map::Abs),
    map("ceil", Map::Ceil),
    map("floor", Map::Floor),
    Function { name: "round", does: Does::Round, takes: &[V, S], optional: 1, repeats: false, gives: V },
    map("sqrt", Map::Sqrt),
    map("exp", Map::Exp),
    map("ln", Map::Ln),
    map("log2", Map::Log2),
    map("log10", Map::Log10),
    map("sgn", Map::Sgn),
    it("clamp", Does::Clamp, &[V, S, S], V),
    it("clamp_min", Does::ClampMin, &[V, S], V),
    it("clamp_max", Does::ClampMax, &[V, S], V),
    it("scalar", Does::Scalar, &[V], S),
    it("vector", Does::Vector, &[S], V),
    it("time", Does::Time, &[], S),
    it("timestamp", Does::Timestamp, &[V], V),
    it("label_replace", Does::LabelReplace, &[V, T, T, T, T], V),
    Function { name: "label_join", does: Does::LabelJoin, takes: &[V, T, T, T], optional: 1, repeats: true, gives: V },
    it("sort", Does::Sort, &[V], V),
    it("sort_desc", Does::SortDesc, &[V], V),
];

/// Functions of PromQL that are not in the subset: they are refused by name, not as a mistake.
pub(crate) const OUTSIDE: &[&str] = &[
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "cos",
    "cosh",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "deg",
    "double_exponential_smoothing",
    "first_over_time",
    "histogram_avg",
    "histogram_count",
    "histogram_fraction",
    "histogram_quantiles",
    "histogram_stddev",
    "histogram_stdvar",
    "histogram_sum",
    "holt_winters",
    "hour",
    "info",
    "mad_over_time",
    "minute",
    "month",
    "pi",
    "rad",
    "sin",
    "sinh",
    "sort_by_label",
    "sort_by_label_desc",
    "tan",
    "tanh",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
    "year",
];

/// The function of a name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    ALL.iter().find(|it| it.name == name)
}
