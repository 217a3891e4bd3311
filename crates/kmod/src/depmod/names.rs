//! Many short texts in one allocation: the symbols of a module.

/// A list of byte strings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(super) bytes: Vec<u8>,
    /// Where each text ends in `bytes`.
    pub(super) ends: Vec<u32>,
}

impl Names {
    /// Appends a text. One that would not fit in 4 GiB is left out; no module is so large.
    pub(super) fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        match u32::try_from(self.bytes.len()) {
            Ok(end) => self.ends.push(end),
            Err(_) => self.bytes.truncate(self.ends.last().map_or(0, |&e| e as usize)),
        }
    }

    /// The texts in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let end = end as usize;
            let text = self.bytes.get(start..end).unwrap_or_default();
            start = end;
            text
        })
    }
}
