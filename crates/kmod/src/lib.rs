//! The user-space view of modules: files, names, indexes, configuration, plans, and the two kernels they act on.
//!
//! Nothing here prints or exits, and most of it touches nothing but the files that it is given, so that it serves tools that work on
//! trees of other machines as well: builders of initramfs images, inventories, package hooks.
//!
//! # What would be loaded, and why
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let root = tempfile::tempdir()?;
//! # let directory = root.path().join("lib/modules/6.1.0");
//! # std::fs::create_dir_all(&directory)?;
//! # std::fs::write(directory.join("modules.dep"), "kernel/vfat.ko: kernel/fat.ko\nkernel/fat.ko:\n")?;
//! # std::fs::write(directory.join("modules.alias"), "alias fs-vfat vfat\n")?;
//! use kmod::config::{Config, Sources, dirs};
//! use kmod::graph::{Drawing, Graph};
//! use kmod::plan::{self, InsertRequest};
//! use kmod::{lookup, tree::Tree};
//!
//! let tree = Tree::new(directory.clone());
//! let paths = dirs::standard(root.path(), "modprobe.d");
//! let config = Config::load(&Sources { paths, tree: Some(directory), cmdline: None })?;
//! for target in lookup::find(&tree, &config, "fs-vfat")? {
//!     let plan = plan::insert(&tree, &config, &target, &InsertRequest::default())?;
//!     let steps: Vec<String> = plan.steps.iter().map(|step| format!("{}: {}", step.module, step.why)).collect();
//!     assert_eq!(steps, ["fat: `vfat` needs it", "vfat: asked for as `fs_vfat`"]);
//!     let picture = Graph::of_plan(&tree, &plan, &[])?.draw(Drawing::Svg);
//!     assert!(picture.starts_with("<svg"));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Everything that an initramfs needs for some modules
//!
//! ```no_run
//! # fn main() -> Result<(), kmod::Error> {
//! use kmod::config::{Config, Sources, dirs};
//! use kmod::{closure, tree::Tree};
//!
//! let tree = Tree::new("/lib/modules/6.1.0".into());
//! // The softdeps that modules bring along are part of the configuration, which is why it is told of the tree.
//! let sources = Sources { paths: dirs::standard("/".as_ref(), "modprobe.d"), tree: Some("/lib/modules/6.1.0".into()), cmdline: None };
//! let config = Config::load(&sources)?;
//! let needed = closure::closure(&tree, &config, &["ext4".to_owned(), "nvme".to_owned()])?;
//! for member in &needed.modules {
//!     println!("{} ({:?})", member.path.display(), member.because);
//!     member.firmware.iter().for_each(|file| println!("  may ask for /lib/firmware/{file}"));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What is in a tree
//!
//! ```no_run
//! # fn main() -> Result<(), kmod::Error> {
//! use kmod::file::ModuleFile;
//! use kmod::{info::Info, tree::Tree};
//!
//! let tree = Tree::new("/lib/modules/6.1.0".into());
//! for (name, line) in tree.modules()? {
//!     // Plain, xz, zstd or gzip: the bytes tell, not the name.
//!     let file = ModuleFile::open(&tree.file(&line.path))?;
//!     let signer = file.signature()?.map(|signature| signature.signer);
//!     println!("{name}: {} parameters, {} exports, {signer:?}", Info::of_file(&file)?.parameters.len(), file.exports()?.len());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`depmod`] makes the indexes, [`lint`] says which lines of a configuration do nothing, [`explain`] why a kernel refused a module;
//! [`act`] carries plans out on a [`kernel::Kernel`]: [`linux::Linux`], or [`hosted::Hosted`].
#![deny(unsafe_code)]

pub mod act;
pub mod closure;
pub mod config;
pub mod depmod;
pub mod error;
pub mod explain;
pub mod file;
pub mod glob;
pub mod graph;
pub mod hosted;
pub mod index;
pub mod info;
pub mod kernel;
pub mod lint;
pub mod linux;
pub mod lookup;
pub mod modpost;
pub mod name;
pub mod plan;
pub mod proc_modules;
pub mod symvers;
pub mod text;
pub mod tree;
mod workers;

pub use error::{Error, Result};
