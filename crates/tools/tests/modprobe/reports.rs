//! What the tools tell of a tree: modinfo, lint, closures, graphs, device nodes.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::hosted::{configure, stacked};
use crate::world::{RELEASE, World};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn modinfo_shows_texts_and_parameters() {
    let world = World::new();
    // One text after the other in an order that no compiler changes.
    let texts = ["license=GPL", "parm=a:first", "parmtype=a:int", "parmtype=b:charp", "parm=c:third", "parm=nothing"];
    let texts: String = texts.iter().map(|t| format!(".asciz \\\"{t}\\\"\\n")).collect();
    let object = world.compile("told", &format!("__asm__(\".section .modinfo,\\\"a\\\"\\n{texts}.text\\n\");\n"));
    let path = object.display();
    // The harness adds a text of its own.
    let own = |text: String| text.split_inclusive(['\n', '\0']).filter(|l| !l.starts_with("kernel_version")).collect::<String>();
    let expected = format!(
        "filename:       {path}\nlicense:        GPL\nparm:           c:third\nparm:           b:charp\nparm:           a:first (int)\n"
    );
    assert_eq!(own(world.run(&format!("modinfo {path}")).ok()), expected);
    assert_eq!(world.run(&format!("modinfo -F license {path}")).ok(), "GPL\n");
    for list in ["-p", "-F parm"] {
        assert_eq!(world.run(&format!("modinfo {list} {path}")).ok(), "c:third\nb: (charp)\na:first (int)\n");
    }
    assert_eq!(world.run(&format!("modinfo -F parmtype {path}")).ok(), "a:int\nb:charp\n");
    assert_eq!(world.run(&format!("modinfo -n {path}")).ok(), format!("{path}\n"));
    let clean = format!("filename={path}\0license=GPL\0parm=c:third\0parm=b:charp\0parm=a:first (int)\0");
    assert_eq!(own(world.run(&format!("modinfo -0 {path}")).ok()), clean);
    let told = json(&world.run(&format!("modinfo --json {path}")).ok());
    assert_eq!(told[0]["parameters"][1]["name"], "b");
    assert_eq!(told[0]["parameters"][1]["type"], "charp");
    assert_eq!(world.run("modinfo nosuch").fails(), "modinfo: ERROR: Module nosuch not found.\n");
}

#[test]
fn modinfo_finds_modules_by_alias_but_not_with_m() {
    let world = stacked();
    let upper = world.path(&format!("lib/modules/{RELEASE}/fs/upper.o"));
    assert_eq!(world.run("modinfo -n fs-upper").ok(), format!("{}\n", upper.display()));
    world.run("modinfo -m -n fs-upper").fails();
    assert_eq!(world.run("modinfo -m -n upper").ok(), format!("{}\n", upper.display()));
}

#[test]
fn lint_says_which_lines_do_nothing() {
    let world = stacked();
    configure(
        &world,
        "blacklist lower\nblacklist nosuch\ninstall up* /bin/true\ninstall upper /bin/false\nforbid nothing-*\n\
         softdep upper pre: ghost third\nalias x-* lower\nnonsense\nblacklist upper\n",
    );
    let outcome = world.run("modprobe --lint");
    assert_eq!(outcome.status, Some(1));
    let lines: Vec<(u32, String, String)> = outcome
        .stdout
        .lines()
        .map(|line| {
            let (place, text) = line.split_once(": `").unwrap();
            let (rule, rest) = text.split_once("` ").unwrap();
            (place.rsplit(':').next().unwrap().parse().unwrap(), rule.to_owned(), rest.to_owned())
        })
        .collect();
    let told: Vec<(u32, &str)> = lines.iter().map(|(line, _, rest)| (*line, rest.split(':').next().unwrap())).collect();
    assert_eq!(
        told,
        [
            (1, "works in part"),
            (2, "has no effect"),
            (4, "has no effect"),
            (5, "has no effect"),
            (6, "works in part"),
            (8, "has no effect")
        ]
    );
    assert!(lines[0].2.contains("broken upper still bring it"), "{lines:?}");
    assert!(lines[2].2.contains("test.conf:3 stands before it"), "{lines:?}");
    assert!(lines[4].2.contains("`ghost` stands for nothing"), "{lines:?}");
    let remarks = json(&world.run("modprobe --lint --json").stdout);
    assert_eq!(remarks.as_array().unwrap().len(), 9, "every line is in the JSON");
    assert_eq!(remarks[3]["reasons"][0]["cause"], "beaten");
    configure(&world, "blacklist upper\n");
    assert_eq!(world.run("modprobe --lint").ok(), "");
    configure(&world, "forbid fs-*\n");
    assert!(
        world.run("modprobe --lint").ok().ends_with("`forbid fs_*` works: it stops aliases; their modules can still be loaded by name\n")
    );
    assert!(world.run("modprobe fs-upper").fails().contains("forbidden"));
    world.run("modprobe -n upper").ok();
}

