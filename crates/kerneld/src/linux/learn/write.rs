//! The policy as a text: rules with their reasons as comments. The same facts give the same text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use demand::policy::{Glob, show_date};
use demand::resolve::Resolver;
use demand::{Class, Kind, Origin, RequestName, exposed, is_hidden};

use super::kept::Kept;
use super::need::Needs;
use super::seen::{Asked, Seen};
use super::{Requesters, Terms, mode_word};
use crate::linux::cli::Failure;
use crate::linux::policy::plan_of;

/// Most names in one comment.
const MOST: usize = 12;

/// Patterns or modules with what is known about each.
type Entries = BTreeMap<String, BTreeSet<String>>;

/// What is allowed.
#[derive(Debug, Default)]
struct Allowed {
    /// Requests by class, and by the kinds of requesters where these count.
    requests: BTreeMap<(Class, BTreeSet<Kind>), Entries>,
    /// Modules that devices ask for.
    hardware: Entries,
    /// Every module that is needed, dependencies included.
    modules: BTreeSet<String>,
    /// Names that were served and are not allowed, with the reason.
    refused: Entries,
}

/// The policy.
pub(super) fn policy(seen: &Seen, needs: &Needs, kept: &Kept, modules: Option<&Resolver>, terms: &Terms) -> Result<String, Failure> {
    let allowed = allowed(seen, needs, modules, terms);
    let mut text = String::new();
    header(&mut text, seen, needs, &allowed);
    builtin(&mut text, modules)?;
    let mode = mode_word(terms.mode);
    writeln!(text, "\nmode = \"{mode}\"\n{}\n[default]\nverdict = \"deny\"", kept.keys)?;
    for kind in [Kind::Root, Kind::Kernel, Kind::Device] {
        writeln!(text, "{kind} = \"audit\"")?;
    }
    text.push_str(&kept.tables);
    for ((class, kinds), entries) in &allowed.requests {
        let words = kinds.iter().map(|kind| kind.word()).collect::<Vec<_>>();
        let name = if words.is_empty() { format!("learnt: {class}") } else { format!("learnt: {class}, {}", words.join(", ")) };
        let mut conditions = format!("class = \"{class}\"\n");
        if !words.is_empty() {
            writeln!(conditions, "requester = [\"{}\"]", words.join("\", \""))?;
        }
        rule(&mut text, &name, &conditions, "request", entries, "allow", None)?;
    }
    rule(
        &mut text,
        "hardware",
        "requester = \"device\"\n",
        "module",
        &allowed.hardware,
        "allow",
        Some("drivers of devices that were there"),
    )?;
    let loaded: Entries = needs.modules.iter().map(|(module, reasons)| (literal(module), reasons.clone())).collect();
    rule(&mut text, "loaded anyway", "", "module", &loaded, "allow", Some("whoever asks for them gets what is in the kernel anyway"))?;
    text.push_str(
        "\n# Services that run as root can load modules by themselves; what they ask for is a finding. Other services are users.\n\
         [[rule]]\nname = \"services of root\"\nrequester = \"service+uid:0\"\nmodule = \"*\"\nverdict = \"audit\"\n",
    );
    rare(&mut text, &allowed, modules)?;
    Ok(text)
}

fn allowed(seen: &Seen, needs: &Needs, modules: Option<&Resolver>, terms: &Terms) -> Allowed {
    let mut allowed = Allowed::default();
    for (name, asked) in &seen.requests {
        if let Some(reason) = refusal(asked, terms) {
            allowed.refused.entry(name.clone()).or_default().insert(reason);
            continue;
        }
        let now = modules.and_then(|modules| plan(modules, name)).unwrap_or_default();
        allowed.modules.extend(asked.modules.iter().cloned().chain(now));
        if asked.class == Class::Modalias {
            for module in &asked.modules {
                allowed.hardware.entry(literal(module)).or_default().insert(counted(asked));
            }
            continue;
        }
        let vague = terms.requesters == Requesters::Anyone || asked.kinds.contains(&Kind::Unknown);
        let kinds = if vague { BTreeSet::new() } else { asked.kinds.clone() };
        let entries = allowed.requests.entry((asked.class, kinds)).or_default();
        for pattern in patterns(name) {
            entries.entry(pattern).or_default().insert(about(asked));
        }
    }
    for (name, reasons) in &needs.requests {
        allowed.modules.extend(modules.and_then(|modules| plan(modules, name)).unwrap_or_default());
        let entries = allowed.requests.entry((Class::of(name), BTreeSet::new())).or_default();
        entries.entry(name.clone()).or_default().extend(reasons.iter().cloned());
    }
    for (module, reasons) in &needs.hardware {
        allowed.hardware.entry(module.clone()).or_default().extend(reasons.iter().cloned());
    }
    allowed.modules.extend(needs.hardware.keys().chain(needs.modules.keys()).cloned());
    allowed.modules = allowed.modules.iter().map(|module| Glob::name(module)).collect();
    allowed
}

