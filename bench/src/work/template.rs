//! The compiler's assembly text of one function, cut where the names stand, so that it can be repeated with others.

use std::fmt::Write as _;

/// What fills a hole of the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hole {
    /// Number of the function itself.
    Own,
    /// Number of the function that it calls.
    Peer,
    /// Number of the variable that it reads beside its own.
    Next,
    /// Two hexadecimal digits of the host function.
    HostFunction,
    /// Two hexadecimal digits of the host variable.
    HostVariable,
    /// Behind a local label: the label gets the function's number appended.
    Label,
}

/// The names of `template.c`, and what stands for the upper-case part of each.
const NAMES: [(&str, &str, Hole); 6] = [
    ("f_SELF", "f_", Hole::Own),
    ("g_SELF", "g_", Hole::Own),
    ("f_PEER", "f_", Hole::Peer),
    ("g_NEXT", "g_", Hole::Next),
    ("host_fn_HF", "host_fn_", Hole::HostFunction),
    ("host_var_HV", "host_var_", Hole::HostVariable),
];

/// The partners of one function of the work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Partners {
    pub(super) own: u32,
    pub(super) peer: u32,
    pub(super) next: u32,
    pub(super) host_function: u32,
    pub(super) host_variable: u32,
}

/// Assembly text with holes.
#[derive(Debug)]
pub(super) struct Template(Vec<(String, Option<Hole>)>);

impl Template {
    /// Cuts `assembly`, whole lines, at every name of `template.c` and every local label.
    pub(super) fn cut(assembly: &str) -> Self {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let mut pieces = vec![(String::new(), None)];
        let mut rest = assembly;
        while !rest.is_empty() {
            let start = rest.find(is_word).unwrap_or(rest.len());
            let (gap, tail) = rest.split_at(start);
            let (word, tail) = tail.split_at(tail.find(|c| !is_word(c)).unwrap_or(tail.len()));
            rest = tail;
            let hole = NAMES.iter().find(|(name, ..)| *name == word);
            let (text, hole) = match hole {
                Some(&(_, prefix, hole)) => (prefix, Some(hole)),
                None if word.starts_with(".L") => (word, Some(Hole::Label)),
                None => (word, None),
            };
            if let Some((last, slot)) = pieces.last_mut() {
                last.push_str(gap);
                last.push_str(text);
                *slot = hole;
            }
            if hole.is_some() {
                pieces.push((String::new(), None));
            }
        }
        Self(pieces)
    }

    /// Appends the text of one function to `out`.
    pub(super) fn fill(&self, partners: Partners, out: &mut String) {
        for (text, hole) in &self.0 {
            out.push_str(text);
            let written = match hole {
                None => Ok(()),
                Some(Hole::Own) => write!(out, "{}", partners.own),
                Some(Hole::Peer) => write!(out, "{}", partners.peer),
                Some(Hole::Next) => write!(out, "{}", partners.next),
                Some(Hole::HostFunction) => write!(out, "{:02x}", partners.host_function),
                Some(Hole::HostVariable) => write!(out, "{:02x}", partners.host_variable),
                Some(Hole::Label) => write!(out, "_{}", partners.own),
            };
            debug_assert!(written.is_ok(), "writing to a string cannot fail");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_label_is_replaced() {
        let template =
            Template::cut("f_SELF:\n.L2:\n\tcall\thost_fn_HF@PLT\n\tcall f_PEER@PLT\n\tjs .L2\n\tmovl host_var_HV(%rip), g_NEXT\n");
        let mut text = String::new();
        template.fill(Partners { own: 7, peer: 8, next: 9, host_function: 10, host_variable: 63 }, &mut text);
        assert_eq!(text, "f_7:\n.L2_7:\n\tcall\thost_fn_0a@PLT\n\tcall f_8@PLT\n\tjs .L2_7\n\tmovl host_var_3f(%rip), g_9\n");
    }
}
