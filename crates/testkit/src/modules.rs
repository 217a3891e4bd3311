//! The sample modules under `modules/`, built by the system's compiler when a test or the demo asks for them.
//!
//! A module is a file `modules/KIND/NAME.c`, or a folder `modules/KIND/NAME/` of C files that become one object, or such a folder with a
//! `lib.rs`: a module in Rust. KIND (`fs`, `misc`, `bad`) is also its folder in a module tree. What is built is kept under `target/modules`,
//! by a hash of all that went into it, so each flavour is built once however many tests want it at the same time.

pub(crate) mod cache;
mod error;
mod harness;
mod recipe;
mod rust;

use std::path::{Path, PathBuf};

pub use error::Error;
pub use harness::harness;
pub use recipe::{Compiler, Format, Modpost, Recipe};

use crate::World;

/// The modules of the demo, bases first.
const DEMO: &[&str] = &["fat", "vfat", "msdos"];

/// Puts the file systems into a world's module tree.
///
/// # Panics
/// Where they cannot be built.
#[track_caller]
pub fn install(world: &World) {
    for name in DEMO {
        let recipe = Recipe::sample(name);
        world.install(&recipe.build(), recipe.kind());
    }
}

/// Builds a sample into a folder: `NAME.o` there, with further flags for the compiler. Answers its path.
///
/// # Errors
/// The compiler is missing or refuses, or the copy cannot be made.
pub fn build(folder: &Path, name: &str, flags: &[&str]) -> Result<PathBuf, Error> {
    Recipe::sample(name).flags(flags).build_into(folder)
}

/// Makes the module tree `ROOT/lib/modules/RELEASE` of these recipes: each in the folder of its kind. Answers the tree's path.
///
/// # Errors
/// One of them cannot be built.
pub fn build_tree(root: &Path, release: &str, recipes: &[Recipe]) -> Result<PathBuf, Error> {
    let tree = root.join("lib/modules").join(release);
    for recipe in recipes {
        recipe.build_into(&tree.join(recipe.kind()))?;
    }
    Ok(tree)
}
