//! Interrupts.

use std::time::{Duration, Instant};

use khost::irq::TIMER;
use uapi::Errno;

use crate::{host, load, log};

/// The value of an exported `long`, read through a module's own export by copying it with an exported function.
fn value(module: &str, symbol: &str) -> i64 {
    let from = host().kernel().get_module_symbol(Some(module), symbol).expect("an export");
    let copy = host().kernel().get_module_symbol(Some(""), "memcpy").expect("an export of the kernel");
    let mut word = 0_i64;
    let to = u64::try_from((&raw mut word).expose_provenance()).unwrap();
    host().kernel().call(copy, [to, from, 8, 0, 0, 0]).unwrap();
    word
}

#[test]
fn the_timer_raises_its_line() {
    load("ticker", "clock", &[]).unwrap();
    let start = Instant::now();
    while value("clock", "ticks") < 5 {
        assert!(start.elapsed() < Duration::from_secs(20), "the timer does not tick");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(value("clock", "in_context"), 1);
    assert_eq!(value("clock", "waited"), -19, "there is no kerneld to send to");
    assert!(log("msleep: called in an interrupt handler").len() >= 5);
    host().kernel().unload("clock").unwrap();
    assert!(host().services().interrupts.list().iter().all(|line| line.handlers.iter().all(|handler| handler.device != "clock")));
}

#[test]
fn a_raised_line_runs_its_handlers_until_they_are_freed() {
    load("ticker", "bell", &["line=5"]).unwrap();
    for _ in 0..3 {
        host().raise(5).unwrap();
    }
    assert_eq!(value("bell", "ticks"), 3);
    assert_eq!(host().raise(16), Err(Errno::EINVAL));
    host().kernel().unload("bell").unwrap();
    host().raise(5).unwrap();
    load("ticker", "oblivious", &["line=6", "forget=1"]).unwrap();
    host().kernel().unload("oblivious").unwrap();
    assert_eq!(log("`oblivious` went without free_irq: line 6").len(), 1);
    host().raise(6).unwrap();
    assert_ne!(host().services().interrupts.list().iter().find(|line| line.line == TIMER).map_or(0, |line| line.raised), 0);
}

#[test]
fn a_handler_that_traps_is_off_its_line() {
    load("ticker", "trapper", &["line=7", "trap=1"]).unwrap();
    host().raise(7).unwrap();
    assert_eq!(log("the handler of `ticker` (`trapper`) failed").len(), 1);
    host().raise(7).unwrap();
    assert_eq!(log("the handler of `ticker` (`trapper`) failed").len(), 1, "it was not run again");
}
