//! A root with a few modules, and the program run on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use demand::{
    Attribution, Class, DecidedBy, Decision, Device, Kind, Mode, Origin, Outcome, PlanStep, Record, RequestName, Requester, RuleRef,
    Verdict,
};

const FILES: &[(&str, &str)] = &[
    (
        "lib/modules/1.0/modules.dep",
        "kernel/fat.ko:\nkernel/vfat.ko: kernel/fat.ko\nkernel/af_alg.ko:\nkernel/algif_aead.ko: kernel/af_alg.ko\nkernel/xfrm_algo.ko:\n\
         kernel/esp4.ko: kernel/xfrm_algo.ko\nkernel/minix.ko:\nkernel/e1000e.ko: kernel/ptp.ko\nkernel/ptp.ko:\nkernel/nls_cp437.ko:\n\
         kernel/nls_ascii.ko:\nkernel/loop.ko:\nkernel/ext4.ko:\nkernel/crc32c_soft.ko:\n",
    ),
    (
        "lib/modules/1.0/modules.alias",
        "alias fs-vfat vfat\nalias fs-minix minix\nalias fs-ext4 ext4\nalias net-pf-38 af_alg\nalias xfrm-type-2-50 esp4\n\
         alias pci:v00008086d000010D3* e1000e\nalias block-major-7-* loop\nalias char-major-10-237 loop\nalias crypto-aead algif_aead\n",
    ),
    ("lib/modules/1.0/modules.softdep", "softdep ext4 pre: crc32c_soft\n"),
    ("lib/modules/1.0/modules.builtin", "kernel/net/ipv6/ipv6.ko\nkernel/net/rxrpc/rxrpc.ko\n"),
    ("lib/modules/1.0/modules.builtin.modinfo", "ipv6.alias=net-pf-10\0rxrpc.alias=net-pf-33\0"),
    ("etc/modprobe.d/site.conf", "forbid minix\n"),
];

/// The root.
pub(crate) struct World(tempfile::TempDir);

/// What a run of the program came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        FILES.iter().for_each(|(path, text)| world.write(path, text));
        world
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn policy(&self, text: &str) {
        self.write("etc/kerneld/policy.toml", text);
    }

    /// Writes a journal, the records numbered.
    pub(crate) fn journal(&self, path: &str, records: &[Record]) {
        let mut text = String::new();
        for record in records {
            text.push_str(&serde_json::to_string(record).unwrap());
            text.push('\n');
        }
        self.write(path, &text);
    }

    /// Runs the program. The root stands for itself in what comes back: paths in it begin with `ROOT`.
    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        let root = self.0.path().to_str().unwrap();
        let ran = Command::new(env!("CARGO_BIN_EXE_kerneld"))
            .args(words)
            .args(["--root", root, "--release", "1.0"])
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(root, "ROOT");
        Ran { status: ran.status.code().unwrap(), out: text(ran.stdout), err: text(ran.stderr) }
    }

    pub(crate) fn json(&self, words: &[&str]) -> serde_json::Value {
        let words: Vec<_> = words.iter().copied().chain(["--json"]).collect();
        let ran = self.run(&words);
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    }
}

pub(crate) fn user(uid: u32) -> Requester {
    Requester { uid: Some(uid), ..Requester::bare(Kind::User, Attribution::Trace) }
}

pub(crate) fn root() -> Requester {
    Requester { uid: Some(0), ..Requester::bare(Kind::Root, Attribution::Trace) }
}

pub(crate) fn device() -> Requester {
    Requester { device: Some(Device::default()), ..Requester::bare(Kind::Device, Attribution::Event) }
}

/// A record: `plan` is what was asked for and then what came along.
pub(crate) fn record(boot: &str, request: &str, who: Requester, outcome: Outcome, plan: &[&str]) -> Record {
    let why = |at: usize| if at == 0 { format!("asked for as `{request}`") } else { format!("`{}` needs it", plan[0]) };
    let steps = plan.iter().enumerate().map(|(at, module)| PlanStep { module: (*module).to_owned(), why: why(at), loaded: true });
    Record {
        time: 1_795_304_803_000_000,
        boot: boot.to_owned(),
        release: "1.0".to_owned(),
        sequence: 1,
        request: RequestName::new(request.as_bytes(), Origin::Device).unwrap(),
        class: Class::of(request),
        requesters: vec![who],
        decision: Decision {
            verdict: if outcome == Outcome::Denied { Verdict::Deny } else { Verdict::Audit },
            rule: RuleRef { name: "default".to_owned(), place: None },
            mode: Mode::Enforce,
            module: None,
            left_out: Vec::new(),
            reason: None,
        },
        plan: steps.collect(),
        outcome,
        duration: 10,
        by: DecidedBy::Daemon,
        repeated: 1,
    }
}

/// The lines of a text that begin a rule or an entry, comments and blanks aside.
pub(crate) fn entries(policy: &str) -> Vec<&str> {
    policy.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).filter(|line| !line.is_empty()).collect()
}

pub(crate) fn exists(path: &Path) -> bool {
    path.exists()
}
