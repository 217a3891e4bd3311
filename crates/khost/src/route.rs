//! The routing table: which link leads to an address, and how long it has been idle.
//!
//! As in Linux 2.0 (`net/ipv4/route.c`), a look-up of a unicast address that finds nothing asks for a route and still fails;
//! the retry finds what the helper has added.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use uapi::Errno;

/// A network: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: Ipv4Addr,
    length: u8,
}

impl Network {
    /// The network of `length` bits that holds `address`.
    ///
    /// # Errors
    /// `EINVAL` for more than 32 bits.
    pub fn new(address: Ipv4Addr, length: u8) -> Result<Self, Errno> {
        let mask = mask(length).ok_or(Errno::EINVAL)?;
        Ok(Self { address: Ipv4Addr::from_bits(address.to_bits() & mask), length })
    }

    /// Bits that count.
    #[must_use]
    pub fn length(self) -> u8 {
        self.length
    }

    /// Whether an address is in it.
    #[must_use]
    pub fn contains(self, address: Ipv4Addr) -> bool {
        mask(self.length).is_some_and(|mask| address.to_bits() & mask == self.address.to_bits())
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl std::str::FromStr for Network {
    type Err = Errno;

    /// `a.b.c.d/n`, or `a.b.c.d` for one address.
    fn from_str(text: &str) -> Result<Self, Errno> {
        let (address, length) = text.split_once('/').unwrap_or((text, "32"));
        Self::new(address.parse().map_err(|_| Errno::EINVAL)?, length.parse().map_err(|_| Errno::EINVAL)?)
    }
}

/// The mask of a prefix length.
fn mask(length: u8) -> Option<u32> {
    match length {
        0 => Some(0),
        1..=32 => u32::MAX.checked_shl(32_u32.saturating_sub(u32::from(length))),
        _ => None,
    }
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it leads.
    pub network: Network,
    /// The link, such as `ppp0`.
    pub link: String,
    /// Look-ups that it has answered.
    pub uses: u64,
    last_use: Instant,
}

impl Route {
    /// How long nothing has used it.
    #[must_use]
    pub fn idle(&self) -> Duration {
        self.last_use.elapsed()
    }
}

/// Most routes.
const MAX_ROUTES: usize = 4096;
/// Longest name of a link in bytes (`IFNAMSIZ` less the NUL).
const MAX_LINK: usize = 15;

/// Most routes that are asked for at the same time. Anyone may look an address up, and each new one runs a program.
const MAX_PENDING: usize = 64;

/// The table.
#[derive(Debug, Default)]
pub struct Routes {
    table: Mutex<Vec<Route>>,
    pending: AtomicUsize,
}

/// A route that is being asked for.
#[derive(Debug)]
pub struct Pending<'a> {
    count: &'a AtomicUsize,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Routes {
    /// Adds a route.
    ///
    /// # Errors
    /// `EEXIST` where there is one to that network; `EINVAL` for a bad link name; `ENOMEM` for too many.
    pub fn add(&self, network: Network, link: &str) -> Result<(), Errno> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
        if link.is_empty() || link.len() > MAX_LINK || !link.bytes().all(allowed) {
            return Err(Errno::EINVAL);
        }
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.iter().any(|route| route.network == network) {
            return Err(Errno::EEXIST);
        }
        if table.len() >= MAX_ROUTES {
            return Err(Errno::ENOMEM);
        }
        table.push(Route { network, link: link.to_owned(), uses: 0, last_use: Instant::now() });
        Ok(())
    }

