//! Classes of requests: which part of the kernel asks in this form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which part of the kernel asks. Told by the form of the name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// `net-pf-N[-proto-N[-type-N]]`, `bt-proto-N`, `rdma-netlink-subsys-N`: `socket(2)` (net/socket.c, net/bluetooth/af_bluetooth.c),
    /// netlink families (also generic ones, by name) and their parts that answer anyone, diagnostics.
    NetPf,
    /// `crypto-NAME`, `algif-…`: AF_ALG and users of the crypto API (crypto/api.c).
    Crypto,
    /// `tty-ldisc-N`: `TIOCSETD` (drivers/tty/tty_ldisc.c).
    TtyLdisc,
    /// `can-proto-N`: `socket(AF_CAN)` (net/can/af_can.c).
    Can,
    /// `fs-NAME`: `mount(2)` (fs/filesystems.c).
    Fs,
    /// `binfmt-XXXX`: `execve(2)` (fs/exec.c).
    Binfmt,
    /// `char-major-N[-M]` (fs/char_dev.c).
    CharMajor,
    /// `block-major-N[-M]` (block/genhd.c).
    BlockMajor,
    /// `devname:NAME`: a static device node.
    Devname,
    /// `rtnl-link-KIND`: `ip link add` (net/core/rtnetlink.c).
    RtnlLink,
    /// `netdev-NAME` and the bare device name after it (net/core/dev_ioctl.c).
    Netdev,
    /// `nft-…`, `nfnetlink-…`, `nf_…`, `nfct-helper-…`: nftables and conntrack (net/netfilter).
    Nft,
    /// `xt_…`, `ipt_…`, `ip6t_…`, `ebt_…`, `arpt_…`, `iptable_…`, `ip_set…`: x_tables and sets.
    Xt,
    /// `xfrm-type-…`, `xfrm-offload-…`, `ipcomp…`: IPsec (net/xfrm).
    Xfrm,
    /// `sch_…`, `cls_…`, `act_…`, `em_…`, `net-sch-…`, `net-cls-…`, `net-act-…`, `ematch-kind-N`, `ife-meta-…`: traffic control
    /// (net/sched).
    Tc,
    /// `tcp_…` congestion controls, `tcp-ulp-…`, `rtnl-lwt-…`, `vport-type-N`, `team-mode-…`, `ppp-compress-N` and others of the network
    /// stack that are not above.
    Net,
    /// `nls_…`: code pages that file systems ask for.
    Nls,
    /// The modalias of a device: it has a colon (`pci:…`, `usb:…`).
    Modalias,
    /// Anything else: a plain module name.
    Name,
}

/// Who can make the kernel ask in a class, on a kernel as distributions build it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Any process.
    Anyone,
    /// A process that may make a user namespace, or calls a program with more rights (mount).
    UserNamespace,
    /// Only the administrator, or hardware.
    Privileged,
}

/// All classes with their words in policies and journals, and who can reach them.
const TABLE: &[(Class, &str, Reach)] = &[
    (Class::NetPf, "net-pf", Reach::Anyone),
    (Class::Crypto, "crypto", Reach::Anyone),
    (Class::TtyLdisc, "tty-ldisc", Reach::Anyone),
    (Class::Can, "can", Reach::Anyone),
    (Class::Fs, "fs", Reach::UserNamespace),
    (Class::Binfmt, "binfmt", Reach::Anyone),
    (Class::CharMajor, "char-major", Reach::Privileged),
    (Class::BlockMajor, "block-major", Reach::Privileged),
    (Class::Devname, "devname", Reach::Privileged),
    (Class::RtnlLink, "rtnl-link", Reach::UserNamespace),
    (Class::Netdev, "netdev", Reach::UserNamespace),
    (Class::Nft, "nft", Reach::UserNamespace),
    (Class::Xt, "xt", Reach::UserNamespace),
    (Class::Xfrm, "xfrm", Reach::UserNamespace),
    (Class::Tc, "tc", Reach::UserNamespace),
    (Class::Net, "net", Reach::UserNamespace),
    (Class::Nls, "nls", Reach::UserNamespace),
    (Class::Modalias, "modalias", Reach::Privileged),
    (Class::Name, "name", Reach::Privileged),
];

