//! `khost route`.

use std::io::Write;
use std::net::Ipv4Addr;

use clap::{Args, Subcommand};

use super::client::Target;
use super::output;
use crate::error::Error;
use crate::request;

/// Show, change and use the routing table
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  khost route lookup 10.1.2.3      fails, and asks kerneld for a route: try again\n  khost route add 10.1.2.3 ppp0\n  khost route idle ppp0"
)]
pub(super) struct Route {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Which link leads to an address? If none does, kerneld is asked for a route, and this look-up fails
    Lookup {
        /// The address
        address: Ipv4Addr,
    },
    /// Add a route
    Add {
        /// `a.b.c.d` or `a.b.c.d/n`
        network: String,
        /// The link that leads there
        link: String,
    },
    /// Take a route away
    Del {
        /// As it was added
        network: String,
    },
    /// List the routes
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// For how many seconds has a link been idle? Fails where no route leads over it
    Idle {
        /// The link
        link: String,
    },
}

impl Route {
    pub(super) fn execute(self, target: &Target, output: &mut dyn Write) -> Result<(), Error> {
        match self.command {
            Command::Lookup { address } => {
                let link = target.ask(&request::LookupRoute { address }, || address.to_string())?;
                output::line(output, &format!("{address} dev {link}"))
            }
            Command::Add { network, link } => {
                let request = request::AddRoute { network: network.clone(), link: link.clone() };
                target.ask(&request, || format!("cannot add a route to `{network}` over `{link}`"))
            }
            Command::Del { network } => {
                target.ask(&request::DeleteRoute { network: network.clone() }, || format!("cannot take away the route to `{network}`"))
            }
            Command::Show { json } => show(target, json, output),
            Command::Idle { link } => match target.ask(&request::RouteIdle { link: link.clone() }, || format!("`{link}`"))? {
                Some(idle) => output::line(output, &(idle / 1000).to_string()),
                None => Err(Error::NoSuchLink { link }),
            },
        }
    }
}

fn show(target: &Target, json: bool, output: &mut dyn Write) -> Result<(), Error> {
    let routes = target.ask(&request::Routes, || "routes".to_owned())?;
    if json {
        return output::json(output, &routes);
    }
    let rows: Vec<Vec<String>> = routes
        .into_iter()
        .map(|route| vec![route.network, route.link, route.uses.to_string(), format!("{}s", route.idle_ms / 1000)])
        .collect();
    output::table(output, &["DESTINATION", "LINK", "USES", "IDLE"], &[2, 3], &rows)
}
