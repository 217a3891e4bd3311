//! Settings below `/proc/sys` that modules own: they are lost with the module.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Which module owns which folder below `/proc/sys`. A module that makes settings and is not here may own any.
pub(super) const OWNED: &[(&str, &str)] = &[
    ("br_netfilter", "net/bridge"),
    ("nf_conntrack", "net/netfilter"),
    ("mpls_router", "net/mpls"),
    ("sctp", "net/sctp"),
    ("rds", "net/rds"),
    ("dccp", "net/dccp"),
    ("tipc", "net/tipc"),
    ("ax25", "net/ax25"),
    ("netrom", "net/netrom"),
    ("rose", "net/rose"),
    ("x25", "net/x25"),
    ("llc2", "net/llc"),
    ("appletalk", "net/appletalk"),
    ("phonet", "net/phonet"),
    ("rxrpc", "net/rxrpc"),
    ("smc", "net/smc"),
    ("ip_vs", "net/ipv4/vs"),
    ("sunrpc", "sunrpc"),
    ("xfs", "fs/xfs"),
    ("cdrom", "dev/cdrom"),
    ("md_mod", "dev/raid"),
];

/// Longest value and most files that are read of one folder.
const LONGEST: usize = 4096;
const MOST: usize = 256;

/// Reads all settings of these folders that are there, as the calling thread sees them.
pub(super) fn read_known(proc: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (_, folder) in OWNED {
        read(&proc.join("sys"), folder, &mut found);
    }
    found
}

fn read(sys: &Path, folder: &str, found: &mut BTreeMap<String, String>) {
    let start = found.len();
    for entry in fs::read_dir(sys.join(folder)).into_iter().flatten().filter_map(Result::ok) {
        if found.len().saturating_sub(start) >= MOST {
            return;
        }
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            read(sys, &name, found);
        } else if let Ok(mut value) = fs::read(entry.path()) {
            value.truncate(LONGEST);
            found.insert(name, String::from_utf8_lossy(&value).trim_end().to_owned());
        }
    }
}

/// The folder of a module.
pub(super) fn folder_of(module: &str) -> Option<&'static str> {
    OWNED.iter().find(|(owner, _)| *owner == module).map(|(_, folder)| *folder)
}
