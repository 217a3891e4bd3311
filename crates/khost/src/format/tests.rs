//! The formatter beside the C library's.

use super::{Arguments, Sink, format};

/// Arguments from a list; strings live in a table whose "addresses" start at 1.
struct List<'a> {
    words: Vec<u64>,
    texts: &'a [&'a [u8]],
}

impl Arguments for List<'_> {
    fn word(&mut self) -> u64 {
        if self.words.is_empty() { 0xdead } else { self.words.remove(0) }
    }

    fn text(&mut self, address: u64, limit: usize, sink: &mut dyn FnMut(&[u8])) {
        let text = self.texts[usize::try_from(address).unwrap() - 1];
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        sink(&text[..end.min(limit)]);
    }
}

fn ours(template: &str, words: &[u64]) -> String {
    let mut buffer = [0_u8; 8192];
    let mut sink = Sink::new(&mut buffer);
    let mut list = List { words: words.to_vec(), texts: &[b"module\0rest", b"", b"abc"] };
    format(template.as_bytes(), &mut list, &mut sink);
    assert_eq!(sink.length(), sink.written().len());
    String::from_utf8(sink.written().to_vec()).unwrap()
}

#[test]
fn texts_characters_and_pointers() {
    let cases: &[(&str, &[u64], &str)] = &[
        ("plain", &[], "plain"),
        ("", &[], ""),
        ("100%%", &[], "100%"),
        ("%s|%8s|%-8s|%.2s|%.*s", &[1, 3, 3, 3, 1, 3], "module|     abc|abc     |ab|a"),
        ("%s", &[0], "(null)"),
        ("%10s|", &[0], "    (null)|"),
        ("[%s]", &[2], "[]"),
        ("%c%c%-3c|%3c", &[104, 105, 33, 63], "hi!  |  ?"),
        ("%p %p", &[0, 0xbeef], "(nil) 0xbeef"),
        ("%*d|%*d|", &[5, 7, (-5_i64).cast_unsigned(), 7], "    7|7    |"),
        ("%d is %s", &[5, 3], "5 is abc"),
    ];
    for (template, words, expected) in cases {
        assert_eq!(ours(template, words), *expected, "{template}");
    }
}

#[test]
fn unknown_conversions_stand_as_they_are_and_use_no_argument() {
    for (template, expected) in
        [("%f %d", "%f 1"), ("%n%d", "%n1"), ("%", "%"), ("%l", "%l"), ("%5.3", "%5.3"), ("%y%d", "%y1"), ("100%, %d", "100%, 1")]
    {
        assert_eq!(ours(template, &[1]), expected, "{template}");
    }
}

#[test]
fn a_short_buffer_keeps_what_fits_and_counts_the_rest() {
    let mut buffer = [b'.'; 4];
    let mut sink = Sink::new(&mut buffer);
    let mut list = List { words: vec![123_456], texts: &[] };
    format(b"<%8d>", &mut list, &mut sink);
    assert_eq!((sink.length(), sink.written()), (10, &b"<  1"[..]));
}

#[test]
fn an_endless_width_is_bounded() {
    assert_eq!(ours("%99999999999999999999d", &[1]).len(), 4096);
    assert_eq!(ours("%.99999999d", &[1]).len(), 4096);
    assert_eq!(ours("%*d", &[0x8000_0000, 1]).len(), 4096);
}

#[test]
fn mutated_formats_never_panic_and_stay_bounded() {
    let seed = b"a%-+ #08.3lld%*.*hhx %s%c%p%zu%%";
    let (mut state, mut longest) = (0x2545_f491_4f6c_dd1d_u64, 0);
    for _ in 0..20_000 {
        let mut bytes = seed.to_vec();
        for _ in 0..4 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = usize::try_from(state % 32).unwrap() % bytes.len();
            bytes[at] = b"%-+ #0123456789.*hlqzjtLdiouxXcspnf\xff"[usize::try_from(state >> 32).unwrap() % 35];
        }
        let mut buffer = [0_u8; 256];
        let mut sink = Sink::new(&mut buffer);
        let mut list = List { words: vec![3; 16], texts: &[b"one", b"two", b"three"] };
        list.words.resize(40, 1);
        format(&bytes, &mut list, &mut sink);
        longest = longest.max(sink.length());
    }
    assert!(longest > 100 && longest < 16 * 4096 + 64, "{longest}");
}
