//! modprobe
