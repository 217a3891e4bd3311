//! Whether frame information can be handed to the unwinder, which trusts it.

/// Is this a chain of records (LSB core specification, 10.6.1) that ends in its terminator, the last four bytes?
pub(crate) fn is_well_formed(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    loop {
        let Some((length, behind)) = rest.split_first_chunk() else { return false };
        let length = u32::from_le_bytes(*length);
        if length == 0 {
            return behind.is_empty();
        }
        // A length of 0xffffffff announces a 64-bit one, which no compiler writes for modules.
        match usize::try_from(length).ok().filter(|_| length != u32::MAX).and_then(|length| behind.get(length..)) {
            Some(next) => rest = next,
            None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_well_formed;

    #[test]
    fn a_chain_needs_its_terminator_at_the_end() {
        let record = [4, 0, 0, 0, 1, 2, 3, 4];
        let end = [0; 4];
        assert!(is_well_formed(&[&record[..], &record, &end].concat()));
        assert!(is_well_formed(&end));
        assert!(!is_well_formed(&record), "no terminator");
        assert!(!is_well_formed(&[&end[..], &record].concat()), "records behind the terminator");
        assert!(!is_well_formed(&[255, 0, 0, 0, 1]), "a record that leaves the section");
        assert!(!is_well_formed(&[255, 255, 255, 255, 0, 0, 0, 0]));
        assert!(!is_well_formed(&[]));
    }
}
