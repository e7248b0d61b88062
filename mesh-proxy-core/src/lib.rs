#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod snapshot;

#[cfg(feature = "net")]
mod admin;
#[cfg(feature = "net")]
mod bind;
#[cfg(feature = "net")]
pub mod cli;
#[cfg(feature = "net")]
mod config;
#[cfg(feature = "net")]
mod demo;
#[cfg(feature = "net")]
mod engine;
#[cfg(feature = "net")]
mod exchange;
#[cfg(feature = "net")]
mod joined;
#[cfg(feature = "net")]
mod live;
#[cfg(feature = "net")]
mod log;
#[cfg(feature = "net")]
mod shared;
#[cfg(feature = "net")]
mod telemetry;
#[cfg(feature = "net")]
mod upstream;
#[cfg(feature = "net")]
mod worker;
