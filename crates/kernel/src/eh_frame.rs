//! Whether frame information can be handed to the unwinder, which trusts it.

/// Is this a chain of records (LSB core specification, 10.6.1) that ends in its terminator, the last four bytes, and in which each
/// description of a function names an entry before it as its common part?
pub(crate) fn is_well_formed(bytes: &[u8]) -> bool {
    let (mut common, mut at) = (Vec::new(), 0_usize);
    loop {
        let Some(length) = word(bytes, at) else { return false };
        if length == 0 {
            return bytes.len().checked_sub(at) == Some(4);
        }
        let Some((id_at, end)) = bounds(bytes, at, length) else { return false };
        let Some(id) = word(bytes, id_at).filter(|_| end.saturating_sub(id_at) >= 4) else { return false };
        if id == 0 {
            common.push(at);
        } else if !names_one_of(&common, id_at, id) {
            return false;
        }
        at = end;
    }
}

/// The 4-byte word at an offset.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

/// Where the contents of a record start and end. A length of 0xffffffff announces a 64-bit one, which no compiler writes for
/// modules.
fn bounds(bytes: &[u8], at: usize, length: u32) -> Option<(usize, usize)> {
    let start = at.checked_add(4)?;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    (length != u32::MAX && end <= bytes.len()).then_some((start, end))
}

/// The distance back from `id_at` leads to one of the common records, which were met in order.
fn names_one_of(common: &[usize], id_at: usize, distance: u32) -> bool {
    let target = usize::try_from(distance).ok().and_then(|distance| id_at.checked_sub(distance));
    target.is_some_and(|target| common.binary_search(&target).is_ok())
}

#[cfg(test)]
mod tests {
    use super::is_well_formed;

    const COMMON: [u8; 8] = [4, 0, 0, 0, 0, 0, 0, 0];
    /// A function whose common part starts 12 bytes before the field that says so.
    const FUNCTION: [u8; 8] = [4, 0, 0, 0, 12, 0, 0, 0];
    const END: [u8; 4] = [0; 4];

    #[test]
    fn a_chain_needs_common_records_and_a_terminator() {
        let chain = [&COMMON[..], &FUNCTION, &COMMON, &FUNCTION, &END].concat();
        assert!(is_well_formed(&chain));
        assert!(is_well_formed(&END));
        assert!(!is_well_formed(&chain[..chain.len() - 4]), "no terminator");
        assert!(!is_well_formed(&[&END[..], &COMMON].concat()), "records behind the terminator");
        assert!(!is_well_formed(&[&FUNCTION[..], &END].concat()), "no common part");
        assert!(!is_well_formed(&[&COMMON[..], &FUNCTION, &FUNCTION, &END].concat()), "a function as common part");
        assert!(!is_well_formed(&[255, 0, 0, 0, 1]), "a record that leaves the section");
        assert!(!is_well_formed(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 0]), "a record without room for its kind");
        assert!(!is_well_formed(&[255, 255, 255, 255, 0, 0, 0, 0]), "64-bit records");
        assert!(!is_well_formed(&[]));
    }

    #[test]
    fn mutated_chains_never_panic() {
        let seed = [&COMMON[..], &FUNCTION, &COMMON, &FUNCTION, &END].concat();
        let (mut state, mut accepted) = (0x9e37_79b9_7f4a_7c15_u64, 0);
        for _ in 0..20_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let mut bytes = seed.clone();
            let at = usize::try_from(state % 97).unwrap() % bytes.len();
            bytes[at] = state.to_le_bytes()[6];
            bytes.truncate(bytes.len() - usize::try_from(state % 2).unwrap());
            accepted += u32::from(is_well_formed(&bytes));
        }
        assert!((1..10_000).contains(&accepted), "{accepted}");
    }
}
