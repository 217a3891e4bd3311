//! Names, help, manual, completions, exit status; and starting with closed descriptors.

use std::os::unix::fs::symlink;
use std::process::Command;

use crate::world::{Outcome, World, bare};

const TOOLS: [&str; 6] = ["insmod", "rmmod", "lsmod", "ksyms", "kdstat", "modpost"];

#[test]
fn a_command_is_chosen_by_name_or_by_first_word() {
    let world = World::new();
    let dir = tempfile::tempdir().unwrap();
    Outcome::of(bare("modutils").arg("links").arg(dir.path())).ok();
    Outcome::of(bare("modutils").arg("links").arg(dir.path())).ok();
    let header = "Module                  Size  Used by\n";
    for tool in ["modutils", "kmod"] {
        for word in ["lsmod", "list"] {
            assert_eq!(Outcome::of(world.command(tool).arg(word)).ok(), header);
        }
    }
    let linked = Outcome::of(Command::new(dir.path().join("lsmod")).env("MODUTILS_KERNEL", world.socket())).ok();
    assert_eq!(linked, header);
    let own = dir.path().join("whatever");
    symlink(env!("CARGO_BIN_EXE_modutils"), &own).unwrap();
    let done = Outcome::of(Command::new(own).arg("lsmod").env("MODUTILS_KERNEL", world.socket()));
    assert_eq!(done.ok(), header, "under any other name the first word decides");
}

#[test]
fn help_and_version_succeed_and_wrong_lines_fail_with_one() {
    for tool in TOOLS {
        let help = Outcome::of(bare(tool).arg("--help")).ok();
        assert!(help.contains("Examples:") && help.contains(&format!("Usage: {tool}")), "{help}");
        let version = Outcome::of(bare(tool).arg("-V")).ok();
        // Scripts read the first words of kmod's tools.
        let of_kmod = ["insmod", "modprobe", "depmod", "modinfo", "rmmod", "lsmod"].contains(&tool);
        let first = if of_kmod { "kmod version 34\n+ZSTD +XZ".to_owned() } else { format!("{tool} ") };
        assert!(version.starts_with(&first), "{version}");
        let wrong = Outcome::of(bare(tool).arg("--nonsense")).fails();
        assert!(wrong.starts_with(&format!("{tool}: ERROR: ")) && wrong.contains("--nonsense"), "{wrong}");
    }
    for (line, text) in [("insmod", "missing filename."), ("rmmod", "missing module name.")] {
        let refused = Outcome::of(bare(line).arg("--kernel").arg("/nonexistent")).fails();
        assert!(refused.contains(text) || refused.contains("no kernel answers"), "{refused}");
    }
    let all = Outcome::of(bare("modutils").arg("help")).ok();
    assert!(TOOLS.iter().all(|tool| all.contains(&format!("  {tool} "))), "{all}");
    assert_eq!(Outcome::of(bare("kmod").args(["help", "modprobe"])).ok().lines().count(), all.lines().count(), "kmod takes a word, too");
    assert_eq!(Outcome::of(bare("modutils").arg("nosuch")).status, Some(1));
    assert_eq!(Outcome::of(&mut bare("modutils")).status, Some(1));
}

#[test]
fn a_kernel_that_is_not_there_is_named() {
    let gone = Outcome::of(bare("lsmod").args(["--kernel", "/nonexistent/socket"])).fails();
    assert!(gone.starts_with("lsmod: ERROR: no kernel answers at `/nonexistent/socket`"), "{gone}");
    let gone = Outcome::of(bare("rmmod").arg("fat").env("MODUTILS_KERNEL", "/nonexistent/socket")).fails();
    assert!(gone.contains("`/nonexistent/socket`"), "{gone}");
}

#[test]
fn manual_pages_and_completions_are_written_for_every_command() {
    let dir = tempfile::tempdir().unwrap();
    Outcome::of(bare("modutils").arg("man").arg(dir.path())).ok();
    for tool in TOOLS.iter().chain(&["modutils", "kmod", "kmod-static-nodes"]) {
        let page = std::fs::read_to_string(dir.path().join(format!("{tool}.8"))).unwrap();
        assert!(page.contains(".SH NAME") && page.contains(".SH OPTIONS"), "{page}");
    }
    for (shell, file) in [("bash", "insmod.bash"), ("zsh", "_insmod"), ("fish", "insmod.fish")] {
        Outcome::of(bare("modutils").args(["completions", shell, "--dir"]).arg(dir.path())).ok();
        let written = std::fs::read_to_string(dir.path().join(file)).unwrap();
        assert!(written.contains("autoclean"), "{written}");
        assert_eq!(Outcome::of(bare("modutils").args(["completions", shell, "insmod"])).ok(), written);
    }
    Outcome::of(bare("modutils").args(["completions", "bash", "nosuch"])).fails();
    // Second names of options, and the commands behind kmod's name.
    let page = std::fs::read_to_string(dir.path().join("modprobe.8")).unwrap().replace("\\-", "-");
    assert!(page.contains("--resolve-alias") && page.contains("forbid PATTERN"), "{page}");
    let of_kmod = std::fs::read_to_string(dir.path().join("kmod.bash")).unwrap();
    assert!(of_kmod.contains("static-nodes") && of_kmod.contains("--format"), "{of_kmod}");
}

