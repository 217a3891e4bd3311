//! From a question to a decision.

use super::rule::Holds;
use super::{Glob, Grant, Policy, Rule};
use crate::{Attribution, Class, Decision, Kind, RequestName, Requester, RuleRef, Verdict};

/// A module of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Its name.
    pub module: &'a str,
    /// Whether the request stands for it; else it comes with one that the request stands for.
    pub asked: bool,
    /// Whether the plan fails without it; what only softdeps want is not required.
    pub required: bool,
}

/// What is to be decided.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What is asked for.
    pub name: &'a RequestName,
    /// In which form.
    pub class: Class,
    /// Who may have asked; none: nobody was found.
    pub requesters: &'a [Requester],
    /// The plan, as far as it is known. Without it the rules about modules cannot match.
    pub modules: &'a [Wanted<'a>],
    /// Microseconds since 1970, UTC.
    pub now: u64,
}

/// What one rule, grant or default says.
struct Said {
    verdict: Verdict,
    rule: RuleRef,
    reason: Option<String>,
    /// The module that the rule was asked about.
    module: Option<String>,
}

/// A question with its names made comparable.
struct Case<'a> {
    policy: &'a Policy,
    /// The rules that count now and are about the request and a module of its plan, whoever asks: looked for once, because a request is
    /// judged for several requesters and modules.
    rules: Vec<&'a Rule>,
    grants: &'a [Grant],
    class: Class,
    request: String,
    modules: Vec<(String, Wanted<'a>)>,
    now: u64,
}

impl Policy {
    /// Decides. Of several requesters the one that is treated most strictly counts. If nobody was found, it could have been anyone but the
    /// administrator, and the strictest counts again.
    ///
    /// Every module that the request stands for is decided on by the first grant or rule that matches, and the strictest verdict
    /// counts; then every further module of the plan by the first grant or rule that names modules and matches. If a further module
    /// is denied, so is the request, unless only a softdep wants it: then it is left out.
    #[must_use]
    pub fn decide(&self, grants: &[Grant], question: &Question<'_>) -> Decision {
        let modules: Vec<_> = question.modules.iter().map(|wanted| (Glob::name(wanted.module), *wanted)).collect();
        let (class, request, now) = (question.class, Glob::name(question.name.as_str()), question.now);
        // Without a plan no rule about modules can match.
        let fits = |rule: &Rule| rule.modules.is_empty() || modules.iter().any(|(module, _)| rule.names(module));
        let rules = self.rules.iter().filter(|rule| rule.is_about(class, &request) && fits(rule) && rule.counts(now)).collect();
        let case = Case { policy: self, rules, grants, class, request, modules, now };
        let nobody = [Requester::unknown()];
        let candidates = if question.requesters.is_empty() { &nobody } else { question.requesters };
        let mut left_out = Vec::new();
        let mut strictest: Option<Said> = None;
        for requester in candidates.iter().flat_map(faces) {
            strictest = Some(stricter(strictest, case.judge(&requester, &mut left_out)));
        }
        let said = strictest.unwrap_or_else(|| self.by_default(Kind::Unknown));
        let in_plan = |module: &str| case.modules.iter().any(|(name, wanted)| name == module && wanted.asked);
        let module = said.module.filter(|module| said.verdict == Verdict::Deny && !in_plan(module));
        Decision { verdict: said.verdict, rule: said.rule, mode: self.mode, module, left_out, reason: said.reason }
    }

    fn by_default(&self, kind: Kind) -> Said {
        let own = self.default.kinds.get(&kind);
        let place = if own.is_some() { self.default.places.get(&kind) } else { self.default.place.as_ref() };
        let rule = RuleRef { name: "default".to_owned(), place: place.cloned() };
        Said { verdict: *own.unwrap_or(&self.default.verdict), rule, reason: None, module: None }
    }
}

