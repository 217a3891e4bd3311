//! The command line of `khost`.
