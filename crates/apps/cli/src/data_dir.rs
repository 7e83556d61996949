//! The data folder of a fleet: its layout, its lock, and how a command finds the one it is about.

use crate::failure::Failure;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Name of the folder beside the fleet file that holds one folder for each fleet.
pub(crate) const HOME: &str = ".bartizan";

/// A data folder, and where things lie in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    /// The folder that `up` uses where none was given.
    pub(crate) fn beside(fleet_file: &Path, fleet_name: &str) -> PathBuf {
        folder_of(fleet_file).join(HOME).join(fleet_name)
    }

    /// Makes the folder, with what is needed in it, for this user alone.
    ///
    /// # Errors
    /// A [`Failure`] naming the path that could not be made.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        refuse_strangers_folder(path)?;
        make_private(path)?;
        keep_out_of_git(path);
        let path = fs::canonicalize(path).map_err(|error| cannot("use", path, &error))?;
        let it = Self(path);
        // The folder itself may be older than we are, or made by hand.
        fs::set_permissions(&it.0, fs::Permissions::from_mode(0o700))
            .map_err(|error| cannot("protect", &it.0, &error))?;
        for folder in ["logs", "services", "proxies"] {
            make_private(&it.0.join(folder))?;
        }
        Ok(it)
    }

    /// An existing folder.
    pub(crate) fn open(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Control's local API.
    pub(crate) fn control_socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// The data folder of one of several controls.
    pub(crate) fn member(&self, number: u8) -> Self {
        Self(self.0.join("members").join(number.to_string()))
    }

    /// Is there once several controls have run.
    pub(crate) fn group_began(&self) -> PathBuf {
        self.0.join("members").join("began")
    }

    /// By which several controls know each other.
    pub(crate) fn group_key(&self) -> PathBuf {
        self.0.join("group.key")
    }

    /// The node's local API.
    pub(crate) fn node_socket(&self) -> PathBuf {
        self.0.join("node.sock")
    }

    /// Where programs ask who they are.
    pub(crate) fn workload_socket(&self) -> PathBuf {
        self.0.join("workload.sock")
    }

    /// Where everything listens.
    pub(crate) fn plan(&self) -> PathBuf {
        self.0.join("plan.json")
    }

    /// The fleet's root certificates, written by control.
    pub(crate) fn roots(&self) -> PathBuf {
        self.0.join("roots.pem")
    }

    /// The secret behind the keys with which proxies seal what they keep.
    pub(crate) fn seal_secret(&self) -> PathBuf {
        self.0.join("node.secret")
    }

    /// What the node keeps over a restart, sealed.
    pub(crate) fn node_cache(&self) -> PathBuf {
        self.0.join("node.cache")
    }

    /// A log file.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.0.join("logs").join(name)
    }

    /// What a proxy keeps.
    pub(crate) fn proxy_state(&self, service: &str) -> PathBuf {
        self.0.join("proxies").join(service)
    }

    /// A program's own folder: `${data}` in the fleet file.
    pub(crate) fn service(&self, service: &str) -> PathBuf {
        self.0.join("services").join(service)
    }

    /// The socket of `up` itself, for `bartizan upgrade`.
    pub(crate) fn up_socket(&self) -> PathBuf {
        self.0.join("up.sock")
    }

    /// What stands in the place of `/etc/hosts` for the program of a service that finds its callees by name.
    pub(crate) fn hosts(&self, service: &str) -> PathBuf {
        self.0.join("hosts").join(service)
    }

    /// Which process is the porter of a service, while there is one.
    pub(crate) fn porter(&self, service: &str) -> PathBuf {
        self.0.join("porters").join(service)
    }

    /// Takes the folder for this process, until the lock is dropped or the process ends in whatever way.
    ///
    /// # Errors
    /// A [`Failure`] where another process has it.
    pub(crate) fn lock(&self) -> Result<Lock, Failure> {
        let path = self.0.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(|error| cannot("open", &path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Failure::new(format!(
                "`{}` is in use by another `bartizan up`; stop that one, or give this one a folder of its own with --data",
                self.0.display()
            ))),
            Err(TryLockError::Error(error)) => Err(cannot("lock", &path, &error)),
        }
    }
}

/// A folder with other people's files in it is not made private and filled: it was named by mistake.
fn refuse_strangers_folder(path: &Path) -> Result<(), Failure> {
    let is_ours = path.join("lock").exists() || path.join("roots.pem").exists();
    let has_files = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    if has_files && !is_ours {
        return Err(Failure::new(format!(
            "`{}` holds files already and is no data folder; name an empty or a new one with --data",
            path.display()
        )));
    }
    Ok(())
}

/// The folder holds the fleet's CA and lies beside the fleet file, often in a repository. A comfort, so it fails open.
fn keep_out_of_git(path: &Path) {
    let _ = fs::write(path.join(".gitignore"), "*\n");
}

/// Holds a data folder for one `up`. The kernel frees it when the process ends, also by `kill -9`.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Makes a folder of mode 0700, with its parents.
pub(crate) fn make_private(path: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| cannot("make", path, &error))
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!(
        "cannot {what} `{}`: {error}; choose a folder that you may write to with --data",
        path.display()
    ))
}

