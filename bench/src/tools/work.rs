//! One call that kmod and both builds of ours answer in turn.

use super::Options;
use super::programs::Tools;
use super::race::{Racer, race};
use crate::error::Result;
use crate::report::{Goal, Report, Series};

/// A call, and what it may cost beside kmod.
pub(super) struct Work<'a> {
    pub(super) name: String,
    /// The tool.
    pub(super) applet: &'static str,
    pub(super) arguments: Vec<&'a str>,
    /// How often, unless told otherwise.
    pub(super) rounds: usize,
    /// What part of kmod's time ours may take; `None` for information.
    pub(super) goal: Option<Goal>,
}

impl Work<'_> {
    /// Measures, adds rows, answers the lines of the plot.
    pub(super) fn measure(&self, tools: &Tools, options: &Options, report: &mut Report) -> Result<Vec<Series>> {
        let racer = |name, program| Racer::applet(name, program, self.applet, &self.arguments);
        let racers = [racer("kmod", &tools.kmod), racer("ours", &tools.ours), racer("ours, shared libraries", &tools.shared)];
        let times = race(options.rounds.unwrap_or(self.rounds), racers)?;
        for subject in &times {
            report.tell(format!("{}: {}, wall", self.name, subject.name), subject.wall(), "ms");
            report.tell(format!("{}: {}, user+sys", self.name, subject.name), subject.cpu(), "ms");
        }
        let [kmod, ours, shared] = &times;
        let (name, ratio) = (format!("{}: ours / kmod, wall", self.name), ours.wall() / kmod.wall());
        match self.goal {
            Some(goal) => report.judge(name, ratio, "x", goal),
            None => report.tell(name, ratio, "x"),
        }
        report.tell(format!("{}: ours, shared libraries / kmod, wall", self.name), shared.wall() / kmod.wall(), "x");
        Ok(times.iter().map(|subject| subject.series(&self.name)).collect())
    }
}
