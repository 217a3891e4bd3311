//! A small FAT image for guests to mount.

use std::process::Command;

/// Bytes of the image.
const SIZE: usize = 1 << 20;

/// A FAT image with one file, `A long name.txt`, that says `read through vfat`; made by mkfs.vfat and mcopy.
///
/// # Panics
/// Where these programs (packages dosfstools and mtools) are missing.
#[must_use]
pub fn fat_disk() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let image = folder.path().join("disk");
    std::fs::write(&image, vec![0; SIZE]).expect("an image");
    let run = |program: &str, arguments: &[&str]| {
        let path = format!("/usr/sbin:/sbin:{}", std::env::var("PATH").unwrap_or_default());
        let done = Command::new(program).env("PATH", path).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let image_name = image.to_string_lossy();
    run("mkfs.vfat", &[&image_name]);
    let file = folder.path().join("content");
    std::fs::write(&file, "read through vfat\n").expect("a file");
    run("mcopy", &["-i", &image_name, &file.to_string_lossy(), "::A long name.txt"]);
    std::fs::read(&image).expect("the image")
}
