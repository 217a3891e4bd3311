//! What lies where in a linked module: the facts behind `insmod -m`.

use modlink::Image;

/// Sections and symbols with the addresses at which they run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadMap {
    /// Loaded sections, in the order of the file.
    pub sections: Vec<MapSection>,
    /// Symbols that the module defines, in the order of its symbol table.
    pub symbols: Vec<MapSymbol>,
}

/// A section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapSection {
    /// Name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Where it runs.
    pub address: u64,
    /// Alignment in bytes.
    pub align: u64,
}

/// A symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapSymbol {
    /// Name.
    pub name: String,
    /// What it is, as `nm` shows it: T code, R constant, D data, B zeroed data, A number; lower case where local.
    pub letter: char,
    /// Where it runs, or its value for a number.
    pub address: u64,
}

impl LoadMap {
    /// The map of an image.
    pub(super) fn of(image: &Image<'_>) -> Self {
        let section = |section: modlink::PlacedSection<'_>| MapSection {
            name: section.name.to_owned(),
            size: section.size,
            address: image.base().offset(section.offset).0,
            align: section.align,
        };
        let symbol =
            |symbol: modlink::PlacedSymbol<'_>| MapSymbol { name: symbol.name.to_owned(), letter: symbol.letter, address: symbol.addr.0 };
        Self { sections: image.layout().sections().map(section).collect(), symbols: image.symbols().map(symbol).collect() }
    }
}
