//! What is in one network namespace.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use rustix::net::netlink::{NETFILTER, XFRM};

use super::netlink::{Question, dump};
use super::settings;

/// Messages and attributes (include/uapi/linux: rtnetlink.h, if_link.h, pkt_sched.h, xfrm.h, netfilter/nfnetlink.h).
const RTM_GETLINK: u16 = 18;
const RTM_GETQDISC: u16 = 38;
const RTM_GETACTION: u16 = 50;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_PARENT_DEV_NAME: u16 = 56;
const TCA_KIND: u16 = 1;
const XFRM_MSG_GETSA: u16 = 0x12;
const XFRM_MSG_GETPOLICY: u16 = 0x15;
const NFT_MSG_GETTABLE: u16 = (10 << 8) | 1;
const NFTA_TABLE_NAME: u16 = 1;
const IPSET_CMD_LIST: u16 = (6 << 8) | 7;
const IPSET_ATTR_SETNAME: u16 = 2;

/// Numbers of the netlink protocols in `/proc/net/netlink`.
const ROUTE_NUMBER: &str = "0";
const XFRM_NUMBER: &str = "6";
const NETFILTER_NUMBER: &str = "12";

/// Lists of the tables of x_tables.
const TABLE_LISTS: [(&str, &str); 3] = [("ip", "ip_tables_names"), ("ip6", "ip6_tables_names"), ("arp", "arp_tables_names")];

/// What was read, or why it could not be.
pub(super) type Reading<T> = Result<T, String>;

/// A network device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) name: String,
    /// The kind that `ip link add type` has.
    pub(super) kind: Option<String>,
    /// The kind of what it is a port of.
    pub(super) port_of: Option<String>,
    /// Whether it stands for hardware.
    pub(super) hardware: bool,
}

/// A network namespace.
#[derive(Clone, Debug)]
pub(super) struct Net {
    pub(super) whose: String,
    pub(super) links: Reading<Vec<Link>>,
    /// Kinds of queueing disciplines.
    pub(super) qdiscs: Reading<Vec<String>>,
    /// Kinds of actions that are there on their own.
    pub(super) actions: Reading<Vec<String>>,
    /// Protocols: module, name, sockets.
    pub(super) protocols: Reading<Vec<(String, String, i64)>>,
    /// Tables of x_tables: family and name.
    pub(super) tables: Vec<(String, String)>,
    /// Tables of nftables.
    pub(super) nft: Reading<Vec<String>>,
    /// Sets.
    pub(super) sets: Reading<Vec<String>>,
    /// States and policies of IPsec.
    pub(super) xfrm: Reading<usize>,
    /// Virtual servers.
    pub(super) servers: usize,
    /// The congestion control of new connections.
    pub(super) congestion: String,
    /// Settings by path below `/proc/sys`, of the folders that modules are known to own.
    pub(super) settings: BTreeMap<String, String>,
}

