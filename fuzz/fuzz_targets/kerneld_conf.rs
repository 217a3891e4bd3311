//! Any bytes as kerneld's configuration file, and as the texts of its requests.
#![no_main]

use kerneld::{ModuleAlias, Quad, ShellCommand};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let _ = kerneld::parse_config(&text);
    let _ = (ModuleAlias::new(&text), Quad::new(&text), ShellCommand::new(&text));
});
