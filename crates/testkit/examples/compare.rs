//! Everything beside Debian's kmod: `cargo run -p testkit --example compare -- PATH/TO/modutils`. Status 1 for any difference that the
//! documentation does not list.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let modutils = std::env::args_os().nth(1).map_or_else(|| testkit::Programs::built().path("modutils"), PathBuf::from);
    match testkit::compare::everything(&modutils) {
        Ok(reports) => {
            reports.iter().for_each(|report| println!("{report}"));
            let different: usize = reports.iter().map(|r| r.different.len()).sum();
            println!("{} trees, {different} differences that are not listed", reports.len());
            ExitCode::from(u8::from(different > 0))
        }
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}
