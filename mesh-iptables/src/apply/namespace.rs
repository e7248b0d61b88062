//! Entering another network namespace, and the file-system sandbox of CNI mode.
//!
//! A namespace belongs to a thread. All work is done on a thread made for it, and its children inherit what it
//! entered; the caller's threads stay where they are. No `nsenter` is needed.

use std::fs::File;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

use super::error::{ApplyError, ApplyErrorKind};

/// Runs `work` on a thread of its own in the network namespace at `path`, or in the caller's.
pub(super) fn inside<T: Send>(
    path: Option<&Path>,
    work: impl FnOnce() -> Result<T, ApplyError> + Send,
) -> Result<T, ApplyError> {
    on_a_thread(|| {
        if let Some(path) = path {
            enter(path)?;
        }
        work()
    })
}

/// Runs `work` on a thread of its own in a network namespace made for it, which ends with it.
pub(super) fn scratch<T: Send>(work: impl FnOnce() -> Result<T, ApplyError> + Send) -> Result<T, ApplyError> {
    on_a_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|error| {
            let message = format!("cannot make a network namespace to compare with: {error}");
            ApplyError::new(ApplyErrorKind::Namespace, message)
        })?;
        work()
    })
}

fn on_a_thread<T: Send>(work: impl FnOnce() -> Result<T, ApplyError> + Send) -> Result<T, ApplyError> {
    std::thread::scope(|scope| {
        scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn enter(path: &Path) -> Result<(), ApplyError> {
    let refuse = |what: &str, error: &dyn std::fmt::Display| {
        let message = format!("network namespace `{}` cannot be {what}: {error}", path.display());
        ApplyError::new(ApplyErrorKind::Namespace, message)
    };
    let file = File::open(path).map_err(|error| refuse("opened", &error))?;
    setns(file, CloneFlags::CLONE_NEWNET).map_err(|error| refuse("entered", &error))
}

/// Gives this thread and its children a file system of their own, with nothing to ask about users but files and,
/// if asked, the lock of this pod in place of the machine's (`APP-11`). Call it after entering the namespace.
pub(super) fn isolate_files(lock: Option<&Path>) -> Result<(), nix::Error> {
    const NONE: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS)?;
    // What is mounted here must not reach the machine.
    mount(NONE, "/", NONE, MsFlags::MS_SLAVE | MsFlags::MS_REC, NONE)?;
    if Path::new("/etc/nsswitch.conf").exists() {
        mount(Some("/dev/null"), "/etc/nsswitch.conf", NONE, MsFlags::MS_BIND, NONE)?;
    }
    if let Some(lock) = lock {
        mount(Some(lock), "/run/xtables.lock", NONE, MsFlags::MS_BIND, NONE)?;
    }
    Ok(())
}
