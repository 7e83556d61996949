//! The indicators: what guards count, kept for a month, also over restarts.

use crate::app::App;
use crate::limits::{INDICATORS_BYTES_MAX, INDICATORS_KEEP_EVERY, SERIES_POINTS_MAX};
use bartizan_core::Timestamp;
use bartizan_core::alerts::Sli;
use bartizan_core::indicators::{
    BudgetStatus, BurnStatus, Goal as Standing, IndicatorStatus, Indicators, PartStatus, PlaceStatus, WindowStatus,
};
use bartizan_core::objectives::{
    Advice, AdviceOf, Candidate, ObjectiveStatus, Objectives, ObjectivesStatus, Said, WhenNothing,
};
use bartizan_core::overview::{IndicatorSeries, SeriesPoint};
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::stats::ProxyStats;
use bartizan_core::synthetic::Synthetic;
use bartizan_core::{Member, ServiceName, name};
use bartizan_indicators::advice::replay;
use bartizan_indicators::burn::paces;
use bartizan_indicators::limits::RINGS;
use bartizan_indicators::{Board, Goal, Indicator, Objective, Part, Place, Series, Tally};
use bartizan_runtime::{clock, files};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
/// What is shown: an hour, a day, a week, a month.
const WINDOWS: [Duration; 4] =
    [Duration::from_secs(3600), DAY, Duration::from_secs(7 * 86_400), Duration::from_secs(30 * 86_400)];
/// Over which objectives count.
const MONTH: Duration = WINDOWS[3];

/// What is counted.
#[derive(Debug)]
pub(crate) struct Book {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    board: Board,
    /// Control's own handshakes, as they were looked at last.
    own: Own,
}

#[derive(Debug, Default)]
struct Own {
    completed: u64,
    failed: u64,
    strangers: u64,
    identities_refused: u64,
}

impl Book {
    /// What was kept. A file that cannot be read is left aside with a word: it is a memory, not a rule.
    pub(crate) fn open(data: &Path, now: Timestamp) -> Self {
        let path = data.join("indicators.bin");
        let board = files::read_bounded(&path, INDICATORS_BYTES_MAX).ok().and_then(|bytes| {
            let board = Board::from_bytes(&bytes);
            if board.is_none() {
                tracing::warn!(path = %path.display(), "what was counted for the indicators is forgotten");
            }
            board
        });
        let board = board.unwrap_or_else(|| Board::new(now));
        Self { path, inner: Mutex::new(Inner { board, own: Own::default() }) }
    }

    /// A guard told its counters.
    pub(crate) fn count(
        &self,
        member: &Member,
        process: u64,
        stats: &ProxyStats,
        labels: &BTreeMap<ServiceName, Synthetic>,
        now: Timestamp,
    ) {
        self.lock().board.count(member, process, stats, labels, now);
    }

    /// A reload was refused whole.
    pub(crate) fn reload_refused(&self, now: Timestamp) {
        self.lock().board.add(Indicator::M9, Place::Fleet, Tally::new(1, 1), now);
    }

    /// A snapshot is published.
    pub(crate) fn published(&self, kind: Kind, epoch: Epoch, now: Timestamp) {
        self.lock().board.published(kind, epoch, now);
    }

    /// A guard refused a snapshot: its roll-out failed.
    pub(crate) fn refused(&self, kind: Kind, epoch: Epoch, now: Timestamp) {
        self.lock().board.refused(kind, epoch, now);
    }

    /// A version was found bad, to which this snapshot gave this part of the calls.
    pub(crate) fn found_bad(&self, by: (Kind, Epoch), part: f64, now: Timestamp) {
        self.lock().board.found_bad(by, part, now);
    }

