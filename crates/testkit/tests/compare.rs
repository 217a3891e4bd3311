//! A sample of the comparison with Debian's kmod; `cargo xtask compare` makes all of it.

use testkit::Programs;
use testkit::compare::{Extent, Listed, Packing, Tree, compare, compare_gz};
use testkit::debian;

#[test]
fn the_cloud_kernels_tree_is_the_same_to_both() {
    let package = debian::behind("linux-image-cloud-amd64", "linux-image-").expect("a kernel package");
    let tree = Tree::of_package(&package).expect("a module tree");
    let modutils = Programs::built().path("modutils");
    let report = compare(&tree, &modutils, Extent::Every(23));
    assert!(report.different.is_empty(), "{report}");
    assert!(report.made["plans"] > 40 && report.made["aliases"] > 40 && report.made["infos"] > 40, "{report}");
    // A listed difference that does not show any more does not belong in the list.
    for listed in [Listed::BuildId, Listed::SymbolOrder, Listed::Weakdep] {
        assert!(report.listed.contains_key(&listed), "{report}");
    }
    let packed = tree.packed(Packing::Zst).expect("a packed tree");
    let report = compare(&packed, &modutils, Extent::Every(101));
    assert!(report.different.is_empty(), "{report}");
    let gz = tree.packed(Packing::Gz).expect("a packed tree");
    let report = compare_gz(&gz, &tree.plain().expect("the tree"), &modutils, Extent::Every(101));
    assert!(report.different.is_empty(), "{report}");
    assert!(report.made["plans"] > 5 && report.made["aliases"] > 5 && report.made["infos"] > 5, "{report}");
}
