//! The autoclean pass, `delete_module(NULL)`.

use crate::image::{Loaded, Sample, sample};
use crate::world::World;

fn demand_loaded(name: &str) -> Sample {
    Sample { autoclean: true, ..sample(name) }
}

/// One mount and unmount: a user comes and goes.
fn use_once(world: &World, modules: &[Loaded]) {
    for module in modules {
        world.kernel.call(module.inc(), [0; 6]).unwrap();
        world.kernel.call(module.dec(), [0; 6]).unwrap();
    }
}

#[test]
fn row_40_a_module_goes_on_the_second_pass_after_its_last_use() {
    let world = World::new();
    let fat = world.load(&demand_loaded("fat")).unwrap();
    world.autoclean();
    use_once(&world, &[fat]);
    world.autoclean();
    assert_eq!(world.names(), ["fat"], "used since the last pass");
    world.autoclean();
    assert_eq!(world.names(), [""; 0]);
}

#[test]
fn a_module_that_was_only_loaded_lives_through_one_pass() {
    let world = World::new();
    world.load(&demand_loaded("fat")).unwrap();
    world.autoclean();
    assert_eq!(world.names(), ["fat"]);
    world.autoclean();
    assert_eq!(world.names(), [""; 0]);
}

#[test]
fn row_40_a_base_goes_one_pass_after_its_dependent() {
    let world = World::new();
    let fat = world.load(&demand_loaded("fat")).unwrap();
    let vfat = Sample { references: vec![world.identity("fat")], ..demand_loaded("vfat") };
    let vfat = world.load(&vfat).unwrap();
    use_once(&world, &[fat, vfat]);
    world.autoclean();
    assert_eq!(world.names(), ["vfat", "fat"], "pass 1 clears the flag of vfat");
    world.autoclean();
    assert_eq!(world.names(), ["fat"], "pass 2 removes vfat, and then clears the flag of fat");
    world.autoclean();
    assert_eq!(world.names(), [""; 0], "pass 3 removes fat");
}

#[test]
fn a_base_whose_flag_is_clear_goes_in_the_same_pass() {
    let world = World::new();
    world.load(&demand_loaded("fat")).unwrap();
    world.autoclean();
    let vfat = Sample { references: vec![world.identity("fat")], ..demand_loaded("vfat") };
    world.load(&vfat).unwrap();
    world.autoclean();
    assert_eq!(world.names(), ["vfat", "fat"]);
    world.autoclean();
    assert_eq!(world.names(), [""; 0]);
}

#[test]
fn row_07_manual_modules_and_used_ones_stay() {
    let world = World::new();
    world.load(&sample("manual")).unwrap();
    let used = world.load(&demand_loaded("used")).unwrap();
    world.kernel.call(used.inc(), [0; 6]).unwrap();
    world.create(&demand_loaded("created")).unwrap();
    for _ in 0..4 {
        world.autoclean();
    }
    assert_eq!(world.names(), ["created", "used", "manual"]);
    world.kernel.call(used.dec(), [0; 6]).unwrap();
    world.kernel.autoclean().unwrap();
    world.kernel.autoclean().unwrap();
    assert_eq!(world.names(), ["created", "manual"]);
}

#[test]
fn a_failing_init_loses_autoclean() {
    let world = World::new();
    let failing = Sample { init: crate::image::returning(1), ..demand_loaded("failing") };
    let base = world.create_written(&failing).unwrap();
    assert!(world.call(uapi::Syscall::InitModule(failing.request(base))).is_err());
    for _ in 0..3 {
        world.autoclean();
    }
    assert_eq!(world.names(), ["failing"], "it waits for its delete_module");
}
