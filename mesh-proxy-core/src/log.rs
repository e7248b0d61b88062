//! The process log: to standard error, with levels that can be changed while running (`PROXY-ADM-05`).

use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt};

/// The levels in force.
#[derive(Clone)]
pub(crate) struct LogLevels {
    handle: Option<reload::Handle<Targets, Registry>>,
    current: Arc<Mutex<String>>,
}

impl LogLevels {
    /// Starts logging.
    ///
    /// # Errors
    ///
    /// A text about `levels` that cannot be understood.
    pub(crate) fn start(levels: &str) -> Result<Self, String> {
        let (filter, handle) = reload::Layer::new(parse(levels)?);
        let stderr = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
        // A second start in one process keeps the first one's subscriber.
        let started = tracing_subscriber::registry().with(filter).with(stderr).try_init().is_ok();
        Ok(Self { handle: started.then_some(handle), current: Arc::new(Mutex::new(levels.to_owned())) })
    }

    /// Changes the levels: `debug`, or `info,mesh_proxy_core::exchange=debug`.
    ///
    /// # Errors
    ///
    /// A text that says what is wrong with `levels`.
    pub(crate) fn set(&self, levels: &str) -> Result<(), String> {
        let filter = parse(levels)?;
        let handle = self.handle.as_ref().ok_or("log levels belong to the embedding program")?;
        handle.reload(filter).map_err(|error| error.to_string())?;
        levels.clone_into(&mut self.current.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    pub(crate) fn current(&self) -> String {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn parse(levels: &str) -> Result<Targets, String> {
    // `Targets` takes a lone word that is no level for a module's name.
    let known = |level: &str| level.parse::<tracing_subscriber::filter::LevelFilter>().is_ok();
    let well_formed =
        levels.split(',').all(|part| known(part.rsplit_once('=').map_or(part, |(_, level)| level)));
    well_formed.then(|| levels.parse::<Targets>().ok()).flatten().ok_or_else(|| {
        format!("log level `{levels}`: use off, error, warn, info, debug or trace, or module=level pairs joined by commas")
    })
}
