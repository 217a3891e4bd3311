//! Every row: what it sees, what it cannot tell, and that it leaves other modules alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;

use demand::Paths;
use kmod::kernel::Loaded;

use super::net::{Link, Net};
use super::surroundings::{Disk, Mount};
use super::*;

fn loaded(name: &str) -> Loaded {
    Loaded { name: name.to_owned(), size: 1, refcnt: Some(0), holders: Vec::new(), state: "Live".to_owned(), flags: String::new() }
}

fn net(whose: &str) -> Net {
    Net {
        whose: whose.to_owned(),
        links: Ok(vec![Link { name: "lo".to_owned(), ..Link::default() }]),
        qdiscs: Ok(vec!["noqueue".to_owned()]),
        actions: Ok(Vec::new()),
        protocols: Ok(vec![("kernel".to_owned(), "UNIX".to_owned(), 3)]),
        tables: Vec::new(),
        nft: Ok(Vec::new()),
        sets: Ok(Vec::new()),
        xfrm: Ok(0),
        servers: 0,
        congestion: "cubic".to_owned(),
        settings: BTreeMap::new(),
    }
}

/// A system in which nothing goes on, with this module.
fn calm(name: &str) -> Surroundings {
    Surroundings {
        loaded: Ok(vec![loaded(name)]),
        nets: vec![net("process 1 (init)")],
        mounts: Ok(Vec::new()),
        faults: Vec::new(),
        swaps: Ok(Vec::new()),
        disks: Ok(Vec::new()),
        majors: BTreeMap::from([("device-mapper".to_owned(), 253)]),
        default_qdisc: "fq_codel".to_owned(),
        probes: Ok(Vec::new()),
        patches: Vec::new(),
    }
}

fn subject(name: &str, aliases: &[&str], imports: &[&str]) -> Subject {
    let imports: BTreeSet<String> = imports.iter().map(|name| (*name).to_owned()).collect();
    Subject { name: name.to_owned(), aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(), imports: Some(imports) }
}

/// A folder in which the module has what `/sys/module` shows of every one.
fn system(name: &str) -> (tempfile::TempDir, Paths) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("sys/module").join(name);
    fs::create_dir_all(folder.join("parameters")).unwrap();
    fs::create_dir_all(folder.join("holders")).unwrap();
    fs::write(folder.join("taint"), "\n").unwrap();
    fs::write(folder.join("parameters/level"), "3\n").unwrap();
    let paths = Paths::under(root.path());
    (root, paths)
}

/// The rows that veto, with what they say.
fn vetoes(around: &Surroundings, subject: &Subject) -> Vec<(Row, String)> {
    let (_root, paths) = system(&subject.name);
    let baseline = Baseline::take(&paths, &subject.name);
    let found = judge(&paths, around, subject, Some(&baseline));
    found.iter().filter(|finding| finding.vetoes()).map(|finding| (finding.row, finding.text())).collect()
}

#[track_caller]
fn holds(row: Row, text: &str, around: &Surroundings, subject: &Subject) {
    let found = vetoes(around, subject);
    assert!(found.len() == 1 && found[0].0 == row && found[0].1.contains(text), "{} by {row:?} with `{text}`: {found:?}", subject.name);
}

const VFAT: (&str, &[&str], &[&str]) = ("vfat", &["fs-vfat"], &["register_filesystem", "fat_fill_super"]);
const DUMMY: (&str, &[&str], &[&str]) = ("dummy", &["rtnl-link-dummy"], &["__rtnl_link_register", "register_netdevice"]);

#[test]
fn nothing_holds_modules_in_a_calm_system() {
    for (name, aliases, imports) in [
        VFAT,
        DUMMY,
        ("fat", &[], &["iput"]),
        ("n_hdlc", &["tty-ldisc-13"], &["tty_register_ldisc"]),
        ("sctp", &["net-pf-2-proto-132"], &["inet_register_protosw", "proto_register", "register_net_sysctl", "proc_create_net_data"]),
        ("loop", &["block-major-7-*", "char-major-10-237"], &["__register_blkdev", "device_add_disk"]),
        ("dm_mod", &["devname:mapper/control"], &["__register_blkdev"]),
        ("nft_ct", &["nft-expr-ct"], &["nft_register_expr"]),
        ("esp4", &["xfrm-type-2-50"], &["xfrm_register_type"]),
        ("sch_sfq", &[], &["register_qdisc"]),
        ("tcp_bbr", &[], &["tcp_register_congestion_control"]),
    ] {
        assert_eq!(vetoes(&calm(name), &subject(name, aliases, imports)), [], "{name}");
    }
}