    /// Takes the route to a network away.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn remove(&self, network: Network) -> Result<(), Errno> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let at = table.iter().position(|route| route.network == network).ok_or(Errno::ENOENT)?;
        table.remove(at);
        Ok(())
    }

    /// The link that leads to an address, by the narrowest network; counts as a use of it.
    #[must_use]
    pub fn lookup(&self, address: Ipv4Addr) -> Option<String> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = table.iter_mut().filter(|route| route.network.contains(address));
        let route = holds.max_by_key(|route| route.network.length)?;
        route.uses = route.uses.saturating_add(1);
        route.last_use = Instant::now();
        Some(route.link.clone())
    }

    /// Leave to ask for a route, as long as the answer is held; `None` where too many are being asked for.
    #[must_use]
    pub fn pending(&self) -> Option<Pending<'_>> {
        let pending = Pending { count: &self.pending };
        (self.pending.fetch_add(1, Ordering::Relaxed) < MAX_PENDING).then_some(pending)
    }

    /// How long no route over a link has been used; `None` where there is none.
    #[must_use]
    pub fn idle(&self, link: &str) -> Option<Duration> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.iter().filter(|route| route.link == link).map(Route::idle).min()
    }

    /// The table, narrowest networks first.
    #[must_use]
    pub fn list(&self) -> Vec<Route> {
        let mut routes = self.table.lock().unwrap_or_else(PoisonError::into_inner).clone();
        routes.sort_by_key(|route| (std::cmp::Reverse(route.network.length), route.network.address));
        routes
    }
}

/// Whether a missing route to an address is worth asking for: unicast addresses only.
#[must_use]
pub fn is_unicast(address: Ipv4Addr) -> bool {
    !(address.is_unspecified() || address.is_multicast() || address.is_broadcast() || address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{Network, Routes, is_unicast};
    use std::net::Ipv4Addr;
    use uapi::Errno;

    #[test]
    fn the_narrowest_network_wins_and_is_marked_as_used() {
        let routes = Routes::default();
        for (network, link) in [("0.0.0.0/0", "eth0"), ("10.0.0.0/8", "ppp0"), ("10.1.2.3", "ppp1")] {
            routes.add(network.parse().unwrap(), link).unwrap();
        }
        for (address, link) in [("10.1.2.3", "ppp1"), ("10.1.2.4", "ppp0"), ("11.0.0.1", "eth0")] {
            assert_eq!(routes.lookup(address.parse().unwrap()).as_deref(), Some(link), "{address}");
        }
        assert_eq!(
            routes.list().iter().map(|route| (route.link.as_str(), route.uses)).collect::<Vec<_>>(),
            [("ppp1", 1), ("ppp0", 1), ("eth0", 1)]
        );
        assert_eq!(routes.add("10.255.0.0/8".parse().unwrap(), "sl0"), Err(Errno::EEXIST), "the same network, otherwise written");
        assert_eq!(routes.remove("10.0.0.0/8".parse().unwrap()), Ok(()));
        assert_eq!(routes.remove("10.0.0.0/8".parse().unwrap()), Err(Errno::ENOENT));
        assert!(routes.idle("ppp1").unwrap().as_secs() < 5);
        assert_eq!(routes.idle("ppp0"), None);
    }

    #[test]
    fn networks_are_checked() {
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "a", "10.0.0.0/-1", "10.0.0.0/8/8"] {
            assert_eq!(bad.parse::<Network>(), Err(Errno::EINVAL), "{bad}");
        }
        assert_eq!("10.9.8.7/8".parse::<Network>().unwrap().to_string(), "10.0.0.0/8");
        let routes = Routes::default();
        for bad in ["", "a b", "x\n", "sixteen-bytes-xx"] {
            assert_eq!(routes.add(Network::new(Ipv4Addr::LOCALHOST, 8).unwrap(), bad), Err(Errno::EINVAL), "{bad:?}");
        }
    }

    #[test]
    fn only_so_many_routes_are_asked_for_at_a_time() {
        let routes = Routes::default();
        let held: Vec<_> = (0..super::MAX_PENDING).map(|_| routes.pending().unwrap()).collect();
        assert!(routes.pending().is_none());
        drop(held);
        assert!(routes.pending().is_some());
    }

    #[test]
    fn only_unicast_addresses_are_asked_for() {
        for (address, expected) in
            [("10.0.0.1", true), ("0.0.0.0", false), ("224.0.0.1", false), ("255.255.255.255", false), ("127.0.0.1", false)]
        {
            assert_eq!(is_unicast(address.parse().unwrap()), expected, "{address}");
        }
    }
}
