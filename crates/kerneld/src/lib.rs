//! The daemon that loads modules on demand and has unused ones removed.
#![forbid(unsafe_code)]