/// Why a request that was served does not count as needed.
fn refusal(asked: &Asked, terms: &Terms) -> Option<String> {
    if asked.boots.len() < terms.min_boots {
        return Some(format!("in {} only", plural(asked.boots.len(), "boot")));
    }
    asked.kinds.is_disjoint(&terms.trust).then(|| format!("by {} only", list(asked.kinds.iter().map(|kind| kind.word()))))
}

fn plan(modules: &Resolver, name: &str) -> Option<Vec<String>> {
    let name = RequestName::new(name.as_bytes(), Origin::Device).ok()?;
    Some(plan_of(modules, &name).into_iter().map(|step| step.module).collect())
}

/// The patterns that allow a name: also the number that the next device of a driver would have, and the second form in which the crypto
/// API asks (`crypto_larval_lookup`, crypto/api.c).
fn patterns(name: &str) -> Vec<String> {
    let own = literal(name);
    for (prefix, class) in [("block-major-", Class::BlockMajor), ("char-major-", Class::CharMajor)] {
        if let Some(major) = name.strip_prefix(prefix).and_then(|numbers| numbers.split('-').next()).filter(|major| is_major(major)) {
            debug_assert_eq!(Class::of(name), class, "the prefix tells the class");
            return vec![format!("{prefix}{major}"), format!("{prefix}{major}-*")];
        }
    }
    if name.starts_with("crypto-") && !name.ends_with("-all") { vec![format!("{own}-all"), own] } else { vec![own] }
}

/// Whether a part of a name is the number of a major whose minors are one driver's. Those of major 10 are devices that have nothing to
/// do with each other (misc_register); what is no number was invented by whoever asked.
fn is_major(text: &str) -> bool {
    text != "10" && text.parse::<u32>().is_ok_and(|number| number.to_string() == text)
}

/// A name as a pattern that matches nothing else.
fn literal(name: &str) -> String {
    if name.contains(['*', '?', '[', ']', '\\']) { Glob::exactly(name).as_str().to_owned() } else { name.to_owned() }
}

/// What is known about a request.
fn about(asked: &Asked) -> String {
    let modules = if asked.asked.is_empty() { &asked.modules } else { &asked.asked };
    let modules = if modules.is_empty() { String::new() } else { format!("{}: ", list(modules.iter().map(String::as_str))) };
    let cves: BTreeSet<&str> = asked.modules.iter().flat_map(|module| exposed::cves_of(module)).map(|cve| cve.id.as_str()).collect();
    let review = if cves.is_empty() { String::new() } else { format!("; review, it has had {}", list(cves)) };
    format!("{modules}{}{review}", counted(asked))
}

fn counted(asked: &Asked) -> String {
    let kinds = list(asked.kinds.iter().map(|kind| kind.word()));
    format!("{} in {} by {kinds}", plural(asked.requests, "request"), plural(asked.boots.len(), "boot"))
}

fn plural(number: impl TryInto<u64>, word: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

/// Words with commas; of very many only the first.
fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    let shown = words.iter().take(MOST).copied().collect::<Vec<_>>().join(", ");
    if words.len() > MOST { format!("{shown} and {} more", words.len() - MOST) } else { shown }
}

fn header(text: &mut String, seen: &Seen, needs: &Needs, allowed: &Allowed) {
    comment(text, "Made by `kerneld learn`. What is not named here is denied to users, services and containers; for root, for the kernel");
    comment(
        text,
        "itself and for devices it is loaded, as a finding. Change what you like: this is a policy as any other (docs/policy.md).",
    );
    match seen.span {
        Some((from, to)) => {
            let requests: u64 = seen.requests.values().map(|asked| asked.requests).fold(0, u64::saturating_add);
            comment(
                text,
                &format!(
                    "Seen: {} in {}, {} to {}.",
                    plural(requests, "served request"),
                    plural(seen.boots.len(), "boot"),
                    show_date(from),
                    show_date(to)
                ),
            );
            comment(text, &format!("Kernels: {}.", list(seen.releases.iter().map(String::as_str))));
        }
        None => comment(text, "Seen: no request. Let kerneld run for some days, over reboots and backups, and learn again."),
    }
    if !seen.without_module.is_empty() {
        comment(
            text,
            &format!(
                "No module has these names, so that there is nothing to allow: {}.",
                list(seen.without_module.keys().map(String::as_str))
            ),
        );
    }
    if !seen.denied.is_empty() {
        comment(text, &format!("Always denied, and so left out: {}.", list(seen.denied.keys().map(String::as_str))));
    }
    for (name, reasons) in &allowed.refused {
        comment(text, &format!("Asked for {}, and so left out: {name}", list(reasons.iter().map(String::as_str))));
    }
    for gap in &needs.gaps {
        comment(text, &format!("Not known: {gap}."));
    }
}