#[test]
fn counts_holders_states_and_permanence() {
    let vfat = subject(VFAT.0, VFAT.1, VFAT.2);
    let with = |change: &dyn Fn(&mut Loaded)| {
        let mut around = calm("vfat");
        let mut module = loaded("vfat");
        change(&mut module);
        around.loaded = Ok(vec![module]);
        around
    };
    holds(Row::Count, "2 references", &with(&|module| module.refcnt = Some(2)), &vfat);
    holds(Row::Count, "used by msdos", &with(&|module| module.holders = vec!["msdos".to_owned()]), &vfat);
    holds(Row::Count, "Loading", &with(&|module| module.state = "Loading".to_owned()), &vfat);
    holds(Row::Count, "no exit routine", &with(&|module| module.flags = "permanent,O".to_owned()), &vfat);
    holds(Row::Count, "cannot unload", &with(&|module| module.refcnt = None), &vfat);
    let mut around = calm("vfat");
    around.loaded = Err("/proc/modules: gone".to_owned());
    holds(Row::Count, "cannot be told", &around, &vfat);
}

#[test]
fn devices_of_every_kind_hold() {
    let mut around = calm("dummy");
    let link = Link { name: "d0".to_owned(), kind: Some("dummy".to_owned()), ..Link::default() };
    around.nets.push(Net { links: Ok(vec![link]), ..net("process 7 (x)") });
    let dummy = subject(DUMMY.0, DUMMY.1, DUMMY.2);
    holds(Row::Netdevs, "network device d0 of kind dummy (process 7 (x))", &around, &dummy);
    // The same device does not hold another kind.
    assert_eq!(
        vetoes(
            &{
                let mut other = around.clone();
                other.loaded = Ok(vec![loaded("veth")]);
                other
            },
            &subject("veth", &["rtnl-link-veth"], &["__rtnl_link_register"])
        ),
        []
    );
    let mut port = calm("bond");
    port.nets[0].links = Ok(vec![Link { name: "eth0".to_owned(), port_of: Some("bond".to_owned()), hardware: true, ..Link::default() }]);
    holds(Row::Netdevs, "eth0", &port, &subject("bond", &["rtnl-link-bond"], &["__rtnl_link_register"]));
    let mut plain = calm("old");
    plain.nets[0].links = Ok(vec![Link { name: "sl0".to_owned(), ..Link::default() }]);
    holds(Row::Netdevs, "sl0 may be one of its", &plain, &subject("old", &[], &["register_netdev"]));
    let mut blind = calm("dummy");
    blind.nets[0].links = Err("network devices: Operation not permitted".to_owned());
    holds(Row::Netdevs, "cannot be told", &blind, &dummy);
    let mut hidden = calm("dummy");
    hidden.faults = vec!["the network namespace of process 9 (y): Operation not permitted".to_owned()];
    holds(Row::Netdevs, "process 9", &hidden, &dummy);
}

#[test]
fn drivers_hold_by_their_devices() {
    let (root, paths) = system("e1000");
    let driver = root.path().join("sys/bus/pci/drivers/e1000");
    fs::create_dir_all(&driver).unwrap();
    fs::create_dir_all(root.path().join("sys/module/e1000/drivers")).unwrap();
    symlink(&driver, root.path().join("sys/module/e1000/drivers/pci:e1000")).unwrap();
    symlink(root.path().join("sys/module/e1000"), driver.join("module")).unwrap();
    fs::write(driver.join("bind"), "").unwrap();
    let e1000 = subject("e1000", &["pci:v*"], &["__pci_register_driver"]);
    let state = |paths: &Paths| judge(paths, &calm("e1000"), &e1000, Some(&Baseline::take(paths, "e1000")))[1].clone();
    assert_eq!((state(&paths).row, state(&paths).state), (Row::Drivers, State::Clear));
    symlink("/sys/devices/pci0000:00/0000:00:03.0", driver.join("0000:00:03.0")).unwrap();
    assert_eq!(state(&paths).state, State::Holds(vec!["driver pci:e1000 is bound to 0000:00:03.0".to_owned()]));
}

