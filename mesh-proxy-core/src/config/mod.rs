//! Where objects come from: files and directories, watched.

mod files;
mod render;
mod report;
mod source;
mod watch;

pub(crate) use files::SourceText;
pub(crate) use render::render;
pub(crate) use report::Report;
pub(crate) use source::{Findings, Source};
pub(crate) use watch::Watcher;
