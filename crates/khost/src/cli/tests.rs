//! The command line as it is parsed.

use clap::{CommandFactory, Parser};

use super::{Cli, execute};

fn parses(arguments: &[&str]) -> bool {
    Cli::try_parse_from(std::iter::once("khost").chain(arguments.iter().copied())).is_ok()
}

#[test]
fn the_definition_is_consistent_and_every_command_says_what_it_does() {
    let command = Cli::command();
    command.clone().debug_assert();
    for command in command.get_subcommands() {
        assert!(command.get_about().is_some(), "{}", command.get_name());
        for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
            assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
        }
    }
}

#[test]
fn what_is_accepted_and_what_is_not() {
    let good: &[&[&str]] = &[
        &["--symvers"],
        &["symvers"],
        &["run", "--socket", "k", "--release", "2.0.40", "--modversions", "--lockdown", "--oops", "off", "--gdb", "--perf-map"],
        &["run", "--foreground", "--console", "8"],
        &["run", "--daemon"],
        &["--kernel", "k", "mount", "-t", "vfat", "-o", "a,b", "disk.img", "/mnt"],
        &["mount", "disk.img", "/mnt", "--kernel", "k"],
        &["umount", "/mnt"],
        &["mounts", "--json"],
        &["ls", "-lR", "/mnt", "/other"],
        &["cat", "/mnt/a", "/mnt/b"],
        &["statfs", "/mnt"],
        &["dmesg", "-w", "--raw"],
        &["console", "4"],
        &["route", "lookup", "10.1.2.3"],
        &["route", "add", "10.0.0.0/8", "ppp0"],
        &["route", "del", "10.0.0.0/8"],
        &["route", "show", "--json"],
        &["route", "idle", "ppp0"],
        &["request", "vfat"],
        &["open", "block-major-7"],
        &["release", "vfat", "--delayed"],
        &["release", "--cancel", "vfat"],
        &["blank", "on"],
        &["system", "ls", "-l"],
        &["irq", "raise", "5"],
        &["irq", "show"],
        &["mem"],
        &["status"],
        &["shutdown"],
    ];
    for arguments in good {
        assert!(parses(arguments), "{arguments:?}");
    }
    let bad: &[&[&str]] = &[
        &[],
        &["nonsense"],
        &["mount", "disk.img"],
        &["run", "--foreground", "--daemon"],
        &["run", "--console", "9"],
        &["route", "lookup", "10.1.2"],
        &["release", "vfat", "--delayed", "--cancel"],
        &["blank", "maybe"],
        &["irq", "raise", "x"],
        &["system"],
    ];
    for arguments in bad {
        assert!(!parses(arguments), "{arguments:?}");
    }
}

#[test]
fn symvers_has_a_line_for_every_export() {
    let mut output = Vec::new();
    execute(Cli::parse_from(["khost", "symvers"]), &mut output).unwrap();
    let text = String::from_utf8(output).unwrap();
    assert_eq!(text.lines().count(), crate::exports::table().len());
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        assert!(
            matches!(fields[..], [crc, name, "khost", "EXPORT_SYMBOL", ""] if crc.len() == 10 && crc.starts_with("0x") && !name.is_empty()),
            "{line}"
        );
    }
    let mut again = Vec::new();
    execute(Cli::parse_from(["khost", "--symvers"]), &mut again).unwrap();
    assert_eq!(again, text.into_bytes());
    assert!(execute(Cli::parse_from(["khost", "--symvers", "status"]), &mut Vec::new()).is_err());
}

#[test]
fn without_a_kernel_a_command_says_so() {
    let absent = tempfile::tempdir().unwrap().path().join("none").to_string_lossy().into_owned();
    let error = execute(Cli::parse_from(["khost", "--kernel", &absent, "status"]), &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("no kernel answers at"), "{error}");
}
