//! `/proc/PID/mountinfo`: one line for each mount of a namespace (proc_pid_mountinfo(5)).

/// A mount. Blanks and backslashes in names stay as the kernel writes them (`\040`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MountLine<'a> {
    /// `MAJOR:MINOR`.
    pub(super) device: &'a str,
    /// What of the file system is mounted: a path, or such as `net:[4026531833]`.
    pub(super) root: &'a str,
    /// Where.
    pub(super) place: &'a str,
    /// The type, with what a program that mounts in user space adds behind a dot: `fuse.sshfs`.
    pub(super) kind: &'a str,
    /// The options of the file system, as opposed to those of this mount.
    pub(super) options: &'a str,
}

/// The mounts of a text. A line that is none is passed over.
pub(super) fn parse(text: &str) -> impl Iterator<Item = MountLine<'_>> {
    text.lines().filter_map(line)
}

/// `36 35 98:0 /root /place options [optional fields] - type source options`.
fn line(line: &str) -> Option<MountLine<'_>> {
    let (before, behind) = line.split_once(" - ")?;
    let mut fields = before.split(' ').skip(2);
    let (device, root, place) = (fields.next()?, fields.next()?, fields.next()?);
    let mut fields = behind.split(' ');
    let (kind, options) = (fields.next()?, fields.nth(1).unwrap_or_default());
    Some(MountLine { device, root, place, kind, options })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_manual_page_and_lines_that_are_none() {
        let text = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n\
                    40 36 0:4 net:[4026532210] /run/netns/a rw shared:5 - nsfs nsfs rw\n\
                    \n36 35 98:0\n36 35 98:0 / - ext3\n1 2 3:4 / /x rw - fuse.sshfs\n";
        let found: Vec<MountLine<'_>> = parse(text).collect();
        let mount = |device, root, place, kind, options| MountLine { device, root, place, kind, options };
        assert_eq!(
            found,
            [
                mount("98:0", "/mnt1", "/mnt2", "ext3", "rw,errors=continue"),
                mount("0:4", "net:[4026532210]", "/run/netns/a", "nsfs", "rw"),
                mount("3:4", "/", "/x", "fuse.sshfs", ""),
            ]
        );
    }
}
