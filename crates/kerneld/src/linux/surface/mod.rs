//! `kerneld surface`: what a user without rights could have loaded, now and under the policy.

mod conditions;
mod count;
mod names;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use demand::alone::{LastPolicy, Source};
use demand::resolve::Resolver;
use demand::{Class, Kind, Mode, Paths, exposed};
use kmod::{name, proc_modules};
use serde::Serialize;

use super::cli::Failure;
use conditions::{Closed, closed};
use count::{Counted, Module, count, faces};

const EXAMPLES: &str = "Examples:
  kerneld surface                         what a user could have loaded, class by class, before and after the policy
  kerneld surface --modules               the same with the names of the modules, and the holes that some of them had
  kerneld surface --requester container   what a container could
  kerneld surface --requester device      what devices could that somebody plugs in
  kerneld surface --class crypto --json   one class, for programs

What is counted is what the kernel asks for and the module tree answers, with dependencies and softdeps, after
modprobe.d. It is an upper bound: some requests need a capability that the class alone does not tell of.";

/// Show what could be loaded on demand, now and under the policy
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Surface {
    /// Who asks: root, service, user, container, kernel, device or unknown
    #[arg(long, value_name = "KIND", default_value = "user", value_parser = kind)]
    requester: Kind,
    /// Only these classes (see `kerneld classes`)
    #[arg(long, value_name = "CLASS", value_parser = class)]
    class: Vec<Class>,
    /// Name the modules
    #[arg(long)]
    modules: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// Another root than /, with its own lib/modules and etc
    #[arg(long, value_name = "DIRECTORY")]
    root: Option<PathBuf>,
    /// The release whose modules count; by default that of the running kernel
    #[arg(long, value_name = "RELEASE")]
    release: Option<String>,
}

fn kind(text: &str) -> Result<Kind, String> {
    serde_json::from_value(text.into()).map_err(|_| format!("`{text}` is no kind of requester"))
}

fn class(text: &str) -> Result<Class, String> {
    text.parse().map_err(|()| format!("`{text}` is no class; `kerneld classes` lists them"))
}

/// All that is shown.
#[derive(Debug, Serialize)]
struct Shown {
    release: String,
    requester: Kind,
    /// The policy's mode; in audit and learn nothing is denied yet.
    mode: Mode,
    /// Whether there is a policy at all.
    policy: bool,
    closed: Vec<Closed>,
    classes: Vec<ClassRow>,
    modules: BTreeMap<String, ModuleRow>,
    /// Modules with known holes that are built in: no policy stops them.
    builtin: BTreeMap<String, Vec<&'static str>>,
    /// Modules in all, before and after.
    before: usize,
    after: usize,
}

#[derive(Debug, Serialize)]
struct ClassRow {
    class: Class,
    requests: usize,
    modules: usize,
    after: usize,
    /// Holes that modules of the class had.
    cves: BTreeSet<&'static str>,
}

#[derive(Debug, Serialize)]
struct ModuleRow {
    #[serde(flatten)]
    module: Module,
    cves: Vec<&'static str>,
}