/// Beginnings of names, longest first where one begins another.
const PREFIXES: &[(&str, Class)] = &[
    ("net-pf-", Class::NetPf),
    ("bt-proto-", Class::NetPf),
    ("rdma-netlink-subsys-", Class::NetPf),
    ("crypto-", Class::Crypto),
    ("algif-", Class::Crypto),
    ("tty-ldisc-", Class::TtyLdisc),
    ("can-proto-", Class::Can),
    ("fs-", Class::Fs),
    ("binfmt-", Class::Binfmt),
    ("char-major-", Class::CharMajor),
    ("block-major-", Class::BlockMajor),
    ("devname:", Class::Devname),
    ("rtnl-link-", Class::RtnlLink),
    ("rtnl-", Class::Net),
    ("netdev-", Class::Netdev),
    ("nft-", Class::Nft),
    ("nfnetlink-", Class::Nft),
    ("nfct-helper-", Class::Nft),
    ("nf_", Class::Nft),
    ("nf-", Class::Nft),
    ("ip_set", Class::Xt),
    ("ip_vs", Class::Net),
    ("xt_", Class::Xt),
    ("ipt_", Class::Xt),
    ("ip6t_", Class::Xt),
    ("iptable_", Class::Xt),
    ("ip6table_", Class::Xt),
    ("arptable_", Class::Xt),
    ("ebtable_", Class::Xt),
    ("ebt_", Class::Xt),
    ("arpt_", Class::Xt),
    ("xfrm-", Class::Xfrm),
    ("ipcomp", Class::Xfrm),
    ("sch_", Class::Tc),
    ("cls_", Class::Tc),
    ("act_", Class::Tc),
    ("em_", Class::Tc),
    ("ematch-kind-", Class::Tc),
    ("ife-meta-", Class::Tc),
    ("net-sch-", Class::Tc),
    ("net-cls-", Class::Tc),
    ("net-act-", Class::Tc),
    ("tcp_", Class::Net),
    ("tcp-", Class::Net),
    ("net-", Class::Net),
    ("vport-type-", Class::Net),
    ("team-mode-", Class::Net),
    ("ppp-compress-", Class::Net),
    ("nls_", Class::Nls),
    ("nls-", Class::Nls),
];

impl Class {
    /// The class of a name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let known = PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, class)| *class);
        known.unwrap_or(if name.contains(':') { Self::Modalias } else { Self::Name })
    }

    /// All classes.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(class, ..)| *class)
    }

    /// The word for it in policies and journals.
    #[must_use]
    pub fn word(self) -> &'static str {
        TABLE.iter().find(|(class, ..)| *class == self).map_or("name", |(_, word, _)| word)
    }

    /// Who can make the kernel ask in this class.
    #[must_use]
    pub fn reach(self) -> Reach {
        TABLE.iter().find(|(class, ..)| *class == self).map_or(Reach::Privileged, |(.., reach)| *reach)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Class {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        TABLE.iter().find(|(_, known, _)| *known == word).map(|(class, ..)| *class).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_the_kernel_asks_for_them() {
        for (name, class) in [
            ("net-pf-38", Class::NetPf),
            ("net-pf-16-proto-12", Class::NetPf),
            ("bt-proto-3", Class::NetPf),
            ("ematch-kind-4", Class::Tc),
            ("vport-type-4", Class::Net),
            ("algif-aead", Class::Crypto),
            ("crypto-authenc(hmac(sha1),cbc(aes))", Class::Crypto),
            ("tty-ldisc-29", Class::TtyLdisc),
            ("can-proto-2", Class::Can),
            ("fs-vfat", Class::Fs),
            ("binfmt-5958", Class::Binfmt),
            ("char-major-10-237", Class::CharMajor),
            ("block-major-7-0", Class::BlockMajor),
            ("rtnl-link-dummy", Class::RtnlLink),
            ("netdev-nosuch0", Class::Netdev),
            ("nft-chain-2-nat", Class::Nft),
            ("xfrm-type-2-50", Class::Xfrm),
            ("tcp_bbr", Class::Net),
            ("nls_cp437", Class::Nls),
            ("pci:v00008086d0000100E", Class::Modalias),
            ("loop", Class::Name),
        ] {
            assert_eq!(Class::of(name), class, "{name}");
        }
    }

    #[test]
    fn every_class_has_a_word_that_serde_and_policies_share() {
        for class in Class::all() {
            assert_eq!(class.word().parse(), Ok(class));
            assert_eq!(serde_json::to_string(&class).unwrap(), format!("\"{class}\""));
        }
        assert_eq!(Class::all().count(), TABLE.len());
    }
}
