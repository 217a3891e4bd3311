//! Section groups (gABI chapter 4, "Section Groups"): of several COMDAT groups with one signature, the first counts.

use alloc::vec::Vec;
use hashbrown::HashSet;

use ::object::{LittleEndian as LE, U32, elf};

use super::Section;
use crate::{Error, FileTable, Result, addr::index};

/// A group's section: its own index, signature and members.
pub(crate) struct Group<'a> {
    /// The section index of the group itself.
    pub(crate) section: u32,
    /// The name that decides which groups are the same.
    pub(crate) signature: &'a str,
    /// `GRP_*` flags, then section indices.
    pub(crate) words: &'a [U32<LE>],
}

/// Marks the members of every COMDAT group whose signature an earlier group has.
pub(crate) fn discard_duplicates(groups: &[Group<'_>], sections: &mut Vec<Section<'_>>) -> Result<()> {
    let mut seen = HashSet::new();
    for group in groups {
        let bad = Error::BadTable { table: FileTable::Group, section: group.section };
        let (flags, members) = group.words.split_first().ok_or(bad)?;
        let comdat = flags.get(LE) & elf::GRP_COMDAT.0 != 0;
        let duplicate = comdat && !seen.insert(group.signature);
        for (entry, member) in (1..).zip(members) {
            let section = member.get(LE);
            let Some(member) = sections.get_mut(index(section)) else {
                return Err(Error::BadSectionIndex { table: FileTable::Group, entry, section });
            };
            member.discarded |= duplicate;
        }
    }
    Ok(())
}
