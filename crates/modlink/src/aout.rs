//! a.out objects with magic 0407 (`OMAGIC`), as Linux 1.x and 2.0 loaded them (`<a.out.h>`).

pub(crate) mod read;
