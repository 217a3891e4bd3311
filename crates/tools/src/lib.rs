//! insmod, rmmod, lsmod, ksyms, modprobe, depmod, modinfo: one multi-call program.
#![forbid(unsafe_code)]