#[test]
fn mounts_disks_and_swap_hold() {
    let vfat = subject(VFAT.0, VFAT.1, VFAT.2);
    let mut around = calm("vfat");
    let place = Mount { kind: "vfat".to_owned(), place: "/mnt".to_owned(), whose: "process 9 (sh)".to_owned(), ..Mount::default() };
    around.mounts = Ok(vec![place]);
    holds(Row::Mounts, "vfat is mounted at /mnt (process 9 (sh))", &around, &vfat);
    around.mounts = Err("/proc/9/mountinfo: no".to_owned());
    holds(Row::Mounts, "cannot be told", &around, &vfat);
    let disk = |name: &str, major| Ok(vec![Disk { name: name.to_owned(), major }]);
    let mut loops = calm("loop");
    loops.disks = disk("loop0", 7);
    let module = subject("loop", &["block-major-7-*"], &["__register_blkdev"]);
    holds(Row::Storage, "loop0 has a size", &loops, &module);
    loops.swaps = Ok(vec!["/dev/loop0".to_owned()]);
    holds(Row::Storage, "loop0 is swap", &loops, &module);
    let mut mapped = calm("dm_mod");
    mapped.disks = disk("dm-0", 253);
    holds(Row::Storage, "dm-0", &mapped, &subject("dm_mod", &[], &["__register_blkdev"]));
    // Block devices whose major nobody knows.
    holds(Row::Storage, "which is not known", &calm("odd"), &subject("odd", &[], &["device_add_disk"]));
}

#[test]
fn sockets_and_defaults_hold() {
    let sctp = subject("sctp", &[], &["proto_register"]);
    let mut around = calm("sctp");
    around.nets[0].protocols = Ok(vec![("sctp".to_owned(), "SCTP".to_owned(), 2)]);
    holds(Row::Sockets, "2 sockets of SCTP", &around, &sctp);
    around.nets[0].protocols = Err("gone".to_owned());
    holds(Row::Sockets, "cannot be told", &around, &sctp);
    let mut control = calm("tcp_bbr");
    control.nets[0].congestion = "bbr".to_owned();
    holds(Row::Sockets, "congestion control", &control, &subject("tcp_bbr", &[], &["tcp_register_congestion_control"]));
}

#[test]
fn rules_tables_sets_queues_and_states_hold() {
    let with = |name: &str, change: &dyn Fn(&mut Net)| {
        let mut around = calm(name);
        change(&mut around.nets[0]);
        around
    };
    let one = |name: &str| Ok(vec![name.to_owned()]);
    for (module, change, text) in [
        ("nf_tables", &(|net: &mut Net| net.nft = one("filter")) as &dyn Fn(&mut Net), "table filter of nftables"),
        ("nft_ct", &|net| net.nft = Err("no".to_owned()), "cannot be told"),
        ("iptable_nat", &|net| net.tables = vec![("ip".to_owned(), "nat".to_owned())], "table nat of ip_tables"),
        ("xt_LOG", &|net| net.tables = vec![("ip6".to_owned(), "filter".to_owned())], "table filter of ip6_tables"),
        ("ip_set_hash_ip", &|net| net.sets = one("bad"), "set bad"),
        ("sch_sfq", &|net| net.qdiscs = one("sfq"), "queueing discipline sfq"),
        ("cls_u32", &|net| net.qdiscs = one("clsact"), "may have filters"),
        ("act_mirred", &|net| net.actions = one("mirred"), "actions of kind mirred"),
        ("esp4", &|net| net.xfrm = Ok(2), "2 states"),
        ("ah6", &|net| net.xfrm = Err("xfrm_user is not loaded".to_owned()), "cannot be told"),
        ("ip_vs_rr", &|net| net.servers = 1, "virtual servers"),
    ] {
        holds(Row::Rules, text, &with(module, change), &subject(module, &[], &["printk"]));
    }
    assert_eq!(
        vetoes(
            &with("iptable_nat", &|net| net.tables = vec![("ip".to_owned(), "filter".to_owned())]),
            &subject("iptable_nat", &[], &["printk"])
        ),
        [],
        "another table"
    );
    let mut default = calm("sch_fq");
    default.default_qdisc = "fq".to_owned();
    holds(Row::Rules, "of new devices", &default, &subject("sch_fq", &[], &["register_qdisc"]));
    let hooks = subject("br_netfilter", &[], &["nf_register_net_hooks"]);
    holds(Row::Rules, "by itself (it calls nf_register_net_hooks)", &calm("br_netfilter"), &hooks);
    holds(Row::Rules, "ebtables", &calm("ebtable_filter"), &subject("ebtable_filter", &[], &["printk"]));
}

