//! What modprobe prints without loading anything: aliases, plans, the configuration, symbols.

use std::fmt::Write as _;

use kmod::config::{Config, Rule};
use kmod::file::ModuleFile;
use kmod::plan::Plan;
use kmod::text;
use kmod::tree::Index;
use serde_json::{Value, json};

use super::session::Session;
use super::{Modprobe, load};
use crate::{Console, Failed, Outcome};

/// `-R`: the modules that words stand for.
pub(super) fn aliases(options: &Modprobe, session: &Session, console: &mut Console) -> Outcome {
    let (words, _) = options.targets();
    let mut outcome = Ok(());
    let mut rows = Vec::new();
    let mut lines = String::new();
    for word in words {
        match load::targets(options, session, word, console) {
            Ok(found) => {
                for target in found {
                    rows.push(json!({"asked": word, "module": target.module, "via": target.via}));
                    lines.push_str(&target.module);
                    lines.push('\n');
                }
            }
            Err(Failed) => outcome = Err(Failed),
        }
    }
    if options.json { console.print_json(&Value::Array(rows)) } else { console.print(&lines) }.and(outcome)
}

/// `-D`: what would be done if nothing were loaded.
pub(super) fn depends(options: &Modprobe, session: &Session, console: &mut Console) -> Outcome {
    let (words, parameters) = options.targets();
    let mut outcome = Ok(());
    let mut rows = Vec::new();
    for word in words {
        match load::plans(options, session, word, &parameters, console) {
            Ok(plans) if options.json => {
                rows.extend(plans.into_iter().map(|(target, plan)| json!({"asked": word, "module": target.module, "plan": plan})));
            }
            Ok(plans) => console.print(&plans.iter().map(|(_, plan)| lines(plan)).collect::<String>())?,
            Err(Failed) => outcome = Err(Failed),
        }
    }
    if options.json { console.print_json(&Value::Array(rows)).and(outcome) } else { outcome }
}

fn lines(plan: &Plan) -> String {
    let mut lines = String::new();
    plan.steps.iter().filter_map(|s| s.line()).for_each(|line| lines.extend([line.as_str(), "\n"]));
    lines
}

/// `-c`: the configuration in its own syntax, then the aliases of the tree.
pub(super) fn config(options: &Modprobe, session: &Session, console: &mut Console) -> Outcome {
    if options.json {
        return console.print_json(&config_json(&session.config));
    }
    let mut out = config_text(&session.config);
    out.push_str("\n# End of configuration files. Dumping indexes now:\n\n");
    for index in [session.tree.aliases(), session.tree.symbols()] {
        if let Err(error) = dump(&index, &mut out) {
            console.error(error);
            return Err(Failed);
        }
    }
    console.print(&out)
}

fn dump(index: &Index<'_>, out: &mut String) -> kmod::Result<()> {
    index.each(&mut |key, value| {
        for part in ["alias ", key, " ", &value.text, "\n"] {
            out.push_str(part);
        }
    })
}

fn config_text(config: &Config) -> String {
    let mut out = String::new();
    let mut line = |command: &str, rule: &str, text: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{command} {rule}{text}");
    };
    let named = |text: &String| format!(" {text}");
    config.blacklist.iter().for_each(|r| line("blacklist", &r.pattern, String::new()));
    config.forbid.iter().for_each(|r| line("forbid", &r.pattern, String::new()));
    config.install.iter().for_each(|r| line("install", &r.pattern, named(&r.what)));
    config.remove.iter().for_each(|r| line("remove", &r.pattern, named(&r.what)));
    config.aliases.iter().for_each(|r| line("alias", &r.pattern, named(&r.what)));
    config.options.iter().for_each(|r| line("options", &r.pattern, named(&r.what)));
    for rule in &config.softdeps {
        let part = |mark: &str, words: &[String]| if words.is_empty() { String::new() } else { format!("{mark}: {}", words.join(" ")) };
        let both: Vec<String> =
            [part("pre", &rule.what.pre), part("post", &rule.what.post)].into_iter().filter(|p| !p.is_empty()).collect();
        line("softdep", &rule.pattern, format!(" {}", both.join(" ")));
    }
    config.weakdeps.iter().for_each(|r| line("weakdep", &r.pattern, format!(" {}", r.what.join(" "))));
    out
}

fn config_json(config: &Config) -> Value {
    fn rules<T>(rules: &[Rule<T>], what: impl Fn(&T) -> Value) -> Value {
        rules.iter().map(|r| json!({"pattern": r.pattern, "what": what(&r.what), "place": r.place})).collect()
    }
    json!({
        "blacklist": rules(&config.blacklist, |()| Value::Null),
        "forbid": rules(&config.forbid, |()| Value::Null),
        "install": rules(&config.install, |t| json!(t)),
        "remove": rules(&config.remove, |t| json!(t)),
        "alias": rules(&config.aliases, |t| json!(t)),
        "options": rules(&config.options, |t| json!(t.trim_start())),
        "softdep": rules(&config.softdeps, |s| json!({"pre": s.pre, "post": s.post})),
        "weakdep": rules(&config.weakdeps, |w| json!(w)),
    })
}

/// `--show-modversions` and `--show-exports` of a file.
pub(super) fn symbols(options: &Modprobe, console: &mut Console) -> Outcome {
    let word = options.words.first().map(String::as_str).unwrap_or_default();
    let rows = ModuleFile::open(&text::to_path(word)).and_then(|file| {
        if options.show_modversions {
            Ok(file.versions()?.into_iter().map(|v| (v.crc, v.name)).collect::<Vec<_>>())
        } else {
            Ok(file.exports()?.into_iter().map(|e| (e.crc, e.name)).collect())
        }
    });
    let rows = rows.map_err(|error| {
        console.fatal(error);
        Failed
    })?;
    console.print(&rows.iter().map(|(crc, name)| format!("0x{crc:08x}\t{name}\n")).collect::<String>())
}
