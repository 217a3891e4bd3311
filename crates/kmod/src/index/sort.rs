//! Sorts texts that have long beginnings in common, as aliases have.

use std::cmp::Ordering;
use std::ops::Range;

/// Sorts by a text without zero bytes, and those of equal text by `then`.
///
/// Eight characters at a time, as numbers: where thousands of texts begin with `pci:v00008086d0000`, comparing them as texts goes through
/// that beginning for each pair.
pub(crate) fn sort_by_text<'t, T: Copy>(items: &mut [T], text: impl Fn(&T) -> &'t [u8], then: impl Fn(&T, &T) -> Ordering) {
    let mut keyed: Vec<(u64, T)> = items.iter().map(|item| (eight(text(item), 0), *item)).collect();
    let mut pending: Vec<(Range<usize>, usize)> = vec![(0..keyed.len(), 0)];
    while let Some((range, depth)) = pending.pop() {
        let start = range.start;
        let part = &mut keyed[range];
        part.sort_unstable_by_key(|(key, _)| *key);
        let mut from = 0;
        for same in part.chunk_by_mut(|a, b| a.0 == b.0) {
            let to = from + same.len();
            if same.len() > 1 && same[0].0 & 0xff == 0 {
                // The texts end here, so they are equal.
                same.sort_unstable_by(|a, b| then(&a.1, &b.1));
            } else if same.len() > 1 {
                same.iter_mut().for_each(|(key, item)| *key = eight(text(item), depth + 8));
                pending.push((start + from..start + to, depth + 8));
            }
            from = to;
        }
    }
    items.iter_mut().zip(keyed).for_each(|(to, (_, item))| *to = item);
}

/// Eight characters from `depth` on, as a number that sorts as they do; zeros where the text has ended.
fn eight(text: &[u8], depth: usize) -> u64 {
    let rest = text.get(depth..).unwrap_or_default();
    match rest.first_chunk() {
        Some(eight) => u64::from_be_bytes(*eight),
        None => rest.iter().fold(0, |key, &c| key << 8 | u64::from(c)) << (8 * (8 - rest.len())).min(63),
    }
}

#[cfg(test)]
mod tests {
    use super::sort_by_text;

    #[test]
    fn sorts_as_comparing_texts_does() {
        let words = ["", "a", "ab", "abcdefgh", "abcdefghi", "abcdefgh\u{7f}", "abcdefgha", "b", "pci:v00008086d", "pci:v00008086", "é"];
        let mut texts: Vec<(&str, usize)> = words.iter().chain(&words).chain(words.iter().rev()).zip(0..).map(|(w, n)| (*w, n)).collect();
        let mut wanted = texts.clone();
        wanted.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()).then(b.1.cmp(&a.1)));
        sort_by_text(&mut texts, |(text, _)| text.as_bytes(), |a, b| b.1.cmp(&a.1));
        assert_eq!(texts, wanted);
    }
}
