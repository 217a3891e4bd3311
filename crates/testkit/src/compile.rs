//! Small modules written inside a test, compiled by the system's compiler.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{World, workspace};

/// The flags that module authors are told to use.
pub const MODULE_FLAGS: &[&str] = &["-std=gnu11", "-O2", "-ffreestanding", "-fPIC", "-fvisibility=hidden", "-Wall"];

impl World {
    /// Compiles C source to `NAME.o` in the world's folder `objects`, with the flags of module authors and these further ones.
    ///
    /// # Panics
    /// Where the compiler is missing or finds fault.
    #[must_use]
    #[track_caller]
    pub fn compile(&self, name: &str, source: &str, flags: &[&str]) -> PathBuf {
        let folder = self.path("objects");
        std::fs::create_dir_all(&folder).expect("a folder for objects");
        let (input, output) = (folder.join(format!("{name}.c")), folder.join(format!("{name}.o")));
        std::fs::write(&input, source).expect("a source file");
        let mut compiler = Command::new("cc");
        compiler.args(MODULE_FLAGS).args(flags).arg("-I").arg(workspace().join("modules/include"));
        let done = compiler.arg("-c").arg(&input).arg("-o").arg(&output).output().expect("the C compiler `cc` (package gcc) runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        output
    }

    /// Puts an object into a folder of the kernel's module tree, such as `fs`.
    ///
    /// # Panics
    /// Where it cannot be copied.
    pub fn install(&self, object: &Path, folder: &str) {
        let folder = self.tree().join(folder);
        std::fs::create_dir_all(&folder).expect("a folder of the tree");
        std::fs::copy(object, folder.join(object.file_name().expect("a file"))).expect("a copy");
    }

    /// Writes an executable script below the root, and answers its path as text.
    ///
    /// # Panics
    /// Where it cannot be written.
    #[must_use]
    pub fn script(&self, name: &str, body: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("a script");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("an executable script");
        path.to_string_lossy().into_owned()
    }
}
