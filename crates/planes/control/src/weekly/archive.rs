//! Reports of weeks on disk: `weekly/2026-W48.json`, the newest of them.

use crate::limits::{WEEKLY_BYTES_MAX, WEEKLY_KEPT};
use bartizan_core::weekly::{Week, WeeklyReport};
use bartizan_runtime::files;
use std::path::{Path, PathBuf};

/// The folder.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    folder: PathBuf,
}

impl Archive {
    pub(crate) fn of(data: &Path) -> Self {
        Self { folder: data.join("weekly") }
    }

    pub(crate) fn has(&self, week: Week) -> bool {
        self.file(week).exists()
    }

    /// Weeks that there are reports of, the newest first. Blocks.
    pub(crate) fn weeks(&self) -> Vec<Week> {
        let names = std::fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let mut weeks: Vec<Week> =
            names.filter_map(|name| Week::parse(name.to_str()?.strip_suffix(".json")?)).collect();
        weeks.sort_unstable_by(|a, b| b.cmp(a));
        weeks
    }

    /// The report of a week; `None` where there is none, or it cannot be read. Blocks.
    pub(crate) fn get(&self, week: Week) -> Option<WeeklyReport> {
        let bytes = files::read_bounded(&self.file(week), WEEKLY_BYTES_MAX).ok()?;
        let read = serde_json::from_slice(&bytes);
        read.inspect_err(|error| tracing::warn!(%error, %week, "an archived report cannot be read")).ok()
    }

    /// Writes it down, and lets those go that are too many.
    pub(crate) async fn put(&self, week: Week, report: &WeeklyReport) {
        let (it, report) = (self.clone(), report.clone());
        let written = tokio::task::spawn_blocking(move || it.write(week, &report)).await;
        match written {
            Ok(Ok(())) => tracing::info!(%week, "the report of the week is made"),
            Ok(Err(error)) => tracing::warn!(%error, %week, "the report of the week is not archived"),
            Err(error) => tracing::error!(%error, "the report of the week was not written"),
        }
    }

    fn write(&self, week: Week, report: &WeeklyReport) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let bytes = serde_json::to_vec_pretty(report).map_err(std::io::Error::other)?;
        files::write_atomic(&self.file(week), &bytes, 0o600)?;
        for old in self.weeks().into_iter().skip(WEEKLY_KEPT) {
            std::fs::remove_file(self.file(old))?;
        }
        Ok(())
    }

    fn file(&self, week: Week) -> PathBuf {
        self.folder.join(format!("{week}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::Timestamp;

    fn report(week: Week) -> WeeklyReport {
        WeeklyReport {
            week: week.to_string(),
            begins: week.begins(),
            ends: week.ends(),
            made_at: week.ends(),
            is_whole: true,
            counted_since: Timestamp::from_secs(0),
            alerts: Vec::new(),
            denials: Vec::new(),
            policies: Vec::new(),
            policies_cut: false,
            indicators: Vec::new(),
            budgets: Vec::new(),
            versions: Vec::new(),
            expiring: Vec::new(),
            no_source: Vec::new(),
            archived: Vec::new(),
        }
    }

    #[test]
    fn the_newest_stay_and_what_is_none_of_ours_too() {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::of(dir.path());
        assert_eq!(archive.weeks(), []);
        let mut week = Week::parse("2024-W01").unwrap();
        let first = week;
        for _ in 0..WEEKLY_KEPT + 3 {
            archive.write(week, &report(week)).unwrap();
            week = Week::of(week.ends());
        }
        std::fs::write(dir.path().join("weekly/notes.txt"), "mine").unwrap();
        let weeks = archive.weeks();
        assert_eq!((weeks.len(), weeks[0]), (WEEKLY_KEPT, week.before()));
        assert!(!archive.has(first) && archive.get(first).is_none(), "the oldest went");
        assert_eq!(archive.get(week.before()), Some(report(week.before())));
        std::fs::write(dir.path().join(format!("weekly/{}.json", week.before())), "{").unwrap();
        assert_eq!(archive.get(week.before()), None, "half a file is none");
        assert!(dir.path().join("weekly/notes.txt").exists());
    }
}