impl Surface {
    /// Asks for everything, and shows what would come of it.
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let paths = self.root.as_deref().map_or_else(Paths::default, Paths::under);
        let release = self.release.clone().unwrap_or_else(kmod::linux::release);
        let shown = self.look(&paths, release)?;
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&shown)?)?;
        } else {
            shown.print(&mut out, self.modules)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn look(&self, paths: &Paths, release: String) -> Result<Shown, Failure> {
        let resolver = Resolver::open(paths, &release)?;
        let last = LastPolicy::read(paths);
        let closed = if matches!(self.requester, Kind::User | Kind::Container | Kind::Unknown) { closed(paths) } else { Vec::new() };
        let mut names = names::names(paths, resolver.tree(), self.requester)?;
        names.retain(|(class, _)| self.class.is_empty() || self.class.contains(class));
        names.retain(|(class, _)| !closed.iter().any(|closed| closed.stops(*class)));
        let list = std::fs::read(paths.file("/proc/modules")).unwrap_or_default();
        let loaded = proc_modules::parse(&String::from_utf8_lossy(&list)).unwrap_or_default();
        let loaded: HashSet<String> = loaded.iter().map(|module| name::from_word(&module.name)).collect();
        let counted = count(&names, &faces(self.requester), &resolver, &last, &loaded);
        let mut builtin = BTreeMap::new();
        for module in exposed::groups().iter().flat_map(|group| &group.cves).flat_map(|cve| &cve.modules) {
            if resolver.tree().is_builtin(&name::from_word(module))? {
                builtin.insert(module.clone(), cves(module));
            }
        }
        Ok(Shown {
            release,
            requester: self.requester,
            mode: last.policy.mode,
            policy: last.source != Source::None,
            closed,
            classes: rows(&counted),
            before: counted.modules.len(),
            after: counted.modules.values().filter(|module| module.after).count(),
            modules: counted.modules.into_iter().map(|(name, module)| (name.clone(), ModuleRow { module, cves: cves(&name) })).collect(),
            builtin,
        })
    }
}

fn rows(counted: &Counted) -> Vec<ClassRow> {
    let row = |(class, per): (&Class, &count::PerClass)| ClassRow {
        class: *class,
        requests: per.requests,
        modules: per.modules.len(),
        after: per.after.len(),
        cves: per.modules.iter().flat_map(|module| cves(module)).collect(),
    };
    counted.classes.iter().map(row).collect()
}

fn cves(module: &str) -> Vec<&'static str> {
    exposed::cves_of(module).map(|cve| cve.id.as_str()).collect()
}

