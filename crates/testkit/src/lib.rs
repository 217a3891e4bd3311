//! Dev-only: a world (small root, kernel, tool path), fixtures, comparisons.
#![forbid(unsafe_code)]
