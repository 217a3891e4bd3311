//! Network devices, sockets, rules.

use super::super::net::{Link, Net};
use super::super::{State, Subject, Surroundings};
use super::readable;

/// Functions that make network devices.
const DEVICES: &[&str] = &["register_netdev", "register_netdevice", "rtnl_link_register", "__rtnl_link_register", "alloc_netdev_mqs"];

/// Functions that make kinds of sockets, and what sockets use.
const SOCKETS: &[&str] = &[
    "proto_register",
    "sock_register",
    "inet_register_protosw",
    "inet6_register_protosw",
    "tcp_register_congestion_control",
    "tcp_register_ulp",
    "mptcp_register*",
];

/// Functions that put a module into the path of packets.
const HOOKS: &[&str] = &["nf_register_net_hook*", "nf_register_sockopt", "nf_log_register", "nf_log_set", "nf_register_queue_handler"];

/// Queueing disciplines that every device has by itself.
const PLAIN: [&str; 6] = ["noqueue", "pfifo_fast", "mq", "fq_codel", "pfifo", "noop"];

/// Names of modules that belong to nftables, x_tables, sets, traffic control, IPsec, virtual servers.
const NFT: &[&str] = &["nf_tables", "nft_", "nf_flow_table", "nf_reject", "nf_dup", "nf_tproxy", "nf_socket", "nf_log"];
const X_TABLES: &[&str] = &["xt_", "ipt_", "ip6t_", "arpt_", "x_tables", "ip_tables", "ip6_tables", "arp_tables"];
const IPSEC: &[&str] = &["xfrm", "esp4", "esp6", "ah4", "ah6", "ipcomp", "af_key"];
const IPSEC_CALLS: &[&str] = &["xfrm_register_type*", "xfrm4_protocol_register", "xfrm6_protocol_register"];

fn begins(subject: &Subject, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|begin| subject.name.starts_with(begin))
}

/// All namespaces that were read, one after the other, and why others were not.
fn over(around: &Surroundings, each: impl Fn(&Net) -> Result<Vec<String>, String>) -> State {
    let (mut facts, mut faults) = (Vec::new(), around.faults.clone());
    for net in &around.nets {
        match each(net) {
            Ok(found) => facts.extend(found.into_iter().map(|fact| format!("{fact} ({})", net.whose))),
            Err(fault) => faults.push(format!("{fault} ({})", net.whose)),
        }
    }
    readable(faults, facts)
}

/// Network devices of its kinds, and ports of them; for a module that makes devices without a kind, all devices without one that
/// stand for no hardware.
pub(in super::super) fn netdevs(around: &Surroundings, subject: &Subject) -> State {
    let kinds: Vec<&str> = subject.provides("rtnl-link-").collect();
    if kinds.is_empty() && !subject.calls(DEVICES) {
        return State::Unconcerned;
    }
    let is_its = |link: &Link| match (&link.kind, &link.port_of) {
        (kind, port_of) if [kind, port_of].into_iter().flatten().any(|kind| kinds.contains(&kind.as_str())) => true,
        (None, _) if subject.calls(DEVICES) && (kinds.is_empty() || subject.imports.is_none()) => !link.hardware && link.name != "lo",
        _ => false,
    };
    over(around, |net| {
        let its = net.links.as_ref().map_err(Clone::clone)?.iter().filter(|link| is_its(link));
        let text = |link: &Link| match &link.kind {
            Some(kind) => format!("network device {} of kind {kind}", link.name),
            None => format!("network device {} may be one of its", link.name),
        };
        Ok(its.map(text).collect())
    })
}

/// Open sockets of its protocols, and whether new ones would use it.
pub(in super::super) fn sockets(around: &Surroundings, subject: &Subject) -> State {
    if !subject.calls(SOCKETS) {
        return State::Unconcerned;
    }
    if let Some(control) = subject.name.strip_prefix("tcp_")
        && around.nets.iter().any(|net| net.congestion == control)
    {
        return State::Holds(vec![format!("{control} is the congestion control of new connections")]);
    }
    over(around, |net| {
        let protocols = net.protocols.as_ref().map_err(Clone::clone)?;
        let its = protocols.iter().filter(|(module, _, sockets)| *module == subject.name && *sockets > 0);
        Ok(its.map(|(_, protocol, sockets)| format!("{sockets} socket{} of {protocol}", if *sockets == 1 { "" } else { "s" })).collect())
    })
}

/// Rules, tables, hooks, sets, queueing disciplines and actions, IPsec, virtual servers.
pub(in super::super) fn rules(around: &Surroundings, subject: &Subject) -> State {
    if let Some(function) = subject.first_call(HOOKS) {
        return State::Holds(vec![format!("it takes part in the handling of packets by itself (it calls {function})")]);
    }
    let name = subject.name.as_str();
    let table = ["iptable_", "ip6table_", "arptable_"].iter().find_map(|begin| name.strip_prefix(begin));
    if name.starts_with("ebt") {
        return State::Unreadable("tables of ebtables cannot be listed".to_owned());
    }
    let classifier = ["cls_", "act_", "em_"].iter().any(|begin| name.starts_with(begin));
    let ipsec = begins(subject, IPSEC) || subject.first_call(IPSEC_CALLS).is_some();
    let concerned = table.is_some()
        || classifier
        || ipsec
        || subject.imports.is_none()
        || begins(subject, NFT)
        || begins(subject, X_TABLES)
        || ["ip_set", "ip_vs", "sch_"].iter().any(|begin| name.starts_with(begin));
    if !concerned {
        return State::Unconcerned;
    }
    if name.strip_prefix("sch_").is_some_and(|kind| kind == around.default_qdisc) {
        return State::Holds(vec!["it is the queueing discipline of new devices".to_owned()]);
    }
    over(around, |net| {
        let mut facts = Vec::new();
        let read = |list: &Result<Vec<String>, String>| list.clone();
        if begins(subject, NFT) {
            facts.extend(read(&net.nft)?.into_iter().map(|table| format!("table {table} of nftables")));
        }
        let own_table = |(_, found): &&(String, String)| table.is_none_or(|table| table == found);
        if table.is_some() || begins(subject, X_TABLES) {
            facts.extend(net.tables.iter().filter(own_table).map(|(family, table)| format!("table {table} of {family}_tables")));
        }
        if name.starts_with("ip_set") {
            facts.extend(read(&net.sets)?.into_iter().map(|set| format!("set {set}")));
        }
        if let Some(kind) = name.strip_prefix("sch_") {
            facts.extend(read(&net.qdiscs)?.into_iter().filter(|found| found == kind).map(|found| format!("queueing discipline {found}")));
        }
        if classifier {
            let others = read(&net.qdiscs)?.into_iter().filter(|found| !PLAIN.contains(&found.as_str()));
            facts.extend(others.map(|found| format!("queueing discipline {found}, which may have filters")));
            let own = read(&net.actions)?.into_iter().filter(|kind| name.strip_prefix("act_") == Some(kind));
            facts.extend(own.map(|kind| format!("actions of kind {kind}")));
        }
        if ipsec {
            let count = net.xfrm.clone()?;
            facts.extend((count > 0).then(|| format!("{count} states and policies of IPsec")));
        }
        if name.starts_with("ip_vs") {
            facts.extend((net.servers > 0).then(|| format!("{} lines of virtual servers", net.servers)));
        }
        facts.sort();
        facts.dedup();
        Ok(facts)
    })
}