impl Shown {
    fn print(&self, out: &mut dyn Write, names: bool) -> io::Result<()> {
        let who = serde_json::to_value(self.requester).unwrap_or_default();
        let policy = match (self.policy, self.mode) {
            (false, _) => "there is no policy: everything is loaded",
            (true, Mode::Enforce) => "the policy is enforced",
            (true, Mode::Audit | Mode::Learn) => "the policy is not enforced yet: `after` is what it would leave",
        };
        writeln!(out, "Kernel {}, requester: {}; {policy}", self.release, who.as_str().unwrap_or_default())?;
        for closed in &self.closed {
            writeln!(out, "closed: {}", closed.text())?;
        }
        writeln!(out, "\n{:<12} {:>8} {:>8} {:>8}  known holes", "class", "names", "modules", "after")?;
        for row in &self.classes {
            let holes = row.cves.iter().copied().collect::<Vec<_>>().join(" ");
            writeln!(out, "{:<12} {:>8} {:>8} {:>8}  {holes}", row.class.word(), row.requests, row.modules, row.after)?;
        }
        let loaded = self.modules.values().filter(|row| row.module.loaded).count();
        writeln!(out, "\n{} modules could be had ({loaded} of them are loaded); {} under the policy", self.before, self.after)?;
        for (module, row) in self.modules.iter().filter(|_| names) {
            let request = row.module.request.as_ref().map(ToString::to_string).unwrap_or_default();
            let fate = match (row.module.after, &row.module.rule) {
                (true, _) => "stays open".to_owned(),
                (false, Some(rule)) => format!("kept out by {rule}"),
                (false, None) => "kept out".to_owned(),
            };
            let there = if row.module.loaded { ", loaded" } else { "" };
            writeln!(out, "  {module:<28} by {request:<32} {fate}{there} {}", row.cves.join(" "))?;
        }
        for (module, cves) in &self.builtin {
            writeln!(out, "built in, no policy stops it: {module} ({})", cves.join(" "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "mode = \"audit\"\n[default]\nverdict = \"allow\"\n\
        [[rule]]\nname = \"no-alg\"\nclass = [\"crypto\", \"net-pf\"]\nrequester = [\"user\", \"container\"]\nverdict = \"deny\"\n\
        [[rule]]\nname = \"no-users-mounts\"\nclass = \"fs\"\nrequester = \"user\"\nverdict = \"deny\"\n";

    fn machine() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for folder in ["lib/modules/6", "etc/kerneld", "etc/modprobe.d", "proc/sys/dev/tty"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let write = |path: &str, text: &str| std::fs::write(root.path().join(path), text).unwrap();
        write(
            "lib/modules/6/modules.dep",
            "af_alg.ko:\nalgif_aead.ko: af_alg.ko\nn_hdlc.ko:\nvfat.ko: fat.ko\nfat.ko:\nbtrfs.ko:\ne1000.ko:\nsch_fq.ko:\n",
        );
        write(
            "lib/modules/6/modules.alias",
            "alias net-pf-38 af_alg\nalias tty-ldisc-13 n_hdlc\nalias fs-vfat vfat\nalias fs-btrfs btrfs\nalias pci:v00008086d* e1000\n",
        );
        write("lib/modules/6/modules.builtin", "kernel/net/vmw_vsock/vsock.ko\n");
        write("etc/modprobe.d/local.conf", "blacklist btrfs\n");
        write("proc/modules", "fat 90112 1 vfat, Live 0x0\n");
        write("proc/sys/dev/tty/ldisc_autoload", "0\n");
        write("etc/kerneld/policy.toml", POLICY);
        root
    }

    fn look(root: &std::path::Path, requester: Kind) -> serde_json::Value {
        let options = Surface { requester, class: Vec::new(), modules: true, json: true, root: None, release: None };
        let shown = options.look(&Paths::under(root), "6".to_owned()).unwrap();
        let mut text = Vec::new();
        shown.print(&mut text, true).unwrap();
        assert!(String::from_utf8(text).unwrap().contains("could be had"));
        serde_json::to_value(shown).unwrap()
    }

    #[test]
    fn what_a_user_could_have_loaded_before_and_after() {
        let root = machine();
        let shown = look(root.path(), Kind::User);
        let modules: Vec<&String> = shown["modules"].as_object().unwrap().keys().collect();
        // The blacklisted one, the driver and the line discipline that is switched off are no way in; names count as aliases do.
        assert_eq!(modules, ["af_alg", "algif_aead", "fat", "sch_fq", "vfat"], "{shown:#}");
        let module = |name: &str| shown["modules"][name].clone();
        assert_eq!((module("algif_aead")["after"].as_bool(), module("algif_aead")["rule"].as_str()), (Some(false), Some("no-alg")));
        assert_eq!(module("algif_aead")["request"], "algif-aead");
        assert_eq!(module("algif_aead")["cves"], serde_json::json!(["CVE-2026-31431"]));
        // In a user namespace of his own, the user is not the `user` of the rule.
        assert_eq!((module("vfat")["after"].as_bool(), module("fat")["loaded"].as_bool()), (Some(true), Some(true)));
        assert_eq!((shown["before"].as_u64(), shown["after"].as_u64()), (Some(5), Some(3)));
        assert_eq!(shown["closed"], serde_json::json!(["no-line-disciplines"]));
        assert!(shown["builtin"]["vsock"].as_array().is_some_and(|cves| !cves.is_empty()), "{shown:#}");
    }

    #[test]
    fn devices_and_root_ask_for_other_things() {
        let root = machine();
        let keys = |requester| look(root.path(), requester)["modules"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(Kind::Device), ["e1000"]);
        assert!(keys(Kind::Root).contains(&"n_hdlc".to_owned()));
        std::fs::create_dir_all(root.path().join("proc/sys/kernel")).unwrap();
        std::fs::write(root.path().join("proc/sys/kernel/modprobe"), "\n").unwrap();
        assert_eq!(keys(Kind::User), Vec::<String>::new());
    }
}
