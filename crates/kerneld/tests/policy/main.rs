//! The commands about policies, by their output: over a small root with a module tree, a policy and journals.

mod commands;
mod learning;
mod world;
