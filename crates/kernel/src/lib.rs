//! The kernel side of loadable modules, as a library that any program can embed.
#![deny(unsafe_code)]
