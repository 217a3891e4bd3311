//! `khost symvers`: the checksums of the exports, for `modpost`.

use std::io::Write;

use clap::Args;
use kernel::{Kernel, Modversions};

use super::output;
use crate::error::Error;

/// Write the checksums of all exports in the form of Module.symvers
///
/// No kernel has to run: they are made of the prototypes that this program was built with.
#[derive(Debug, Default, Args)]
#[command(after_help = "Examples:\n  khost symvers > Module.symvers\n  modpost --symvers Module.symvers -o fat.ko fat.o")]
pub(super) struct Symvers {}

impl Symvers {
    pub(super) fn execute(self, output: &mut dyn Write) -> Result<(), Error> {
        let mut builder = Kernel::builder().modversions(Modversions::On);
        for export in crate::exports::table() {
            builder = builder.export(export.name, export.address, export.prototype);
        }
        let symbols = builder.symbols().map_err(|error| Error::Kernel { error })?;
        // `name_Rxxxxxxxx`; what has no checksum (Using_Versions) is no export.
        for (name, checksum) in symbols.iter().filter_map(|symbol| symbol.name.rsplit_once("_R")) {
            output::line(output, &format!("0x{checksum}\t{name}\tkhost\tEXPORT_SYMBOL\t"))?;
        }
        Ok(())
    }
}
