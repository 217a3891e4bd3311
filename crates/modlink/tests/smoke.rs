//! A first look.
use modlink::*;
use std::process::Command;

#[test]
fn smoke() {
    let dir = std::env::temp_dir().join(format!("modlink-smoke-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let c = dir.join("a.c");
    std::fs::write(
        &c,
        "extern int h(int); extern int hv; int g; static int s=3; int f(int x){ g^=x; return h(x)+hv+s++; } int (*t[])(int)={f,h};",
    )
    .unwrap();
    let o = dir.join("a.o");
    assert!(Command::new("gcc").args(["-O2", "-fPIC", "-c", "-o"]).arg(&o).arg(&c).status().unwrap().success());
    let bytes = std::fs::read(&o).unwrap();
    let object = Object::parse(&bytes).unwrap();
    let layout = object.layout(&LayoutOptions { use_count: UseCount::Reserve, ..Default::default() }).unwrap();
    println!("{:?} {:?}", layout.parts(), layout.imports().collect::<Vec<_>>());
    let mut out = vec![0; layout.size() as usize];
    for host in [0x1234_0000u64, 0x7fff_0000_0000] {
        let image = layout
            .link(
                Addr(0x40_0000),
                |n| match n {
                    "h" => Some(Addr(host)),
                    "hv" => Some(Addr(host + 64)),
                    _ => None,
                },
                &mut out,
            )
            .unwrap();
        for s in image.symbols() {
            println!("{s:?}");
        }
        std::fs::write(dir.join(format!("out{host:x}")), &out).unwrap();
    }
}
