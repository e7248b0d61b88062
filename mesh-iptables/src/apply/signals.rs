//! Asking to end must not leave a pod without traffic.

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

/// Signals wait while this lives.
pub(super) struct Held(Option<SigSet>);

/// Makes SIGHUP, SIGINT and SIGTERM wait, for this thread and those it starts from here on. In a program with more
/// threads another one may take them; which one is that program's decision.
pub(super) fn hold() -> Held {
    let signals: SigSet = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM].into_iter().collect();
    Held(signals.thread_swap_mask(SigmaskHow::SIG_BLOCK).ok())
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // Fails only for a set that is no set.
            let _unchanged = before.thread_set_mask();
        }
    }
}
