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
            '.' if before.is_alphabetic() && next.is_alphanumeric() => out.push_str(". "),
            ':' if next == '/' || next.is_alphabetic() => out.push_str(": "),
            other => out.push(other),
        }
        before = character;
    }
    out
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