    /// One indicator at one place over the last `window`, in steps as it is kept. What is wrong with the question, else.
    pub(crate) fn over_time(
        &self,
        indicator: &str,
        place: &str,
        window: Duration,
        now: Timestamp,
    ) -> Result<IndicatorSeries, String> {
        let it = Indicator::parse(indicator)
            .ok_or_else(|| format!("there is no indicator `{indicator}`; they are M1 to M10"))?;
        if window.is_zero() || window > MONTH {
            return Err(format!("seconds = {}: expected 1 to {}", window.as_secs(), MONTH.as_secs()));
        }
        // The finest ring that reaches back so far says how long a step is at least.
        let reach = |(length, slots): &(Duration, usize)| *length * (*slots as u32 - 1);
        let kept = RINGS.iter().find(|ring| window <= reach(ring)).unwrap_or(&RINGS[RINGS.len() - 1]).0;
        let step_s = window.as_secs().div_ceil(SERIES_POINTS_MAX).next_multiple_of(kept.as_secs());
        let count = window.as_secs().div_ceil(step_s);
        let inner = self.lock();
        let found = inner.board.of(it).find(|(at, _)| at.to_string() == place).map(|(_, series)| series);
        let tallies = found.map(|series| series.points(now, Duration::from_secs(step_s * count), count as u32));
        let point = |(back, tally): (u64, Tally)| {
            let at = now.minus(Duration::from_secs(step_s * back));
            SeriesPoint { at, bad: tally.bad, all: tally.all }
        };
        let points = (0..count).rev().zip(tallies.unwrap_or_default()).map(point).collect();
        Ok(IndicatorSeries { now, indicator: it.id().to_owned(), place: place.to_owned(), step_s, points })
    }

    /// Every indicator at each of its places, held against what is asked of it there.
    pub(crate) fn report(&self, objectives: Option<&Objectives>, now: Timestamp) -> Indicators {
        let inner = self.lock();
        let indicators = Indicator::ALL.map(|it| indicator(&inner.board, it, objectives, now)).into();
        Indicators { now, since: inner.board.since(), left_out: inner.board.left_out(), indicators }
    }

    /// One indicator at one place, for whoever is told of an alert there; `None` where nothing was counted.
    pub(crate) fn sli(
        &self,
        it: Indicator,
        place: &Place,
        objectives: Option<&Objectives>,
        now: Timestamp,
    ) -> Option<Sli> {
        let inner = self.lock();
        let said = objectives.and_then(|all| all.of(it, place, now));
        let at = at_place(it, place, inner.board.series(it, place)?, said, now);
        let target = at.target.clone().unwrap_or_else(|| target(it));
        Some(Sli {
            indicator: it.id().to_owned(),
            title: it.title().to_owned(),
            is_success: it.is_success(),
            target,
            at,
        })
    }

    /// How often each target would have told somebody within the last thirty days, at the places that `wanted` names.
    pub(crate) fn advice(
        &self,
        objectives: Option<&Objectives>,
        wanted: impl Fn(Indicator, &Place) -> bool,
        now: Timestamp,
    ) -> Advice {
        let series: Vec<(Indicator, Place, Series)> = {
            let inner = self.lock();
            let with_share = Indicator::ALL.into_iter().filter(|it| matches!(it.goal(), Goal::Share(_)));
            let all = with_share.flat_map(|it| inner.board.of(it).map(move |(place, series)| (it, place, series)));
            let wanted = all.filter(|(it, place, _)| wanted(*it, place)).take(ADVICE_MAX);
            wanted.map(|(it, place, series)| (it, place.clone(), series.clone())).collect()
        };
        let of = series.iter().map(|(it, place, series)| advice_of(*it, place, series, objectives, now)).collect();
        Advice { now, since: self.lock().board.since(), of }
    }

    /// Looks at the board, for rules.
    pub(crate) fn with_board<T>(&self, look: impl FnOnce(&Board) -> T) -> T {
        look(&self.lock().board)
    }

    /// Takes in what control counts itself, for the whole fleet.
    fn count_own(&self, app: &App, now: Timestamp) {
        let handshakes = app.handshakes();
        let new = Own {
            completed: handshakes.completed,
            failed: handshakes.failed.values().sum(),
            strangers: bartizan_indicators::count::unauthorised_handshakes(&handshakes.failed),
            identities_refused: app.identities_refused(),
        };
        let mut inner = self.lock();
        let old = std::mem::replace(&mut inner.own, Own { ..new });
        let (failed, strangers) = (inner.own.failed - old.failed, inner.own.strangers - old.strangers);
        let completed = inner.own.completed - old.completed;
        let refused = inner.own.identities_refused - old.identities_refused;
        let board = &mut inner.board;
        board.add(Indicator::M2, Place::Fleet, Tally::new(failed, failed + completed), now);
        board.add(Indicator::M8, Place::Fleet, Tally::new(strangers + refused, 0), now);
    }

