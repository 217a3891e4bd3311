//! The compiled policy as a file, and the file of grants.

mod support;

use std::path::PathBuf;
use std::time::Duration;

use demand::policy::compiled::{self, CompiledError, Waits};
use demand::policy::{Glob, Grant, Granted, Policy, grants};
use demand::{Class, Kind};

fn some_grants() -> Vec<Grant> {
    let grant = |what| Grant { what, since: 1, until: 2, by: "uid 1000".to_owned() };
    vec![
        grant(Granted::Request(Glob::new("fs-*").unwrap())),
        grant(Granted::Module(Glob::new("loop").unwrap())),
        grant(Granted::Class(Class::Nls)),
    ]
}

fn some_policy() -> Policy {
    support::policy(
        "mode=\"enforce\"\nanswer-within=\"700ms\"\nload-within=\"5s\"\n[default]\nuser=\"deny\"\n[leases.periods]\nfs=\"1m\"\n\
         [[rule]]\nrequester=[\"user+uid:5-9\",\"unit:a*\"]\nmodule=\"x\"\nuntil=\"2030-01-01\"\nreason=\"r\"\nverdict=\"deny\"\n",
    )
}

#[test]
fn a_file_is_replaced_as_a_whole_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/in/policy.bin");
    assert!(matches!(compiled::read(&path), Err(CompiledError::File(_))));
    assert_eq!(compiled::waits(&path), Waits::default());
    let (policy, granted) = (some_policy(), some_grants());
    compiled::write(&path, &policy, &granted).unwrap();
    let read = compiled::read(&path).unwrap();
    assert_eq!((&read.policy, &read.grants), (&policy, &granted));
    assert_eq!(compiled::waits(&path), Waits { answer: Duration::from_millis(700), load: Duration::from_secs(5) });
    compiled::write(&path, &Policy::default(), &[]).unwrap();
    assert_eq!(compiled::read(&path).unwrap().policy, Policy::default());
    let left: Vec<PathBuf> = std::fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, std::slice::from_ref(&path), "no temporary file stays");
    // Where the file cannot be replaced, nothing is left beside it.
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(compiled::write(&path, &policy, &[]).is_err());
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn damage_is_found_and_named() {
    let bytes = compiled::encode(&some_policy(), &some_grants()).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            assert!(compiled::decode(&damaged).is_err(), "bit {bit} of byte {at}");
        }
    }
    for length in 0..bytes.len() {
        assert!(compiled::decode(&bytes[..length]).is_err(), "cut at {length}");
    }
    let says = |bytes: &[u8]| compiled::decode(bytes).unwrap_err().to_string();
    assert_eq!(says(b"[default]\nverdict=\"deny\""), "not a compiled policy");
    assert_eq!(says(&bytes[..40]), "the file has 40 bytes, which is not what its header promises");
    assert_eq!(says(b""), "the file has 0 bytes, which is not what its header promises");
    let mut other = bytes.clone();
    other[8] = 9;
    assert_eq!(says(&other), "compiled by another version of this program (form 9, not 1)");
    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    assert!(says(&other).starts_with("damaged: the checksum is "));
    let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
    assert!(says(&longer).contains("not what its header promises"));
}

/// Numbers in the file stand for words. Where this fails, files of earlier versions mean something else now: the version of the form
/// ([`compiled::VERSION`]) has to change, and then the numbers here.
#[test]
fn a_form_keeps_its_meaning() {
    let classes = Class::all().map(|class| format!("\"{class}\"")).collect::<Vec<_>>().join(",");
    let kinds = Kind::all().map(|kind| format!("\"{kind}\"")).collect::<Vec<_>>().join(",");
    let rule = |verdict: &str| {
        format!(
            "[[rule]]\nname=\"n\"\nclass=[{classes}]\nrequest=\"q\"\nmodule=\"m\"\nuntil=\"2030-01-01\"\nreason=\"r\"\nverdict=\"{verdict}\"\n\
             requester=[{kinds},\"uid:5-9\",\"unit:a\",\"exe:b\",\"removable\",\"bus:usb\"]\n"
        )
    };
    let settings = "answer-within=\"700ms\"\nload-within=\"5s\"\n[default]\nverdict=\"audit\"\nuser=\"deny\"\n[control]\ngroup=\"g\"\n[journal]\nsize=\"1MiB\"\n\
                    keep=3\n[devices]\nfollow=true\nworkers=4\n[leases]\nperiod=\"7m\"\nclasses=[\"fs\"]\nkeep=[\"k\"]\npin-after=4\npin-within=\"2h\"\n";
    let all = ["audit", "learn", "enforce"].into_iter().zip(["off", "report", "unload"]).map(|(mode, leases)| {
        let rules = ["allow", "audit", "deny"].map(rule).concat();
        let policy = support::policy(&format!("mode=\"{mode}\"\n{settings}mode=\"{leases}\"\n[leases.periods]\nfs=\"1m\"\n{rules}"));
        let bytes = compiled::encode(&policy, &some_grants()).unwrap();
        (bytes.len(), u32::from_le_bytes(bytes[24..28].try_into().unwrap()))
    });
    assert_eq!((compiled::VERSION, all.collect::<Vec<_>>()), (1, vec![(446, 955_830_005), (446, 2_858_837_843), (446, 3_333_725_176)]));
}

#[test]
fn grants_are_kept_as_readable_json() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grants.json");
    assert_eq!(grants::load(&path).unwrap(), []);
    grants::save(&path, &some_grants()).unwrap();
    assert_eq!(grants::load(&path).unwrap(), some_grants());
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"module\": \"loop\"") && text.contains("\"class\": \"nls\""), "{text}");
    std::fs::write(&path, "[{\"what\":").unwrap();
    assert_eq!(grants::load(&path).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    let many = vec![some_grants().remove(0); grants::MAX_GRANTS + 1];
    grants::save(&path, &many).unwrap();
    assert!(grants::load(&path).unwrap_err().to_string().contains("1001 grants, 1000 are allowed"));
}
