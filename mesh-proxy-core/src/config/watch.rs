//! Telling when files may have changed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{EventKind, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Instant;

/// Quiet time before files are read again, and the most that is waited for it (`PROXY-CFG-02`, `PROXY-SNAP-03`).
const QUIET: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(1);

/// Bind mounts and network file systems lose events: look anyway now and then.
const RESCAN: Duration = Duration::from_secs(30);

/// Watches paths for changes.
pub(crate) struct Watcher {
    events: UnboundedReceiver<()>,
    /// Dropping it ends the watch. `None` when the system offers none; then only the rescan finds changes.
    _watcher: Option<notify::RecommendedWatcher>,
}

impl Watcher {
    /// Starts watching. For a file, its directory is watched: editors replace files instead of writing into them.
    pub(crate) fn new(paths: &[PathBuf]) -> Self {
        let (sender, events) = unbounded_channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let reading_only = matches!(&event, Ok(event) if matches!(event.kind, EventKind::Access(_)));
            if !reading_only {
                // The receiver is gone only when the process is about to end.
                let _ = sender.send(());
            }
        })
        .and_then(|mut watcher| {
            for path in paths {
                let (path, mode) = if path.is_dir() {
                    (path.as_path(), RecursiveMode::Recursive)
                } else {
                    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                    (parent.unwrap_or(Path::new(".")), RecursiveMode::NonRecursive)
                };
                watcher.watch(path, mode)?;
            }
            Ok(watcher)
        });
        let watcher = watcher
            .inspect_err(|error| {
                tracing::warn!(
                    "cannot watch for changes ({error}), looking every {} s instead",
                    RESCAN.as_secs()
                );
            })
            .ok();
        Self { events, _watcher: watcher }
    }

    /// Waits until something may have changed and then been quiet for a moment. Cancel safe.
    pub(crate) async fn changed(&mut self) {
        match tokio::time::timeout(RESCAN, self.events.recv()).await {
            Ok(Some(())) => {}
            // Rescan, or no watcher at all: `recv` has returned at once and must not spin.
            Ok(None) => tokio::time::sleep(RESCAN).await,
            Err(_) => return,
        }
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match tokio::time::timeout(QUIET, self.events.recv()).await {
                Ok(Some(())) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PROXY-CFG-02, PROXY-SNAP-03
    #[test]
    fn writing_and_replacing_a_file_is_noticed() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a.yaml");
        std::fs::write(&path, "1").expect("written");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            for paths in [vec![dir.path().to_owned()], vec![path.clone()]] {
                let mut watcher = Watcher::new(&paths);
                std::fs::write(&path, "2").expect("written");
                tokio::time::timeout(Duration::from_secs(10), watcher.changed()).await.expect("a write");
                let other = dir.path().join("a.yaml.new");
                std::fs::write(&other, "3").expect("written");
                std::fs::rename(&other, &path).expect("renamed");
                tokio::time::timeout(Duration::from_secs(10), watcher.changed()).await.expect("a rename");
            }
        });
    }
}
