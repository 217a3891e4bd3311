//! The routing table.

use std::net::Ipv4Addr;

use kernel::Privilege;
use serde::{Deserialize, Serialize};
use uapi::Errno;

use super::Request;
use crate::host::Host;
use crate::route::Network;

/// Add a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddRoute {
    /// `a.b.c.d` or `a.b.c.d/n`.
    pub network: String,
    /// The link that leads there.
    pub link: String,
}

/// Take a route away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteRoute {
    /// As it was added.
    pub network: String,
}

/// Which link leads to an address? A look-up that finds none asks kerneld for a route, and fails: try again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupRoute {
    /// The address.
    pub address: Ipv4Addr,
}

/// For how many milliseconds has nothing used the link? `None` where no route leads over it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteIdle {
    /// The link.
    pub link: String,
}

/// List the routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routes;

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteInfo {
    /// Where it leads, as `a.b.c.d/n`.
    pub network: String,
    /// Over which link.
    pub link: String,
    /// Look-ups that it has answered.
    pub uses: u64,
    /// Milliseconds since the last one (or since it was added).
    pub idle_ms: u64,
}

/// A time as it travels.
fn milliseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Request for AddRoute {
    const NAME: &'static str = "route-add";
    const PRIVILEGE: Privilege = Privilege::Owner;
    type Reply = ();

    fn serve(self, host: &Host) -> Result<(), Errno> {
        host.services().routes.add(self.network.parse()?, &self.link)
    }
}

impl Request for DeleteRoute {
    const NAME: &'static str = "route-del";
    const PRIVILEGE: Privilege = Privilege::Owner;
    type Reply = ();

    fn serve(self, host: &Host) -> Result<(), Errno> {
        host.services().routes.remove(self.network.parse::<Network>()?)
    }
}

impl Request for LookupRoute {
    const NAME: &'static str = "route-lookup";
    const PRIVILEGE: Privilege = Privilege::Reader;
    type Reply = String;

    fn serve(self, host: &Host) -> Result<String, Errno> {
        host.route(self.address)
    }
}

impl Request for RouteIdle {
    const NAME: &'static str = "route-idle";
    const PRIVILEGE: Privilege = Privilege::Reader;
    type Reply = Option<u64>;

    fn serve(self, host: &Host) -> Result<Option<u64>, Errno> {
        Ok(host.services().routes.idle(&self.link).map(milliseconds))
    }
}

impl Request for Routes {
    const NAME: &'static str = "routes";
    const PRIVILEGE: Privilege = Privilege::Reader;
    type Reply = Vec<RouteInfo>;

    fn serve(self, host: &Host) -> Result<Vec<RouteInfo>, Errno> {
        let routes = host.services().routes.list().into_iter().map(|route| RouteInfo {
            network: route.network.to_string(),
            idle_ms: milliseconds(route.idle()),
            link: route.link,
            uses: route.uses,
        });
        Ok(routes.collect())
    }
}
