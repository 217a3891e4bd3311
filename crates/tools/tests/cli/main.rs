//! The tools at their door: arguments in, output and exit status out, with a real kernel in the test's own process.

mod aout;
mod bad_input;
mod frame;
mod insmod;
mod killed;
mod lists;
mod modpost;
mod parameters;
mod proxy;
mod rmmod;
mod versions;
mod world;