#[test]
fn lint_knows_what_a_line_only_seems_to_say() {
    let world = stacked();
    let remark = |line: &str| {
        configure(&world, &format!("{line}\n"));
        let told = world.run("modprobe --lint");
        let remark = told.stdout.trim_end().split_once("test.conf:1: ").map(|(_, remark)| remark.to_owned());
        (told.status, remark.unwrap_or_default())
    };
    for (line, status, wanted) in [
        ("install uper /bin/false", 1, "`install uper` has no effect: no module of this tree has the name"),
        ("install uper /sbin/modprobe upper", 0, "`install uper` works in part: no module and no alias"),
        ("install fs-upper /bin/false", 0, ""),
        ("install made /bin/true\nalias x made", 0, ""),
        ("install made /bin/true\nsoftdep upper post: made", 0, ""),
        ("softdep upper pre:", 1, "`softdep upper` has no effect: it names no module that is wanted"),
        ("blacklist upper third", 0, "`blacklist upper` works in part: nobody heeds the words `third`"),
        ("blacklist upper # not here", 0, ""),
        ("alias x upper third", 0, "`alias x` works in part: nobody heeds the words `third`"),
        ("forbid upper third", 0, ""),
        ("forbid upper uper", 1, "`forbid uper` has no effect: no module of this tree has the name"),
        ("options upper", 1, "`options` has no effect: words are missing, or a bracket is not closed"),
        ("include here", 1, "`include` has no effect: the command is not obeyed any more"),
        ("blaklist upper", 1, "`blaklist` has no effect: there is no such command"),
    ] {
        let (found, told) = remark(line);
        assert_eq!(found, Some(status), "{line}: {told}");
        assert!(told.starts_with(wanted) && told.is_empty() == wanted.is_empty(), "{line}: {told}");
    }
}

#[test]
fn a_closure_has_dependencies_softdeps_and_firmware() {
    let world = stacked();
    configure(&world, "weakdep lower ghost\n");
    let tree = world.path(&format!("lib/modules/{RELEASE}/fs"));
    let lines = world.run("modprobe --show-closure fs-upper").ok();
    let path = |file: &str| format!("module {}\n", tree.join(file).display());
    assert_eq!(lines, format!("{}{}{}unknown ghost\n", path("upper.o"), path("lower.o"), path("third.o")));
    let partly = world.run("modprobe --show-closure nosuch upper");
    assert_eq!((partly.status, partly.stdout), (Some(1), lines.clone()), "what the others need is there all the same");
    assert!(partly.stderr.contains("Module nosuch not found"), "{}", partly.stderr);
    let closure = json(&world.run("modprobe --show-closure --json upper").ok());
    let because: Vec<_> = closure["modules"].as_array().unwrap().iter().map(|m| m["because"].as_str().unwrap()).collect();
    assert_eq!(because, ["asked", "dependency", "softdep"]);
    configure(&world, "forbid third\nforbid fs-upper\n");
    let without = |line: &str| world.run(&format!("modprobe --show-closure {line}")).ok();
    assert_eq!(without("upper"), format!("{}{}forbidden third\n", path("upper.o"), path("lower.o")));
    assert_eq!(without("fs-upper"), "forbidden upper\n");
    assert_eq!(without("--ignore-forbid fs-upper").lines().count(), 3);
}

#[test]
fn graphs_in_three_forms() {
    let world = stacked();
    let tree = world.run("modprobe --graph=tree upper").ok();
    assert_eq!(tree, "upper\n├── lower\n└── third (softdep)\n");
    let dot = world.run("modprobe --graph=dot upper").ok();
    assert!(dot.starts_with("digraph modules {\n") && dot.contains("\"upper\" -> \"lower\";\n"), "{dot}");
    assert!(dot.contains("\"upper\" -> \"third\" [style=dashed];\n"), "{dot}");
    let svg = world.run("modprobe --graph=svg upper").ok();
    assert_eq!((svg.matches("<text").count(), svg.matches("<path").count()), (3, 2), "{svg}");
    world.run("modprobe upper").ok();
    assert_eq!(world.run("modprobe --graph=tree").ok(), "third\nupper\n└── lower\n");
}

