//! `modules.symbols`: `alias symbol:NAME MODULE` for each export, so that `modprobe symbol:NAME` finds its module.

/// The first line of the file.
pub const HEADER: &str = "# Aliases for symbols, used by symbol_request().\n";

/// What stands before the name of a symbol.
pub const PREFIX: &str = "symbol:";

/// Appends one line.
pub fn write(out: &mut String, symbol: &str, module: &str) {
    for part in ["alias ", PREFIX, symbol, " ", module, "\n"] {
        out.push_str(part);
    }
}

/// Symbol and module of each line.
pub fn parse(text: &str) -> impl Iterator<Item = (&str, &str)> {
    super::alias::parse(text).filter_map(|(pattern, module)| Some((pattern.strip_prefix(PREFIX)?, module)))
}
