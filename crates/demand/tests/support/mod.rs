//! Requests, requesters and policies for tests.
#![allow(dead_code, reason = "each test program uses some of it")]

use std::path::Path;

use demand::policy::{Grant, Policy, Question, Wanted};
use demand::{Attribution, Class, Decision, Kind, Origin, RequestName, Requester};

/// A policy from its text.
#[track_caller]
pub(crate) fn policy(text: &str) -> Policy {
    Policy::parse(Path::new("test.toml"), text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn name(text: &str) -> RequestName {
    RequestName::new(text.as_bytes(), Origin::Device).expect("a name")
}

pub(crate) fn someone(kind: Kind) -> Requester {
    let uid = match kind {
        Kind::Root | Kind::Service => Some(0),
        Kind::User | Kind::Container => Some(1000),
        _ => None,
    };
    Requester { uid, ..Requester::bare(kind, Attribution::Trace) }
}

/// A module of a plan: `fat` comes along, `=vfat` was asked for, `?nls` is wanted by a softdep only.
pub(crate) fn wanted(word: &str) -> Wanted<'_> {
    match word.split_at(1) {
        ("=", module) => Wanted { module, asked: true, required: true },
        ("?", module) => Wanted { module, asked: false, required: false },
        _ => Wanted { module: word, asked: false, required: true },
    }
}

/// Decides at second 1,000 of 1970.
pub(crate) fn decide(policy: &Policy, grants: &[Grant], request: &str, requesters: &[Requester], plan: &[&str]) -> Decision {
    let modules: Vec<_> = plan.iter().map(|word| wanted(word)).collect();
    let name = name(request);
    policy.decide(grants, &Question { name: &name, class: Class::of(request), requesters, modules: &modules, now: 1_000_000_000 })
}
