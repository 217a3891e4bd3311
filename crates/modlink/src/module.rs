//! What makes an object a kernel module.
