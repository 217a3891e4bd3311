//! What is done with bytes that somebody hands in; the body of the fuzz targets and of the tests with damaged objects.

use modlink::{
    Addr, LayoutOptions, Object, UseCount,
    module::{self, Force, KernelSymbol},
};

/// Everything that is done with an object that somebody hands in. Answers whether it was linked.
pub(crate) fn exercise(bytes: &[u8]) -> bool {
    let Ok(object) = Object::parse(bytes) else { return false };
    object.symbols().for_each(|symbol| assert!(symbol.name.len() <= bytes.len()));
    let options = LayoutOptions { use_count: UseCount::Reserve, max_size: 1 << 22, ..LayoutOptions::default() };
    let kernel = [
        KernelSymbol { name: "#", value: 0 },
        KernelSymbol { name: "host_call", value: 0x50_0000 },
        KernelSymbol { name: "host_variable", value: 0x50_0040 },
        KernelSymbol { name: "host_variadic", value: 0x50_0080 },
        KernelSymbol { name: "host_array", value: 0x50_00c0 },
    ];
    let prepared = module::Options {
        release: "1.0",
        force: Force::Yes,
        parameters: &["exported=1", "exported_name=text"],
        layout: options,
        ..Default::default()
    };
    if let Ok(prepared) = module::prepare(&object, &prepared, &kernel[..]) {
        let mut out = vec![0; usize::try_from(prepared.layout().size()).expect("size")];
        let _ = prepared.link(Addr(0x40_0000), &mut out).map(|linked| linked.exports.len());
    }
    let Ok(layout) = object.layout(&options) else { return false };
    assert!(layout.size() <= options.max_size + 5 * 4096);
    let _ = layout.debug_object(Addr(0x40_0000));
    let mut out = vec![0; usize::try_from(layout.size()).expect("size")];
    let Ok(image) = layout.link(Addr(0x40_0000), |_| Some(Addr(0x50_0000)), &mut out) else { return false };
    image.symbols().count() <= bytes.len()
}