#[test]
fn a_plan_is_drawn_with_its_reasons() {
    let world = stacked();
    configure(
        &world,
        "softdep lower pre: ghost third\nalias ghost broken\ninstall third echo \"<third>\"\noptions upper level=4\nforbid brok*\n",
    );
    let conf = world.path("etc/modprobe.d/test.conf");
    let place = |line: u32| format!("{}:{line}", conf.display());
    let root = |path: &Path| fs::canonicalize(path).unwrap();
    let own = root(&world.path(&format!("lib/modules/{RELEASE}"))).join("modules.softdep");
    let wanted = format!(
        "upper: step 3 with `level=4`, asked for as `fs_upper`\n\
         └── lower: step 2, dependency\n    \
         ├── broken: left out by forbid ({}), softdep pre ({})\n    \
         └── third: step 1 runs `echo \"<third>\"` ({}), softdep pre ({})\n",
        place(5),
        place(1),
        place(3),
        place(1)
    );
    assert_eq!(world.run("modprobe -n --graph=tree fs-upper").ok(), wanted);
    let dot = world.run("modprobe -n --graph=dot upper").ok();
    assert!(dot.contains("\"upper\" -> \"lower\" [label=\"dependency\"];\n"), "{dot}");
    assert!(dot.contains(&format!("\"lower\" -> \"broken\" [style=dashed, label=\"softdep pre ({})\"];\n", place(1))), "{dot}");
    assert!(dot.contains(&format!("\"broken\" [style=dashed, label=\"broken\\nleft out by forbid ({})\"];\n", place(5))), "{dot}");
    assert!(dot.contains("\"third\" [label=\"third\\nstep 1 runs `echo \\\"<third>\\\"`"), "{dot}");
    let svg = world.run("modprobe -n --graph=svg upper").ok();
    assert!(svg.contains(">softdep pre<title>softdep pre (") && svg.contains("`echo \"&lt;third>\"`"), "{svg}");
    assert_eq!((svg.matches("<rect").count(), svg.matches("<path").count()), (5, 3), "{svg}");
    assert_eq!(world.loaded(), Vec::<String>::new());

    configure(&world, "blacklist upper\nsoftdep lower pre: inside\nalias ghost nothing\nsoftdep third pre: ghost\n");
    let left = world.run("modprobe -n --graph=tree fs-upper").ok();
    assert_eq!(left, format!("upper: left out by blacklist ({})\n", place(1)));
    let tree = world.path(&format!("lib/modules/{RELEASE}"));
    fs::write(tree.join("modules.builtin"), "kernel/fs/inside.ko\n").unwrap();
    fs::remove_file(tree.join("modules.builtin.bin")).unwrap();
    let inside = world.run("modprobe -n --graph=tree lower").ok();
    assert_eq!(inside, format!("lower: step 1\n└── inside: built in, softdep pre ({})\n", place(2)));
    let missing = world.run("modprobe -n --graph=tree third").ok();
    let wanted = format!("third: step 2\n└── nothing: step 1 fails, no module has this name, softdep pre ({})\n", place(4));
    assert_eq!(missing, wanted);

    configure(&world, "");
    world.run("modprobe upper").ok();
    assert_eq!(
        world.run("modprobe -n --graph=tree broken upper").ok(),
        "broken: step 1 with `upper`\n└── lower: already loaded, dependency\n"
    );
    let both = world.run("modprobe -a -D --graph=tree broken lower").ok();
    assert_eq!(both, "broken: step 2\n└── lower: step 1, dependency\nlower: step 1\n");
    let gone = world.run("modprobe -r -n --graph=tree upper").ok();
    let wanted = format!("upper: step 2\n├── lower: step 3, unused then\n└── third: step 1, softdep post ({}:2)\n", own.display());
    assert_eq!(gone, wanted);
    assert!(world.run("modprobe -r --graph=tree lower").fails().contains("Module lower is in use by: upper."));
    let holders = world.run("modprobe -r --remove-holders --graph=tree lower").ok();
    assert!(holders.starts_with("lower: step 3\n└── upper: step 2, holder\n    └── third: step 1, softdep post ("), "{holders}");
    assert_eq!(world.loaded().len(), 3, "a drawing removes nothing");
}

#[test]
fn static_nodes_in_three_formats() {
    let world = World::new();
    let tree = world.path(&format!("lib/modules/{RELEASE}"));
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("modules.devname"), "# Device nodes\nfuse fuse c10:229\nsnd snd/seq c116:1\n\nloop loop0 b7:0\n").unwrap();
    let human = "Module: fuse\n\tDevice node: /dev/fuse\n\t\tType: character device\n\t\tMajor: 10\n\t\tMinor: 229\n";
    assert!(world.run("static-nodes").ok().starts_with(human));
    let tmpfiles =
        "c! /dev/fuse 0600 - - - 10:229\nd /dev/snd 0755 - - -\nc! /dev/snd/seq 0600 - - - 116:1\nb! /dev/loop0 0600 - - - 7:0\n";
    assert_eq!(world.run("static-nodes -f tmpfiles").ok(), tmpfiles);
    let out = world.path("run/tmpfiles.d/nodes.conf");
    world.run(&format!("static-nodes --format=devname --output={}", out.display())).ok();
    assert_eq!(fs::read_to_string(&out).unwrap(), "fuse fuse c10:229\nsnd snd/seq c116:1\nloop loop0 b7:0\n");
    assert_eq!(fs::read_dir(out.parent().unwrap()).unwrap().count(), 1);
    fs::write(tree.join("modules.devname"), "bad line\nfuse fuse c10:229\n").unwrap();
    let told = world.run("static-nodes -f devname");
    assert_eq!((told.status, told.stdout.as_str()), (Some(1), "fuse fuse c10:229\n"), "the others are there all the same");
    assert!(told.stderr.contains("invalid devname entry: bad line\n"), "{told:?}");
    fs::remove_file(tree.join("modules.devname")).unwrap();
    assert!(world.run("static-nodes").warns().contains("not found - ignoring"));
}
