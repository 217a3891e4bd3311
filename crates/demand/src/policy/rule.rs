//! One rule, and what it is about.

use serde::{Deserialize, Serialize};

use super::Glob;
use crate::{Class, Kind, Requester, RuleRef, Verdict};

/// A rule. Each condition that it gives must hold; of several words in one condition, any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name, or `rule N`, counted in its file from 1.
    pub name: String,
    /// Where it stands: `FILE:LINE`.
    pub place: String,
    /// Classes of requests; none given: all.
    pub classes: Vec<Class>,
    /// Patterns over the name in the request; none given: all.
    pub requests: Vec<Glob>,
    /// Patterns over modules; none given: all, but then the rule does not decide on the further modules of a plan.
    pub modules: Vec<Glob>,
    /// Requesters; none given: all.
    pub requesters: Vec<Who>,
    /// What it says.
    pub verdict: Verdict,
    /// Why, for people.
    pub reason: Option<String>,
    /// From when on it does not count any more, in microseconds since 1970.
    pub until: Option<u64>,
}

/// A word for requesters: conditions that all have to hold (`service+uid:0`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who(pub Vec<Condition>);

/// A condition on one requester.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// `root`, `service`, `user`, `container`, `kernel`, `device`, `unknown`.
    Kind(Kind),
    /// `uid:N` or `uid:N-M`: the effective user.
    Uid {
        /// The first.
        from: u32,
        /// The last.
        to: u32,
    },
    /// `unit:GLOB`: the unit of the service manager. Holds for services and the administrator only: a user names units as he likes.
    Unit(String),
    /// `exe:GLOB`: the program. Never holds for containers, who put what they like at any path.
    Exe(String),
    /// `removable`: a device that can be plugged in and out.
    Removable,
    /// `bus:NAME`: a device on this bus.
    Bus(String),
}

impl Condition {
    /// Whether it holds.
    #[must_use]
    pub fn holds(&self, requester: &Requester) -> bool {
        let text = |pattern: &str, text: Option<&String>| text.is_some_and(|text| kmod::glob::matches(pattern, text));
        let kind = requester.kind;
        match self {
            Self::Kind(wanted) => kind == *wanted,
            // What is claimed of somebody who was not found counts for nothing.
            _ if kind == Kind::Unknown => false,
            Self::Uid { from, to } => requester.uid.is_some_and(|uid| (*from..=*to).contains(&uid)),
            Self::Unit(pattern) => matches!(kind, Kind::Service | Kind::Root) && text(pattern, requester.unit.as_ref()),
            Self::Exe(pattern) => kind != Kind::Container && text(pattern, requester.exe.as_ref()),
            Self::Removable => requester.device.as_ref().is_some_and(|device| device.removable.as_deref() == Some("removable")),
            Self::Bus(bus) => requester.device.as_ref().is_some_and(|device| device.bus == *bus),
        }
    }
}

impl Who {
    /// Whether all its conditions hold.
    #[must_use]
    pub fn holds(&self, requester: &Requester) -> bool {
        self.0.iter().all(|condition| condition.holds(requester))
    }
}

impl Rule {
    /// Whether the rule counts at a time, in microseconds since 1970.
    #[must_use]
    pub fn counts(&self, now: u64) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Whether class, name of the request ([`Glob::name`]) and requester are those of the rule.
    #[must_use]
    pub fn is_about(&self, class: Class, request: &str, requester: &Requester) -> bool {
        (self.classes.is_empty() || self.classes.contains(&class))
            && (self.requests.is_empty() || self.requests.iter().any(|glob| glob.matches(request)))
            && (self.requesters.is_empty() || self.requesters.iter().any(|who| who.holds(requester)))
    }

    /// Whether the rule names the module ([`Glob::name`]).
    #[must_use]
    pub fn names(&self, module: &str) -> bool {
        self.modules.iter().any(|glob| glob.matches(module))
    }

    /// The rule, for records.
    #[must_use]
    pub fn reference(&self) -> RuleRef {
        RuleRef { name: self.name.clone(), place: Some(self.place.clone()) }
    }
}