impl Net {
    /// Reads the namespace that the calling thread is in; `proc` is `/proc`.
    pub(super) fn read(whose: String, proc: &Path, modules: &[String]) -> Self {
        let net = proc.join("thread-self/net");
        let text = |name: &str| fs::read_to_string(net.join(name)).unwrap_or_default();
        let has = |module: &str| modules.iter().any(|name| name == module);
        let netlink = text("netlink");
        let served = |number: &str| netlink.lines().any(|line| line.split_whitespace().nth(1) == Some(number));
        let rtnetlink = || if served(ROUTE_NUMBER) { Ok(()) } else { Err("rtnetlink is not there".to_owned()) };
        Self {
            whose,
            links: rtnetlink().and_then(|()| links()),
            qdiscs: rtnetlink().and_then(|()| qdiscs()),
            actions: rtnetlink().and_then(|()| actions(modules)),
            protocols: match fs::read_to_string(net.join("protocols")) {
                Ok(text) => Ok(protocols(&text)),
                Err(error) => Err(format!("/proc/net/protocols: {error}")),
            },
            tables: TABLE_LISTS
                .iter()
                .flat_map(|(family, list)| text(list).lines().map(|table| ((*family).to_owned(), table.to_owned())).collect::<Vec<_>>())
                .collect(),
            nft: if has("nf_tables") && served(NETFILTER_NUMBER) { names(NFT_MSG_GETTABLE, &[], NFTA_TABLE_NAME) } else { Ok(Vec::new()) },
            // An attribute of 5 bytes: the version of the protocol, 7 (IPSET_PROTOCOL).
            sets: if has("ip_set") && served(NETFILTER_NUMBER) {
                names(IPSET_CMD_LIST, &[5, 0, 1, 0, 7, 0, 0, 0], IPSET_ATTR_SETNAME)
            } else {
                Ok(Vec::new())
            },
            xfrm: if served(XFRM_NUMBER) { xfrm() } else { Err("states cannot be listed while xfrm_user is not loaded".to_owned()) },
            // Three lines of heading.
            servers: text("ip_vs").lines().count().saturating_sub(3),
            congestion: fs::read_to_string(proc.join("sys/net/ipv4/tcp_congestion_control")).unwrap_or_default().trim().to_owned(),
            settings: settings::read_known(proc),
        }
    }
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> String {
    move |error| format!("{what}: {error}")
}

fn links() -> Reading<Vec<Link>> {
    let found = dump(&Question { protocol: None, kind: RTM_GETLINK, body: &[0; 16], skip: 16 }).map_err(failed("network devices"))?;
    let link = |attributes: &super::netlink::Attributes| {
        let info = attributes.nested(IFLA_LINKINFO);
        Link {
            name: attributes.text(IFLA_IFNAME).unwrap_or_default(),
            kind: info.text(IFLA_INFO_KIND),
            port_of: info.text(IFLA_INFO_SLAVE_KIND),
            hardware: attributes.has(IFLA_PARENT_DEV_NAME),
        }
    };
    Ok(found.iter().map(link).collect())
}

fn qdiscs() -> Reading<Vec<String>> {
    let found = dump(&Question { protocol: None, kind: RTM_GETQDISC, body: &[0; 20], skip: 20 }).map_err(failed("queueing disciplines"))?;
    Ok(found.iter().filter_map(|qdisc| qdisc.text(TCA_KIND)).collect())
}

/// The kernel lists actions by kind only; the kinds are the names of their modules.
fn actions(modules: &[String]) -> Reading<Vec<String>> {
    let mut found = Vec::new();
    for kind in modules.iter().filter_map(|module| module.strip_prefix("act_")) {
        // tcamsg, TCA_ACT_TAB (1) { 1 { TCA_ACT_KIND (1): text } }
        let inner = attribute(1, &[kind.as_bytes(), &[0]].concat());
        let body = [vec![0; 4], attribute(1, &attribute(1, &inner))].concat();
        let answers = dump(&Question { protocol: None, kind: RTM_GETACTION, body: &body, skip: 4 }).map_err(failed("actions"))?;
        if answers.iter().any(|answer| answer.nested(1).has(1)) {
            found.push(kind.to_owned());
        }
    }
    Ok(found)
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(value.len() + 4).unwrap_or(u16::MAX).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The names in a dump of netfilter: a `nfgenmsg` of all families, then attributes.
fn names(kind: u16, attributes: &[u8], name: u16) -> Reading<Vec<String>> {
    let body = [&[0; 4], attributes].concat();
    let answers = dump(&Question { protocol: Some(NETFILTER), kind, body: &body, skip: 4 }).map_err(failed("tables of netfilter"))?;
    Ok(answers.iter().filter_map(|answer| answer.text(name)).collect())
}

fn xfrm() -> Reading<usize> {
    let count = |kind| dump(&Question { protocol: Some(XFRM), kind, body: &[], skip: 0 }).map(|answers| answers.len());
    let states = count(XFRM_MSG_GETSA).map_err(failed("states of IPsec"))?;
    Ok(states.saturating_add(count(XFRM_MSG_GETPOLICY).map_err(failed("policies of IPsec"))?))
}

/// `protocol size sockets memory press maxhdr slab module …`.
fn protocols(text: &str) -> Vec<(String, String, i64)> {
    let row = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        Some(((*fields.get(7)?).to_owned(), (*fields.first()?).to_owned(), fields.get(2)?.parse().ok()?))
    };
    text.lines().skip(1).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_name_their_modules() {
        let text = "protocol  size sockets  memory press maxhdr  slab module     cl co di ac io in de sh ss gs se re sp bi br ha uh gp em\n\
                    SCTP      1832      2      -1   NI       0   no   sctp        y  y\n\
                    UNIX      1024    331      -1   NI       0   yes  kernel      n  n\n";
        assert_eq!(protocols(text), [("sctp".to_owned(), "SCTP".to_owned(), 2), ("kernel".to_owned(), "UNIX".to_owned(), 331)]);
    }
}