/// As whom a requester is judged: somebody who was not found could be anyone who is able to vanish, but not the administrator.
fn faces(requester: &Requester) -> Vec<Requester> {
    if requester.kind != Kind::Unknown {
        return vec![requester.clone()];
    }
    [Kind::Unknown, Kind::User, Kind::Container, Kind::Service].map(|kind| Requester::bare(kind, Attribution::None)).to_vec()
}

/// The stricter of the two; of equals the first.
fn stricter(before: Option<Said>, next: Said) -> Said {
    match before {
        Some(before) if before.verdict >= next.verdict => before,
        _ => next,
    }
}

impl Case<'_> {
    /// What holds for one requester. Modules that only softdeps want and the rules deny go to `left_out`.
    fn judge(&self, requester: &Requester, left_out: &mut Vec<String>) -> Said {
        let asked = self.modules.iter().filter(|(_, wanted)| wanted.asked);
        let mut said = None;
        for (module, _) in asked {
            said = Some(stricter(said, self.on_request(requester, Some(module))));
        }
        let mut said = said.unwrap_or_else(|| self.on_request(requester, None));
        for (module, wanted) in self.modules.iter().filter(|(_, wanted)| !wanted.asked) {
            let Some(on_module) = self.on_further(requester, module) else { continue };
            match (on_module.verdict, wanted.required) {
                (Verdict::Deny, false) if left_out.iter().any(|name| name == wanted.module) => {}
                (Verdict::Deny, false) => left_out.push(wanted.module.to_owned()),
                _ => said = stricter(Some(said), on_module),
            }
        }
        said
    }

    /// What holds for a module that the request stands for, or for the request where no module is known.
    fn on_request(&self, requester: &Requester, module: Option<&str>) -> Said {
        let granted = self.grants.iter().find(|grant| grant.counts(self.now) && grant.covers(self.class, &self.request, module));
        if let Some(grant) = granted {
            return granting(grant);
        }
        let fits = |rule: &Rule| rule.modules.is_empty() || module.is_some_and(|module| rule.names(module));
        match self.first(requester, module, fits) {
            (Some(said), Definite::Yes) => said,
            (unclear, _) => stricter(unclear, self.policy.by_default(requester.kind)),
        }
    }

    /// What holds for a module that comes along; `None` if nothing names it.
    fn on_further(&self, requester: &Requester, module: &str) -> Option<Said> {
        if let Some(grant) = self.grants.iter().find(|grant| grant.counts(self.now) && grant.names(module)) {
            return Some(granting(grant));
        }
        self.first(requester, Some(module), |rule| rule.names(module)).0
    }

    /// What the first rule says that matches, and whether there is one. Rules before it of which it is not known whether they match may
    /// make it stricter, never milder: the requester could be one that they match.
    fn first(&self, requester: &Requester, module: Option<&str>, fits: impl Fn(&Rule) -> bool) -> (Option<Said>, Definite) {
        // The strictest of the rules of which it is not known; of equals the first.
        let mut unclear: Option<&Rule> = None;
        for &rule in self.rules.iter().filter(|rule| fits(rule)) {
            match rule.is_for(requester) {
                Holds::No => {}
                Holds::Unclear if rule.verdict > unclear.map_or(Verdict::Allow, |rule| rule.verdict) => unclear = Some(rule),
                Holds::Unclear => {}
                Holds::Yes => {
                    let before = unclear.map(|rule| by_rule(rule, module));
                    return (Some(stricter(before, by_rule(rule, module))), Definite::Yes);
                }
            }
        }
        (unclear.map(|rule| by_rule(rule, module)), Definite::No)
    }
}

/// Whether a rule is known to match.
enum Definite {
    Yes,
    No,
}

fn by_rule(rule: &Rule, module: Option<&str>) -> Said {
    let module = module.filter(|_| !rule.modules.is_empty()).map(str::to_owned);
    Said { verdict: rule.verdict, rule: rule.reference(), reason: rule.reason.clone(), module }
}

fn granting(grant: &Grant) -> Said {
    let rule = RuleRef { name: "grant".to_owned(), place: None };
    Said { verdict: Verdict::Allow, rule, reason: Some(grant.to_string()), module: None }
}
