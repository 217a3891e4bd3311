//! The FAT modules against images that other programs made (mkfs.vfat and mtools, the crate `fatfs`) and against damaged ones. The modules
//! run inside `modules/tests/harness`, under the address and undefined-behaviour sanitizers.

mod damage;
mod driver;
mod image;
mod names;
mod reading;