/// The folder that a file lies in, never empty.
pub(crate) fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Finds the data folder that a command is about: the one given, else the only one beside the fleet file, else the only
/// one in the nearest `.bartizan` from `start` upwards.
///
/// # Errors
/// A [`Failure`] saying how to name one, where there is none or more than one.
pub(crate) fn find(data: Option<&Path>, fleet_file: Option<&Path>, start: &Path) -> Result<DataDir, Failure> {
    if let Some(given) = data {
        if !given.is_dir() {
            let message =
                format!("there is no data folder `{}`; `bartizan up` makes it when it starts a fleet", given.display());
            return Err(Failure::new(message));
        }
        return Ok(DataDir::open(given));
    }
    if let Some(fleet_file) = fleet_file {
        let home = folder_of(fleet_file).join(HOME);
        return the_only_one(&home)?.ok_or_else(|| {
            let message =
                format!("no fleet was started from `{}`; start it with `bartizan up {0}`", fleet_file.display());
            Failure::new(message)
        });
    }
    for folder in start.ancestors() {
        if let Some(found) = the_only_one(&folder.join(HOME))? {
            return Ok(found);
        }
    }
    Err(Failure::new(
        "no fleet was started here: neither this folder nor one above it has a `.bartizan`; name the fleet with \
         `--fleet path/to/fleet.yaml` or its data folder with `--data DIR` (or in BARTIZAN_DATA)",
    ))
}

/// The only data folder in `home`; `None` where `home` is missing or empty.
fn the_only_one(home: &Path) -> Result<Option<DataDir>, Failure> {
    let entries = match fs::read_dir(home) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => {
            return Err(Failure::new(format!(
                "cannot read `{}`: {error}; name the data folder with --data",
                home.display()
            )));
        }
    };
    let mut folders: Vec<_> =
        entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.join("lock").is_file()).collect();
    folders.sort();
    match folders.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(DataDir::open(only))),
        [first, ..] => {
            let names: Vec<_> = folders.iter().map(|f| format!("`{}`", f.display())).collect();
            let message = format!(
                "several fleets were started here: {}; choose one, such as `--data {}`",
                names.join(", "),
                first.display()
            );
            Err(Failure::new(message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet_in(root: &Path, name: &str) -> PathBuf {
        let data = DataDir::create(&root.join(HOME).join(name)).unwrap();
        drop(data.lock().unwrap());
        data.path().to_owned()
    }

    #[test]
    fn a_folder_with_other_peoples_files_is_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        let home = temp.path().join("home");
        fs::create_dir(&home).unwrap();
        fs::write(home.join("letter.txt"), "dear").unwrap();
        let refused = DataDir::create(&home).unwrap_err().to_string();
        assert!(refused.contains("holds files already") && refused.contains("--data"), "{refused}");
        assert_eq!(fs::read_dir(&home).unwrap().count(), 1, "nothing was put into it");
        // An empty one is taken, and one of ours again.
        let ours = temp.path().join("ours");
        drop(DataDir::create(&ours).unwrap().lock().unwrap());
        assert_eq!(fs::read_to_string(ours.join(".gitignore")).unwrap(), "*\n");
        DataDir::create(&ours).unwrap();
    }

    #[test]
    fn finds_the_only_folder_upwards_and_asks_where_it_cannot_choose() {
        let temp = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(temp.path()).unwrap();
        let deep = root.join("a/b");
        fs::create_dir_all(&deep).unwrap();
        let none = find(None, None, &deep).unwrap_err().to_string();
        assert!(none.contains("--fleet") && none.contains("--data"), "{none}");

        let bank = fleet_in(&root, "bank");
        assert_eq!(find(None, None, &deep).unwrap().path(), bank);
        assert_eq!(find(None, Some(&root.join("fleet.yaml")), &deep).unwrap().path(), bank);
        assert!(find(None, Some(&deep.join("fleet.yaml")), &root).is_err(), "beside the fleet file, not above it");
        assert!(find(Some(&root.join("absent")), None, &deep).is_err());

        fs::create_dir(root.join(HOME).join("not-a-fleet")).unwrap();
        assert_eq!(find(None, None, &deep).unwrap().path(), bank, "a folder without a lock is no fleet");

        fleet_in(&root, "shop");
        let several = find(None, None, &deep).unwrap_err().to_string();
        assert!(several.contains("bank") && several.contains("shop") && several.contains("--data"), "{several}");
    }

    #[test]
    fn is_private_and_for_one_at_a_time() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("deep/er");
        let data = DataDir::create(&path).unwrap();
        for folder in ["", "logs", "services", "proxies"] {
            let mode = fs::metadata(path.join(folder)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{folder}");
        }
        let held = data.lock().unwrap();
        let refused = data.lock().unwrap_err().to_string();
        assert!(refused.contains("another `bartizan up`"), "{refused}");
        drop(held);
        data.lock().unwrap();
    }
}