/// What no policy can stop.
fn builtin(text: &mut String, modules: Option<&Resolver>) -> Result<(), Failure> {
    let Some(modules) = modules else { return Ok(()) };
    let builtin = modules.tree().builtin_names()?;
    for group in exposed::groups() {
        let named: Vec<&str> = builtin.iter().filter(|module| group.has_module(module)).map(String::as_str).collect();
        if !named.is_empty() {
            comment(text, &format!("Built into the kernel, where no policy can stop it: {} ({}).", list(named), group.what));
        }
    }
    Ok(())
}

/// Denials of what few machines need, with the reasons: they hold for modules that come along, too.
fn rare(text: &mut String, allowed: &Allowed, modules: Option<&Resolver>) -> Result<(), Failure> {
    let known: Option<Vec<String>> = match modules {
        Some(modules) => Some(modules.tree().modules()?.into_iter().map(|(name, _)| name).collect()),
        None => None,
    };
    for group in exposed::groups() {
        let needed: Vec<&str> = allowed.modules.iter().filter(|module| group.has_module(module)).map(String::as_str).collect();
        let patterns: Vec<String> = match &known {
            Some(known) => known.iter().filter(|module| group.has_module(module)).cloned().collect(),
            // Without a list of modules, a pattern that catches a needed one cannot be taken apart.
            None => group.modules.iter().filter(|pattern| !needed.iter().any(|module| catches(pattern, module))).cloned().collect(),
        };
        let entries: Entries = patterns
            .into_iter()
            .filter(|module| !needed.contains(&Glob::name(module).as_str()))
            .map(|module| {
                let cves = exposed::cves_of(&module).map(|cve| cve.id.clone()).collect();
                (module, cves)
            })
            .collect();
        let rest = if needed.is_empty() { "" } else { ", the rest" };
        let name = format!("rare: {}{rest}", group.name);
        let reason = format!("{}: not seen to be needed here; reached by {}; missed by: {}", group.what, group.trigger, group.needed_by);
        let who = "requester = [\"user\", \"service\", \"container\", \"unknown\"]\n";
        rule(text, &name, who, "module", &entries, "deny", Some(&reason))?;
    }
    Ok(())
}

fn catches(pattern: &str, module: &str) -> bool {
    Glob::new(pattern).is_some_and(|glob| glob.matches(module))
}

/// Names of rules, or how they begin.
const LEARNT: [&str; 5] = ["learnt: ", "hardware", "loaded anyway", "services of root", "rare: "];

/// Whether a rule has a name that is given here.
pub(super) fn is_learnt(name: &str) -> bool {
    LEARNT.iter().any(|begin| name.starts_with(begin))
}

/// Writes a rule, if it is about anything.
fn rule(
    text: &mut String,
    name: &str,
    conditions: &str,
    key: &str,
    entries: &Entries,
    verdict: &str,
    reason: Option<&str>,
) -> std::fmt::Result {
    if entries.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n[[rule]]\nname = {}\n{conditions}{key} = [", quoted(name))?;
    for (entry, reasons) in entries {
        let why = reasons.iter().map(String::as_str).take(MOST).collect::<Vec<_>>().join("; ");
        let why = if why.is_empty() { String::new() } else { format!(" # {}", plain(&why)) };
        writeln!(text, "    {},{why}", quoted(entry))?;
    }
    writeln!(text, "]\nverdict = \"{verdict}\"")?;
    reason.map_or(Ok(()), |reason| writeln!(text, "reason = {}", quoted(reason)))
}

fn comment(text: &mut String, line: &str) {
    text.push_str("# ");
    text.push_str(&plain(line));
    text.push('\n');
}

/// Without characters that no comment may have.
fn plain(text: &str) -> String {
    text.replace(is_hidden, "?")
}

/// A text as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", plain(text).replace('\\', "\\\\").replace('"', "\\\""))
}