/// Bash itself is asked, with a tree in which names are strange, too.
#[test]
fn bash_completes_modules_and_releases() {
    let dir = tempfile::tempdir().unwrap();
    let release = Outcome::of(Command::new("uname").arg("-r")).ok();
    let tree = dir.path().join("lib/modules").join(release.trim());
    std::fs::create_dir_all(&tree).unwrap();
    let lines =
        "kernel/snd-pcm.ko.xz: kernel/snd.ko\nkernel/snd.ko:\nextra/snd$(touch pwned).ko:\nfs/vfat.o: fs/fat.o\n/far/snd-x_y.ko.zst:\n";
    std::fs::write(tree.join("modules.dep"), lines).unwrap();
    let completed = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let script = format!(
            "eval \"$($TOOL completions bash {command})\"; COMP_WORDS=({words}); COMP_CWORD={at}; \
             $(complete -p {command} | sed 's/.*-F \\([^ ]*\\).*/\\1/') {command} '{current}' '{before}'; printf '%s\\n' \"${{COMPREPLY[@]}}\" | sort",
            command = words[0],
            words = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
            at = words.len() - 1,
            current = words[words.len() - 1],
            before = words[words.len() - 2],
        );
        let tool = bare("modutils").get_program().to_owned();
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", &script]).env("TOOL", tool).env("MODULES_ROOT", dir.path()).current_dir(dir.path());
        Outcome::of(&mut bash).ok().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(completed("modprobe snd"), ["snd", "snd-pcm", "snd-x_y"]);
    assert_eq!(completed("modprobe -r snd_"), ["snd_pcm", "snd_x_y"]);
    assert_eq!(completed("modinfo -n vf"), ["vfat"]);
    assert_eq!(completed(&format!("depmod -a {}", &release[..1])), [release.trim()]);
    assert_eq!(completed("modprobe --show-dep"), ["--show-depends"]);
    assert!(!completed("modprobe -C snd").contains(&"snd-pcm".to_owned()), "the value of an option");
    assert!(!dir.path().join("pwned").exists());
}

#[test]
fn links_are_made_for_every_command_and_others_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let links = || Outcome::of(bare("modutils").arg("links").arg(dir.path()));
    links().ok();
    let link = dir.path().join("modprobe");
    assert!(std::fs::canonicalize(&link).unwrap().ends_with("modutils"));
    links().ok();
    std::fs::remove_file(&link).unwrap();
    std::fs::write(&link, "kmod's").unwrap();
    let refused = links().fails();
    assert_eq!(refused, format!("modutils: ERROR: {} is there already, and stays\n", link.display()));
    assert_eq!(std::fs::read_to_string(&link).unwrap(), "kmod's");
}

#[test]
fn messages_are_plain_where_nobody_watches() {
    let text = Outcome::of(bare("insmod").args(["--kernel", "/nonexistent", "x"])).fails();
    assert!(!text.contains('\x1b'), "{text:?}");
}

/// On a terminal (of util-linux's `script`) the level has a colour, unless `NO_COLOR` forbids it.
#[test]
fn levels_are_coloured_on_a_terminal_only() {
    let line = format!("{} insmod --kernel /nonexistent x", env!("CARGO_BIN_EXE_modutils"));
    let run = |no_color: &str| {
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).env("NO_COLOR", no_color).env("TERM", "xterm");
        Outcome::of(&mut command).stdout
    };
    assert!(run("").contains("insmod: \x1b[1;31mERROR\x1b[0m: no kernel answers"), "{:?}", run(""));
    assert!(run("1").contains("insmod: ERROR: no kernel answers"), "{:?}", run("1"));
}

/// A kernel starts modprobe with descriptors 0 to 2 closed: what the program opens must not become its standard error.
#[test]
fn closed_standard_descriptors_stay_harmless() {
    let world = World::new();
    let object = world.compile("hello", crate::world::HELLO);
    let before = std::fs::read(&object).unwrap();
    let line = format!("exec 0<&- 1>&- 2>&-; exec {} insmod {} bogus=1", env!("CARGO_BIN_EXE_modutils"), object.display());
    let status = Command::new("sh").args(["-c", &line]).env("MODUTILS_KERNEL", world.socket()).status().unwrap();
    assert_eq!(status.code(), Some(1));
    assert_eq!(std::fs::read(&object).unwrap(), before);
    let line = line.replace(" bogus=1", "");
    let status = Command::new("sh").args(["-c", &line]).env("MODUTILS_KERNEL", world.socket()).status().unwrap();
    assert_eq!((status.code(), world.loaded()), (Some(0), vec!["hello".to_owned()]));
}

/// Before anything is mounted on /dev there is no /dev/null: in an empty root the program starts all the same.
#[test]
fn no_dev_null_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let linked = Command::new("ldd").arg(env!("CARGO_BIN_EXE_modutils")).output().unwrap();
    let listing = String::from_utf8_lossy(&linked.stdout).into_owned();
    // Copied by another process: what a thread of this one has open for writing, the children of other threads have for a moment, too,
    // and until then it cannot be run (ETXTBSY).
    let copy = |from: &str, to: &std::path::Path| assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
    for library in listing.split_whitespace().filter(|word| word.starts_with('/')) {
        let inside = dir.path().join(library.trim_start_matches('/'));
        std::fs::create_dir_all(inside.parent().unwrap()).unwrap();
        copy(library, &inside);
    }
    copy(env!("CARGO_BIN_EXE_modutils"), &dir.path().join("insmod"));
    // Users other than root need a name space of their own for `chroot`.
    let enter = if rustix::process::geteuid().is_root() { "chroot" } else { "unshare -r chroot" };
    let line = format!("exec {enter} {} /insmod --version", dir.path().display());
    let mut open = Command::new("sh");
    assert!(Outcome::of(open.args(["-c", &line])).ok().starts_with("kmod version "), "the root has all that is needed");
    let status = Command::new("sh").args(["-c", &format!("exec 0<&- 1>&- 2>&-; {line}")]).status().unwrap();
    assert_eq!(status.code(), Some(0), "an abort would show as a signal");
}
