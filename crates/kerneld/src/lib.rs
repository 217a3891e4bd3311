//! The daemon that loads modules on demand and has unused ones removed.
//!
//! The kernel asks over a channel (see [`uapi::kerneld`]); the daemon does nothing of the work itself but runs the program that
//! can: modprobe, request-route, a screen blanker, the shell. Whenever its idle timer expires it tells the kernel to remove what
//! was demand-loaded and is no longer used.
//!
//! The decisions are pure: [`Engine`] takes messages, ended jobs and the time, and answers with [`Action`]s. Around it stand
//! [`Children`] (processes), [`hosted`] (the kernel), and [`Daemon`], the loop that moves events from the one to the other.
#![forbid(unsafe_code)]

mod action;
pub mod background;
mod children;
mod config;
mod daemon;
mod engine;
mod error;
pub mod hosted;
mod idle;
mod job;
pub mod linux;
mod log;
mod options;
mod pidfile;
mod programs;
mod settings;
mod signals;
mod status;
mod text;
mod words;

pub use action::{Action, Ended, Level, Run, Shell};
pub use children::Children;
pub use config::{Config, ConfigError, MAX_CONFIG, parse as parse_config};
pub use daemon::Daemon;
pub use engine::{Engine, MAX_RUNNING, MAX_SLEEPING, MAX_WAITERS};
pub use error::Error;
pub use idle::IdleTimer;
pub use job::{Job, JobId, JobState, JobTable, ReplyId};
pub use log::Log;
pub use options::{Options, command};
pub use programs::{Program, Programs};
pub use settings::{Delay, RoutePrograms, Served, Settings, Unloading, Verbosity};
pub use text::{MAX_REQUEST, ModuleAlias, Quad, ShellCommand, TextError};
pub use words::{Word, WordError};
