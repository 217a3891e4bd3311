//! A root on a disk, booted by an initramfs that Debian's own `mkinitramfs` makes of it: the road of an installed system.

use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the guest's kernel is told.
pub(super) const APPEND: &str = "root=/dev/vda rootfstype=ext4 rw";

/// MiB of the disk: what is not written takes no room.
const SIZE: &str = "512M";

/// How root's view of a folder is had: by root, and by anybody else in a namespace of his own.
const NAMESPACES: &[&[&str]] = &[&["--mount"], &["--user", "--map-root-user", "--mount"]];

/// An initramfs, and the disk with the root that it mounts.
#[derive(Debug)]
pub(super) struct Installed {
    pub(super) initramfs: PathBuf,
    disk: PathBuf,
}

impl Installed {
    /// Unpacks an archive, makes an initramfs for this release of the kernel inside it, and puts all on a disk.
    ///
    /// # Errors
    /// Where a program is missing or fails: `unshare`, `chroot` and `mkfs.ext4` of this machine, `mkinitramfs` of the archive, and `cpio`.
    pub(super) fn make(archive: &[u8], release: &str, cpio: &Path, scratch: &Path) -> Result<Self> {
        let (root, packed, disk) = (scratch.join("root"), scratch.join("archive"), scratch.join("disk"));
        std::fs::create_dir(&root)?;
        std::fs::write(&packed, archive)?;
        run(Command::new(cpio).args(["-i", "-d", "-u", "--quiet", "-F"]).arg(&packed).current_dir(&root))?;
        std::fs::remove_file(&packed)?;
        let namespace = NAMESPACES.iter().find(|options| run(Command::new("unshare").args(**options).arg("true")).is_ok());
        let namespace = namespace.ok_or_else(|| Error::other("unshare(1) gives this user no namespace to make an initramfs in"))?;
        // The device files of this machine: there is no other way to have some without being root.
        let script = "set -e; PATH=/usr/sbin:/usr/bin:/sbin:/bin; mount --rbind /dev \"$1/dev\"; mount --rbind /proc \"$1/proc\"
            chroot \"$1\" mkinitramfs -o /boot/initrd.img \"$2\"
            umount -l \"$1/dev\" \"$1/proc\"; mkfs.ext4 -q -O ^has_journal -d \"$1\" \"$3\" \"$4\"";
        run(Command::new("unshare").args(*namespace).args(["sh", "-c", script, "sh"]).args([&root, Path::new(release), &disk]).arg(SIZE))?;
        let initramfs = scratch.join("initrd.img");
        std::fs::copy(root.join("boot/initrd.img"), &initramfs)?;
        // Folders of other users' rights are not in the way: all is this user's own.
        std::fs::remove_dir_all(&root)?;
        Ok(Self { initramfs, disk })
    }

    /// The disk as arguments of qemu.
    pub(super) fn device(&self) -> [String; 4] {
        let drive = format!("file={},format=raw,if=none,id=root,cache=unsafe", self.disk.display());
        ["-drive".to_owned(), drive, "-device".to_owned(), "virtio-blk-pci,drive=root".to_owned()]
    }
}

/// Runs a program; what it complained of is the error.
fn run(command: &mut Command) -> Result<()> {
    let output = command.output().map_err(|error| Error::other(format!("{command:?}: {error}")))?;
    if output.status.success() { Ok(()) } else { Err(Error::other(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))) }
}
