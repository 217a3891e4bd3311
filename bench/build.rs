//! Compiles the host's side of the benchmark and exports it, so that `dlopen` finds it as any plug-in finds its host.

fn main() {
    println!("cargo:rerun-if-changed=src/host.c");
    cc::Build::new().file("src/host.c").opt_level(2).debug(false).compile("bench_host");
    println!("cargo:rustc-link-arg-bins=-Wl,--export-dynamic-symbol=host_*");
}
