//! The boundary of the hosted kernel: system calls, replies, errno, kerneld messages and their wire form.
#![forbid(unsafe_code)]
