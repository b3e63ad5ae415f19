//! Texts inside GitHub-flavoured Markdown that no client takes for markup, a link or HTML.

/// `text` on one line of at most `chars_max` characters (before they are escaped), with all that Markdown
/// reads otherwise taken out or escaped. Some clients look for addresses after they have read the escapes:
/// an address is broken up, so that there is none to be found.
pub(super) fn escaped(text: &str, chars_max: usize) -> String {
    let plain = unlinked(&cut(&one_line(text), chars_max));
    let mut out = String::with_capacity(plain.len() + 16);
    // What makes a list, a heading or a rule where a line begins.
    let marker = plain.find(|c: char| !c.is_ascii_digit()).unwrap_or_default();
    for (place, character) in plain.char_indices() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' | '$' | '^' => {
                out.extend(['\\', character]);
            }
            '-' | '+' | '=' | ':' if place == 0 => out.extend(['\\', character]),
            '.' | ')' if place == marker && place > 0 => out.extend(['\\', character]),
            other => out.push(other),
        }
    }
    out
}

/// The text in one line, each space once, without what turns the direction of writing or cannot be seen.
fn one_line(text: &str) -> String {
    let is_hidden = |c: char| {
        matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
    };
    let seen = text.chars().filter(|c| !is_hidden(*c));
    let seen: String = seen.map(|c| if c.is_control() { ' ' } else { c }).collect();
    seen.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text without addresses: a space after a dot between letters and after `:` before a slash, and no `@`.
fn unlinked(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let next = rest.peek().copied().unwrap_or(' ');
        match character {
            '@' => out.push_str(" at "),
            // Between two numbers it is a decimal point, or part of a code.
            '.' if is_dot_of_address(before, next) => out.push_str(". "),
            ':' if next == '/' || next.is_alphabetic() => out.push_str(": "),
            other => out.push(other),
        }
        before = character;
    }
    out
}

fn is_dot_of_address(before: char, next: char) -> bool {
    let goes_on = next == '.' || next.is_alphanumeric();
    before.is_alphabetic() && goes_on || before.is_alphanumeric() && next.is_alphabetic()
}

/// The first whole words of `text` in at most `chars_max` characters; what was cut off is shown by `…`.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let Some(room) = chars_max.checked_sub(1) else { return String::new() };
    let end = text.char_indices().nth(room).map_or(text.len(), |(end, _)| end);
    let (head, tail) = text.split_at_checked(end).unwrap_or((text, ""));
    // Within a word the whole word goes, unless it is the only one.
    let words = match (tail.starts_with(char::is_whitespace), head.rfind(char::is_whitespace)) {
        (false, Some(last)) => head.get(..last).unwrap_or(head),
        _ => head,
    };
    format!("{}…", words.trim_end())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether Markdown would read anything but plain text, after or before its escapes are read.
    fn is_live(text: &str) -> bool {
        let mut plain = String::new();
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            match character {
                '\\' => plain.extend(rest.next()),
                '`' | '*' | '_' | '[' | ']' | '<' | '>' | '~' | '|' | '!' | '#' | '$' | '\n' => {
                    return true;
                }
                other => plain.push(other),
            }
        }
        let begins = text.starts_with(['-', '+', '=', ':', '>'])
            || text.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(['.', ')'])
                && text.starts_with(|c: char| c.is_ascii_digit());
        let lower = plain.to_lowercase();
        begins
            || lower.contains("://")
            || lower.split("www.").skip(1).any(|rest| rest.starts_with(char::is_alphanumeric))
            || lower.contains("mailto:x")
            || plain.contains('@')
    }

    #[test]
    fn no_text_makes_markup() {
        for (text, shown) in [
            (
                "diabetes (E11.9), the latest on 2024-03-01",
                "diabetes (E11.9), the latest on 2024-03-01",
            ),
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("[click](javascript:alert(1))", "\\[click\\](javascript: alert(1))"),
            ("![x](https://evil.example/?p)", "\\!\\[x\\](https: //evil. example/?p)"),
            ("see www.evil.example", "see www. evil. example"),
            ("mail a@b.example", "mail a at b. example"),
            ("`code` *em* _em_ ~~del~~ | a", "\\`code\\` \\*em\\* \\_em\\_ \\~\\~del\\~\\~ \\| a"),
            ("- item", "\\- item"),
            ("# head", "\\# head"),
            ("12. item", "12\\. item"),
            ("3) item", "3\\) item"),
            ("=== ", "\\==="),
            ("a\n\n- b\r\n# c", "a - b \\# c"),
            ("&lt;b&gt; &#60;", "&amp;lt;b&amp;gt; &amp;\\#60;"),
            ("a\\*b", "a\\\\\\*b"),
            ("r\u{202e}evo\u{200b}", "revo"),
            ("tab\tand\u{0}nul", "tab and nul"),
        ] {
            assert_eq!(escaped(text, 200), shown, "{text:?}");
            assert!(!is_live(shown), "{shown}");
        }
        assert!(is_live("a *b*") && is_live("<b>") && is_live("- a") && is_live("https://a"));
    }

    #[test]
    fn a_cut_falls_between_words() {
        assert_eq!(cut("one two three", 13), "one two three");
        assert_eq!(cut("one two three", 12), "one two…");
        assert_eq!(cut("one two three", 8), "one two…");
        assert_eq!(cut("one two three", 7), "one…");
        assert_eq!(cut("\u{1f9d1}\u{1f9d1}\u{1f9d1}", 2), "\u{1f9d1}…");
        assert_eq!((cut("abc", 1), cut("abc", 0)), ("…".into(), String::new()));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_comes_is_plain_text(text in "\\PC{0,80}", any in any::<String>()) {
            for text in [text, any] {
                let shown = escaped(&text, 60);
                prop_assert!(!is_live(&shown), "{shown:?}");
            }
        }

        #[test]
        fn markup_in_any_order_is_plain_text(
            parts in prop::collection::vec(prop::sample::select(vec![
                "http", "s", ":", "/", "//", "www", ".", "@", "<", ">", "a", " ", "\n", "\\", "*",
                "_", "[", "]", "(", ")", "!", "`", "1", "-", "mailto:x", "\u{200b}", "&", ";", "#",
            ]), 0..20)
        ) {
            let shown = escaped(&parts.concat(), 60);
            prop_assert!(!is_live(&shown), "{shown:?}");
        }

        #[test]
        fn a_cut_is_never_too_long(text in any::<String>(), most in 0_usize..50) {
            prop_assert!(cut(&text, most).chars().count() <= most.max(text.chars().count().min(most)));
        }
    }
}
