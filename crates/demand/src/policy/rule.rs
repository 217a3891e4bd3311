//! One rule, and what it is about.

use serde::{Deserialize, Serialize};

use super::Glob;
use crate::{Attribution, Class, Device, Kind, Requester, RuleRef, Verdict};

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

/// Whether something holds of a requester of whom not all is known. The order is that of `and`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holds {
    /// It does not.
    No,
    /// That is not known.
    Unclear,
    /// It does.
    Yes,
}

impl From<bool> for Holds {
    fn from(truth: bool) -> Self {
        if truth { Self::Yes } else { Self::No }
    }
}

impl Condition {
    fn parse(text: &str) -> Option<Self> {
        let pattern = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        match text.split_once(':') {
            None if text == "removable" => Some(Self::Removable),
            None => text.parse().ok().map(Self::Kind),
            Some(("uid", range)) => {
                let (from, to) = range.split_once('-').unwrap_or((range, range));
                let (from, to) = (from.parse().ok()?, to.parse().ok()?);
                (from <= to).then_some(Self::Uid { from, to })
            }
            Some(("unit", unit)) => pattern(unit).map(Self::Unit),
            Some(("exe", exe)) => pattern(exe).map(Self::Exe),
            Some(("bus", bus)) => pattern(bus).map(Self::Bus),
            Some(_) => None,
        }
    }

    /// Whether it holds.
    #[must_use]
    pub fn holds(&self, requester: &Requester) -> Holds {
        let kind = requester.kind;
        let process = matches!(kind, Kind::Root | Kind::Service | Kind::User | Kind::Container);
        // A process has a user and a program; that they were not found does not mean that they are others.
        let known = |answer: Option<bool>| if process { answer.map_or(Holds::Unclear, Holds::from) } else { Holds::No };
        let text = |pattern: &str, text: Option<&String>| text.map(|text| kmod::glob::matches(pattern, text));
        match self {
            Self::Kind(wanted) => (kind == *wanted).into(),
            Self::Uid { from, to } => known(requester.uid.map(|uid| (*from..=*to).contains(&uid))),
            Self::Unit(_) if !matches!(kind, Kind::Service | Kind::Root) => Holds::No,
            Self::Unit(_) if requester.by == Attribution::None => Holds::Unclear,
            Self::Unit(pattern) => text(pattern, requester.unit.as_ref()).unwrap_or(false).into(),
            Self::Exe(_) if kind == Kind::Container => Holds::No,
            Self::Exe(pattern) => known(text(pattern, requester.exe.as_ref())),
            Self::Removable => device(requester, |device| device.removable.as_deref() == Some("removable")),
            Self::Bus(bus) => device(requester, |device| device.bus == *bus),
        }
    }
}

fn device(requester: &Requester, holds: impl Fn(&Device) -> bool) -> Holds {
    requester.device.as_ref().is_some_and(holds).into()
}

impl Who {
    /// A word such as `user`, `uid:1000-1999` or `service+unit:nginx.service`; `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.split('+').map(Condition::parse).collect::<Option<_>>().map(Self)
    }

    /// Whether all its conditions hold.
    #[must_use]
    pub fn holds(&self, requester: &Requester) -> Holds {
        self.0.iter().map(|condition| condition.holds(requester)).min().unwrap_or(Holds::Yes)
    }
}

impl Rule {
    /// Whether the rule counts at a time, in microseconds since 1970.
    #[must_use]
    pub fn counts(&self, now: u64) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Whether class and name of the request ([`Glob::name`]) are those of the rule.
    #[must_use]
    pub fn is_about(&self, class: Class, request: &str) -> bool {
        (self.classes.is_empty() || self.classes.contains(&class))
            && (self.requests.is_empty() || self.requests.iter().any(|glob| glob.matches(request)))
    }

    /// Whether the requester is one of those of the rule.
    #[must_use]
    pub fn is_for(&self, requester: &Requester) -> Holds {
        if self.requesters.is_empty() {
            return Holds::Yes;
        }
        self.requesters.iter().map(|who| who.holds(requester)).max().unwrap_or(Holds::No)
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
