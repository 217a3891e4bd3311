//! What works without being asked: settings, probes, patches, and functions that say that a module does something by itself.

use super::super::settings::folder_of;
use super::super::{Baseline, State, Subject, Surroundings};
use super::{held, readable};

/// Functions that make settings below `/proc/sys`.
const SETTINGS: &[&str] = &["register_sysctl*", "__register_sysctl*", "register_net_sysctl*"];

/// Functions that make files in `/proc` which may be written. Those of the forms `proc_create_seq…`, `…_single…` and `…_net` only show.
const WRITABLE: &[&str] = &["proc_create", "proc_create_data", "proc_create_net_data_write", "proc_create_net_single_write"];

/// What a module that calls a function does, or keeps for others, without anybody holding a reference.
const BY_ITSELF: &[(&[&str], &str)] = &[
    (&["register_kprobe*", "register_kretprobe*", "register_ftrace_function", "tracepoint_probe_register*"], "it watches the kernel"),
    (&["security_add_hooks", "register_die_notifier", "register_reboot_notifier", "register_oom_notifier"], "it watches the kernel"),
    (&["perf_pmu_register"], "it offers counters"),
    (&["hwmon_device_register*", "thermal_zone_device_register*", "thermal_cooling_device_register*"], "it watches hardware"),
    (&["powercap_register_*", "power_supply_register*", "cpufreq_register_driver", "cpuidle_register*"], "it manages power"),
    (&["watchdog_register_device", "devm_watchdog_register_device"], "it watches the machine"),
    (&["hwrng_register", "devm_hwrng_register"], "it feeds the random numbers"),
    (&["led_trigger_register*"], "lights may follow it"),
    (&["rtnl_register_module", "rtnl_register", "rtnl_register_many"], "it may keep addresses or routes"),
    (&["register_key_type"], "it may keep keys"),
    (&["register_console", "register_framebuffer", "vt_register*"], "it may show the console"),
    (&["clocksource_register*", "__clocksource_register*"], "it may be the clock"),
    (&["register_vmap_purge_notifier", "register_acpi_notifier", "register_pm_notifier"], "it watches the kernel"),
    (&["iscsi_register_transport", "nvmf_register_transport"], "it may carry disks"),
];

/// A module that answers generic netlink may keep what it was told; if all it makes is network devices, these are looked at.
const GENERIC_NETLINK: &[&str] = &["genl_register_family", "__genl_register_family"];

/// Settings that are not what they were when the module came, in any network namespace.
pub(in super::super) fn settings(around: &Surroundings, subject: &Subject, baseline: Option<&Baseline>) -> State {
    if let Some(function) = subject.first_call(WRITABLE) {
        return State::Unreadable(format!("it has files in /proc that may have been written (it calls {function})"));
    }
    let folder = folder_of(&subject.name);
    if folder.is_none() && !subject.calls(SETTINGS) {
        return State::Unconcerned;
    }
    let Some(folder) = folder else {
        return State::Unreadable("it has settings below /proc/sys, and which is not known".to_owned());
    };
    let Some(baseline) = baseline else {
        return State::Unreadable(format!("what /proc/sys/{folder} was at first is not known"));
    };
    let mut facts = Vec::new();
    for net in &around.nets {
        let its = net.settings.iter().filter(|(name, _)| name.starts_with(folder));
        let changed = its.filter(|(name, value)| baseline.settings.get(*name) != Some(*value));
        facts.extend(changed.map(|(name, value)| format!("{name} = {} ({})", value.escape_debug(), net.whose)));
    }
    readable(around.faults.clone(), facts)
}

/// Patches, probes, and what it does by itself.
pub(in super::super) fn agents(around: &Surroundings, subject: &Subject) -> State {
    let mut facts = Vec::new();
    for (functions, what) in BY_ITSELF {
        facts.extend(subject.first_call(functions).map(|function| format!("{what} (it calls {function})")));
    }
    if subject.provides("rtnl-link-").next().is_none() {
        let function = subject.first_call(GENERIC_NETLINK);
        facts.extend(function.map(|function| format!("it may keep what it was told over generic netlink (it calls {function})")));
    }
    let patched = around.patches.iter().filter(|(_, object)| *object == subject.name);
    facts.extend(patched.map(|(patch, _)| format!("patched by {patch}")));
    if !facts.is_empty() {
        return held(facts);
    }
    if subject.imports.is_none() {
        return State::Unreadable("its file cannot be read, so what it does by itself is not known".to_owned());
    }
    match &around.probes {
        Err(why) => State::Unreadable(why.clone()),
        Ok(lines) => {
            let its = [format!("[{}]", subject.name), format!(" {}:", subject.name)];
            let probed = lines.iter().filter(|line| its.iter().any(|name| line.contains(name)));
            held(probed.map(|line| format!("probed: {}", line.trim())).collect())
        }
    }
}
