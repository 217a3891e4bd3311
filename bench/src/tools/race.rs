//! Several programs that take turns.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::process::{self, Spent};
use super::programs;
use crate::error::Result;
use crate::measure::Samples;
use crate::report::Series;

/// Makes the command of a subject, anew for each round.
type Make<'a> = Box<dyn Fn() -> Result<Command> + 'a>;

/// A program that takes part.
pub(super) struct Racer<'a> {
    name: &'static str,
    make: Make<'a>,
}

impl<'a> Racer<'a> {
    pub(super) fn new(name: &'static str, make: impl Fn() -> Command + 'a) -> Self {
        Self { name, make: Box::new(move || Ok(make())) }
    }

    /// A tool by its name.
    pub(super) fn applet(name: &'static str, program: &'a Path, applet: &'static str, arguments: &'a [&'a str]) -> Self {
        Self::new(name, move || programs::applet(program, applet, arguments))
    }

    /// One that needs something done before each of its turns, which does not count.
    pub(super) fn prepared(name: &'static str, make: impl Fn() -> Result<Command> + 'a) -> Self {
        Self { name, make: Box::new(make) }
    }
}

/// What one subject took in all rounds, in their order.
#[derive(Debug)]
pub(super) struct Times {
    pub(super) name: &'static str,
    spent: Vec<Spent>,
}

impl Times {
    pub(super) const fn new(name: &'static str, spent: Vec<Spent>) -> Self {
        Self { name, spent }
    }

    /// Median wall time, in milliseconds.
    pub(super) fn wall(&self) -> f64 {
        self.median(|spent| nanoseconds(spent.wall)) / 1e6
    }

    /// Median of user and system time together, in milliseconds.
    pub(super) fn cpu(&self) -> f64 {
        self.median(|spent| nanoseconds(spent.cpu)) / 1e6
    }

    /// Median of the peaks of memory, in MB.
    pub(super) fn peak(&self) -> f64 {
        self.median(|spent| spent.peak) / 1e6
    }

    fn median(&self, of: impl Fn(&Spent) -> u64) -> f64 {
        Samples::new(self.spent.iter().map(of).collect()).median().unwrap_or(f64::NAN)
    }

    /// Wall milliseconds by round, for a plot.
    pub(super) fn series(&self, work: &str) -> Series {
        let points = self.spent.iter().zip(1_u32..).map(|(spent, round)| (f64::from(round), spent.wall.as_secs_f64() * 1e3));
        Series { name: format!("{}, {work}", self.name), points: points.collect() }
    }
}

/// Runs all subjects in turn, `rounds` times, after one round that does not count: it brings files into the page cache.
///
/// # Errors
/// A program that fails.
pub(super) fn race<const N: usize>(rounds: usize, racers: [Racer<'_>; N]) -> Result<[Times; N]> {
    let mut times = racers.each_ref().map(|racer| Times::new(racer.name, Vec::with_capacity(rounds)));
    for round in 0..=rounds {
        for (racer, times) in racers.iter().zip(&mut times) {
            let spent = process::run(&mut (racer.make)()?)?;
            if round > 0 {
                times.spent.push(spent);
            }
        }
    }
    Ok(times)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_of_the_rounds_that_count() {
        let spent = |milliseconds| {
            let time = Duration::from_millis(milliseconds);
            Spent { wall: time, cpu: time * 2, peak: milliseconds * 1_000_000 }
        };
        let times = Times::new("a", vec![spent(9), spent(1), spent(4)]);
        assert_eq!((times.wall(), times.cpu(), times.peak()), (4.0, 8.0, 4.0));
        assert_eq!(times.series("b").points, [(1.0, 9.0), (2.0, 1.0), (3.0, 4.0)]);
        let calls = std::cell::Cell::new(0);
        let count = || {
            calls.set(calls.get() + 1);
            Command::new("true")
        };
        let [one] = race(3, [Racer::new("true", count)]).expect("true");
        assert_eq!((calls.get(), one.spent.len()), (4, 3));
    }
}
