//! The text of a load map (`insmod -m`), in the form of modutils 2.1: sections, and symbols in the order of their addresses.

use kmod::hosted::LoadMap;

/// The whole text.
pub(super) fn text(map: &LoadMap) -> String {
    let mut text = format!("{:<16}{:<10}{:<18}Align\n", "Sections:", "Size", "Address");
    for section in &map.sections {
        let align = section.align.max(1).ilog2();
        // A long name gets one blank, where the old tool ran it into the size.
        text.push_str(&format!("{:<15} {:08x}  {:016x}  2**{align}\n", section.name, section.size, section.address));
    }
    text.push_str("\nSymbols:\n");
    let mut symbols: Vec<_> = map.symbols.iter().collect();
    symbols.sort_by(|one, other| (one.address, &one.name).cmp(&(other.address, &other.name)));
    for symbol in symbols {
        text.push_str(&format!("{:016x} {} {}\n", symbol.address, symbol.letter, symbol.name));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::text;
    use kmod::hosted::{LoadMap, MapSection, MapSymbol};

    #[test]
    fn sections_and_sorted_symbols() {
        let section = |name: &str, address| MapSection { name: name.to_owned(), size: 0x20, address, align: 16 };
        let symbol = |name: &str, letter, address| MapSymbol { name: name.to_owned(), letter, address };
        let map = LoadMap {
            sections: vec![section(".text", 0x1234_0000), section(".data.rel.ro.local", 0x1234_1000)],
            symbols: vec![symbol("second", 'T', 0x1234_0010), symbol("first", 't', 0x1234_0000)],
        };
        let wanted = "Sections:       Size      Address           Align\n\
                      .text           00000020  0000000012340000  2**4\n\
                      .data.rel.ro.local 00000020  0000000012341000  2**4\n\
                      \n\
                      Symbols:\n\
                      0000000012340000 t first\n\
                      0000000012340010 T second\n";
        assert_eq!(text(&map), wanted);
    }
}
