//! A kernel in a PID namespace of its own, as in a container whose socket is mounted outside: it cannot name its clients, and
//! serves them all the same.

use std::process::{Child, Command, Stdio};

use testkit::{World, eventually};
use uapi::Client;

/// Options of `unshare(1)` that give a PID namespace to this user, if any do.
fn namespace() -> Option<Vec<&'static str>> {
    let options = [vec!["--kill-child", "--pid", "--fork"], vec!["--kill-child", "--user", "--map-root-user", "--pid", "--fork"]];
    options.into_iter().find(|options| {
        let probe = Command::new("unshare").args(options).arg("true").stderr(Stdio::null()).status();
        probe.is_ok_and(|status| status.success())
    })
}

/// Ends with the test; its child ends with it (`--kill-child`).
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

#[test]
fn clients_from_outside_its_pid_namespace_are_served() {
    let Some(options) = namespace() else {
        eprintln!("this user may not make a PID namespace: nothing to test");
        return;
    };
    let world = World::new();
    let log = std::fs::File::create(world.path("khost.log")).expect("a log file");
    let mut command = Command::new("unshare");
    command.args(options).arg(world.path("bin/khost")).args(["run", "--socket"]).arg(world.socket());
    command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log file")).stderr(log);
    let _kernel = Ends(command.spawn().expect("unshare starts"));
    eventually("the kernel listens", || Client::connect(&world.socket()).is_ok());
    let _list = world.run("lsmod", &[]).ok();
    let object = world.compile("hello", "#include \"module.h\"\nint init_module(void) { return 0; } void cleanup_module(void) { }", &[]);
    let _done = world.run("insmod", &[&object.to_string_lossy()]).ok();
    assert_eq!(world.loaded(), ["hello"]);
}