    /// Writes the file. Blocks.
    fn keep(&self) {
        let bytes = self.lock().board.to_bytes();
        if let Err(error) = files::write_atomic(&self.path, &bytes, 0o600) {
            tracing::warn!(%error, path = %self.path.display(), "what was counted for the indicators is not kept");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change leaves it whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts what control sees itself and keeps everything, until the end.
pub(crate) async fn keep(app: Arc<App>) {
    loop {
        let goes_on = app.stop.run_until_cancelled(tokio::time::sleep(INDICATORS_KEEP_EVERY)).await.is_some();
        let shared = Arc::clone(&app);
        let keeping = tokio::task::spawn_blocking(move || {
            let (now, in_force) = (clock::now(), shared.in_force());
            let fleet = &in_force.desired.fleet;
            let is_member = |member: &Member| {
                member.service().as_str() == name::GATEWAY || fleet.services.contains_key(member.service())
            };
            shared.indicators.count_own(&shared, now);
            shared.indicators.lock().board.tidy(is_member, now);
            shared.indicators.keep();
        });
        if let Err(error) = keeping.await {
            tracing::error!(%error, "indicators were not kept");
        }
        if !goes_on {
            return;
        }
    }
}

fn indicator(board: &Board, it: Indicator, objectives: Option<&Objectives>, now: Timestamp) -> IndicatorStatus {
    let (numerator, denominator) = it.formula();
    let asked = |place: &Place| objectives.and_then(|all| all.of(it, place, now));
    let mut places: Vec<_> =
        places_of(board, it).map(|(place, series)| at_place(it, &place, series, asked(&place), now)).collect();
    for at in &mut places {
        at.parts = parts(board, it, &at.place, now);
    }
    // Where silence is a failure it has to be seen where nothing was ever counted.
    let said = objectives.iter().flat_map(|all| &all.said).filter(|said| said.indicator == it && said.counts(now));
    for said in said.filter(|said| board.series(it, &said.place).is_none()) {
        places.push(at_place(it, &said.place, &Series::default(), Some(said), now));
    }
    IndicatorStatus {
        id: it.id().to_owned(),
        title: it.title().to_owned(),
        numerator: numerator.to_owned(),
        denominator: Some(denominator.to_owned()).filter(|it| !it.is_empty()),
        target: target(it),
        has_source: it.has_source(),
        is_success: it.is_success(),
        places,
    }
}

/// Where an indicator was counted, and where only something beside it was.
fn places_of(board: &Board, it: Indicator) -> impl Iterator<Item = (Place, &Series)> {
    static NOTHING: LazyLock<Series> = LazyLock::new(Series::default);
    let mut all: BTreeMap<Place, &Series> = board.of(it).map(|(place, series)| (place.clone(), series)).collect();
    for part in Part::ALL.into_iter().filter(|part| part.of() == it) {
        board.places_of_part(part).for_each(|place| _ = all.entry(place.clone()).or_insert(&NOTHING));
    }
    all.into_iter()
}

fn parts(board: &Board, it: Indicator, place: &str, now: Timestamp) -> Vec<PartStatus> {
    let of = Part::ALL.into_iter().filter(|part| part.of() == it);
    let place = Place::parse(place);
    let counted = of.filter_map(|part| Some((part, board.part(part, place.as_ref()?)?)));
    let status = |(part, series): (Part, &Series)| PartStatus {
        part: part.as_str().to_owned(),
        windows: WINDOWS.iter().map(|window| in_window(it, series, *window, now)).collect(),
    };
    counted.map(status).collect()
}

fn target(it: Indicator) -> String {
    match it.goal() {
        Goal::Share(bad) => it.target(bad),
        Goal::Within(time) => format!("within {} h", time.as_secs() / 3600),
        Goal::Count(count) => format!("at most {count}"),
        Goal::Falling => "falling from week to week".to_owned(),
    }
}

/// What is asked of an indicator at a place: what the file says, or what is asked everywhere.
pub(crate) fn objective(it: Indicator, said: Option<&Said>) -> Option<Objective> {
    match (said, it.goal()) {
        (Some(said), _) => Some(Objective { bad_max: said.bad_max, window: said.window() }),
        (None, Goal::Share(bad_max)) => Some(Objective { bad_max, window: MONTH }),
        (None, _) => None,
    }
}

fn at_place(it: Indicator, place: &Place, series: &Series, said: Option<&Said>, now: Timestamp) -> PlaceStatus {
    let windows = WINDOWS.iter().map(|window| in_window(it, series, *window, now)).collect();
    let objective = objective(it, said);
    let budget = objective.map(|objective| (objective, objective.budget(series, now)));
    let falls = matches!(it.goal(), Goal::Falling);
    let [trend, trend_month] = TRENDS.map(|half| if falls { trend(series, half, now) } else { None });
    let missed = match budget {
        Some((_, budget)) if budget.tally.all == 0 => match said.map(|it| it.when_nothing) {
            Some(WhenNothing::Met) => Some(false),
            Some(WhenNothing::Missed) => Some(true),
            Some(WhenNothing::Unknown) | None => None,
        },
        Some((objective, budget)) => Some(objective.is_missed(budget.tally)),
        None => trend.map(|by| by >= 1.0),
    };
    PlaceStatus {
        place: place.to_string(),
        windows,
        target: said.map(|said| it.target(said.bad_max)),
        budget: budget.map(|(objective, budget)| BudgetStatus {
            bad_max: objective.bad_max,
            window_s: objective.window.as_secs(),
            allowed: budget.allowed,
            used: budget.tally.bad,
            left: budget.left,
        }),
        burns: objective.map(|objective| burns(&objective, series, now)).unwrap_or_default(),
        parts: Vec::new(), // whoever knows the board puts them in
        trend,
        trend_month,
        standing: missed.map(|missed| if missed { Standing::Missed } else { Standing::Met }),
    }
}

/// What the file of objectives says, and whether it still counts.
pub(crate) fn objectives(said: Option<&Objectives>, now: Timestamp) -> ObjectivesStatus {
    let status = |it: &Said| ObjectiveStatus {
        said: it.clone(),
        target: it.indicator.target(it.bad_max),
        counts: it.counts(now),
    };
    ObjectivesStatus {
        now,
        file: said.map(|it| it.file.clone()),
        objectives: said.iter().flat_map(|it| &it.said).map(status).collect(),
        promotion: None,
    }
}

/// Shares of bad ones that are tried as targets.
const CANDIDATES: [f64; 9] = [0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1];
/// Series that are replayed for one question, a count: each takes some 20 ms.
const ADVICE_MAX: usize = 64;

fn advice_of(
    it: Indicator,
    place: &Place,
    series: &Series,
    objectives: Option<&Objectives>,
    now: Timestamp,
) -> AdviceOf {
    let counted = series.over(now, MONTH);
    let in_force = objective(it, objectives.and_then(|all| all.of(it, place, now)));
    let mut shares: Vec<f64> = CANDIDATES.into();
    shares.extend(in_force.map(|it| it.bad_max).filter(|share| !CANDIDATES.contains(share)));
    shares.sort_by(f64::total_cmp);
    let candidate = |bad_max: f64| {
        let objective = Objective { bad_max, window: in_force.map_or(MONTH, |it| it.window) };
        let told = replay(&objective, series, MONTH, now);
        Candidate {
            target: it.target(bad_max),
            bad_max,
            in_force: in_force.is_some_and(|it| it.bad_max == bad_max),
            pages: told.pages,
            tickets: told.tickets,
            left: objective.budget(series, now).left,
        }
    };
    AdviceOf {
        indicator: it.id().to_owned(),
        place: place.to_string(),
        bad: counted.bad,
        all: counted.all,
        candidates: shares.into_iter().map(candidate).collect(),
    }
}

fn in_window(it: Indicator, series: &Series, window: Duration, now: Timestamp) -> WindowStatus {
    let tally = series.over(now, window);
    let good = |(low, high): (f64, f64)| if it.is_success() { (1.0 - high, 1.0 - low) } else { (low, high) };
    WindowStatus {
        seconds: window.as_secs(),
        bad: tally.bad,
        all: tally.all,
        share: tally.ratio().map(|bad| it.share(bad)),
        interval: tally.interval().map(good),
    }
}

fn burns(objective: &Objective, series: &Series, now: Timestamp) -> Vec<BurnStatus> {
    let all = paces(objective.window).into_iter().map(|pace| pace.burn(objective, series, now));
    let status = |burn: bartizan_indicators::Burn| BurnStatus {
        long_s: burn.pace.long.as_secs(),
        short_s: burn.pace.short.as_secs(),
        limit: burn.pace.rate,
        rate: burn.rate,
        doubt: burn.doubt,
        urgency: burn.pace.urgency.as_str().to_owned(),
        alight: burn.alight,
    };
    all.map(status).collect()
}

/// What trends compare with what came before it: a week, and half of what is kept.
const TRENDS: [Duration; 2] = [Duration::from_secs(7 * 86_400), Duration::from_secs(15 * 86_400)];

/// The last `half` by the one before.
fn trend(series: &Series, half: Duration, now: Timestamp) -> Option<f64> {
    let (last, both) = (series.over(now, half).bad, series.over(now, 2 * half).bad);
    let before = both.saturating_sub(last);
    (before > 0).then(|| last as f64 / before as f64)
}
