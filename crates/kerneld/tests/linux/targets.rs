//! What is called with bytes from outside: by the mutation tests, and by the fuzzer.

use kerneld::linux::control::{Command, Reply};
use kerneld::linux::uevents::Uevent;

/// Any bytes as a line of the control socket, from either side: what is understood is understood again when it is sent on.
pub(crate) fn control_target(bytes: &[u8]) {
    if let Ok(command) = serde_json::from_slice::<Command>(bytes) {
        let line = serde_json::to_vec(&command).expect("a command can be written");
        assert!(!line.contains(&b'\n'), "a command is one line");
        assert_eq!(serde_json::from_slice::<Command>(&line).expect("a command"), command);
    }
    if let Ok(reply) = serde_json::from_slice::<Reply>(bytes) {
        let line = serde_json::to_vec(&reply).expect("a reply can be written");
        assert!(!line.contains(&b'\n'), "a reply is one line");
        assert_eq!(serde_json::from_slice::<Reply>(&line).expect("a reply"), reply);
    }
}

/// Any bytes as an announcement of a device: a path that stays below `/sys`, or a refusal.
pub(crate) fn uevent_target(bytes: &[u8]) {
    if let Ok(uevent) = Uevent::parse(bytes) {
        assert!(uevent.path.starts_with('/') && !uevent.path.split('/').any(|part| part == ".."), "{uevent:?}");
        assert!(!uevent.action.is_empty());
    }
}