#[test]
fn settings_and_parameters_hold_once_they_are_changed() {
    let (root, paths) = system("sctp");
    let sctp = subject("sctp", &[], &["register_net_sysctl"]);
    let setting = |value: &str| BTreeMap::from([("net/sctp/rto_min".to_owned(), value.to_owned())]);
    let baseline = Baseline { settings: setting("1000"), ..Baseline::take(&paths, "sctp") };
    let mut around = calm("sctp");
    around.nets[0].settings = setting("1000");
    let found = |around: &Surroundings, baseline: Option<&Baseline>| -> Vec<(Row, State)> {
        let all = judge(&paths, around, &sctp, baseline);
        all.into_iter().filter(Finding::vetoes).map(|finding| (finding.row, finding.state)).collect()
    };
    assert_eq!(found(&around, Some(&baseline)), []);
    around.nets[0].settings = setting("5");
    let changed = State::Holds(vec!["net/sctp/rto_min = 5 (process 1 (init))".to_owned()]);
    assert_eq!(found(&around, Some(&baseline)), [(Row::Settings, changed)]);
    around.nets[0].settings = setting("1000");
    fs::write(root.path().join("sys/module/sctp/parameters/level"), "4\n").unwrap();
    assert_eq!(found(&around, Some(&baseline)), [(Row::Parameters, State::Holds(vec!["level=4".to_owned()]))]);
    // Nobody saw what they were at first.
    let rows: Vec<Row> = found(&around, None).into_iter().map(|(row, _)| row).collect();
    assert_eq!(rows, [Row::Settings, Row::Parameters]);
    let unknown = subject("odd", &[], &["register_sysctl_sz"]);
    holds(Row::Settings, "which is not known", &calm("odd"), &unknown);
    holds(Row::Settings, "files in /proc", &calm("odd"), &subject("odd", &[], &["proc_create"]));
}

#[test]
fn taint_patches_probes_and_what_works_by_itself() {
    let (root, paths) = system("vfat");
    fs::write(root.path().join("sys/module/vfat/taint"), "OE\n").unwrap();
    let vfat = subject(VFAT.0, VFAT.1, VFAT.2);
    let found = judge(&paths, &calm("vfat"), &vfat, Some(&Baseline::take(&paths, "vfat")));
    assert!(found.contains(&Finding { row: Row::Taint, state: State::Holds(vec!["taint OE".to_owned()]) }), "{found:?}");
    let mut patched = calm("vfat");
    patched.patches = vec![("fix".to_owned(), "vfat".to_owned())];
    holds(Row::Agents, "patched by fix", &patched, &vfat);
    let mut probed = calm("vfat");
    probed.probes = Ok(vec!["ffffffffc0a1b010  k  vfat_lookup+0x0  [vfat]    [FTRACE]".to_owned(), "p:x fat:fat_get".to_owned()]);
    holds(Row::Agents, "probed", &probed, &vfat);
    let mut blind = calm("vfat");
    blind.probes = Err("debugfs is not mounted".to_owned());
    holds(Row::Agents, "cannot be told: debugfs", &blind, &vfat);
    for (function, text) in [
        ("register_kprobe", "watches the kernel"),
        ("security_add_hooks", "watches the kernel"),
        ("hwmon_device_register_with_info", "watches hardware"),
        ("register_key_type", "may keep keys"),
        ("rtnl_register_module", "addresses or routes"),
        ("genl_register_family", "generic netlink"),
    ] {
        holds(Row::Agents, text, &calm("odd"), &subject("odd", &[], &[function]));
    }
    // What answers generic netlink and makes network devices is judged by these.
    let wireguard = subject("wireguard", &["rtnl-link-wireguard"], &["genl_register_family", "__rtnl_link_register"]);
    assert_eq!(vetoes(&calm("wireguard"), &wireguard), []);
}

#[test]
fn a_module_whose_file_cannot_be_read_stays() {
    let unknown = Subject { name: "odd".to_owned(), aliases: Vec::new(), imports: None };
    let rows: Vec<Row> = vetoes(&calm("odd"), &unknown).into_iter().map(|(row, _)| row).collect();
    assert_eq!(rows, [Row::Storage, Row::Settings, Row::Agents]);
}

/// This machine's own lists, whatever they are: reading them changes nothing and never panics.
#[test]
fn looking_around_works_where_the_tests_run() {
    let around = Surroundings::gather(&Paths::default());
    assert!(!around.nets.is_empty());
    assert!(around.mounts.as_ref().is_ok_and(|mounts| mounts.iter().any(|mount| mount.kind == "proc")), "{:?}", around.mounts);
    assert!(around.nets.iter().any(|net| net.links.as_ref().is_ok_and(|links| links.iter().any(|link| link.name == "lo"))));
}
