//! What every drawing needs of SVG: its frame for readers of all kinds, and escaped text.

/// Width of a character as a share of the size of the text, on average, and rather too wide.
const CHARACTER_WIDTH: f64 = 0.56;
/// The size of text, in units of the drawing.
pub(super) const TEXT: f64 = 12.5;

/// Where a text stands from its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing with its title and its description for those who do not see it.
pub(super) fn drawing(
    number: usize,
    (width, height): (f64, f64),
    (title, description): (&str, &str),
    inner: &str,
) -> String {
    let (title, description) = (escaped(title), escaped(description));
    format!(
        "<svg viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-labelledby=\"figure-{number}-title \
         figure-{number}-text\"><title id=\"figure-{number}-title\">{title}</title>\
         <desc id=\"figure-{number}-text\">{description}</desc>{inner}</svg>"
    )
}

/// A line of text.
pub(super) fn text(x: f64, y: f64, anchor: Anchor, extra: &str, text: &str) -> String {
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    let text = escaped(text);
    format!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{TEXT}\"{extra}>{text}</text>"
    )
}

/// A straight line with these attributes.
pub(super) fn line((x1, y1): (f64, f64), (x2, y2): (f64, f64), attributes: &str) -> String {
    format!("<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" {attributes}/>")
}

/// The frame of a plot; the tests look for marks outside of it.
pub(super) fn frame(x: f64, y: f64, width: f64, height: f64) -> String {
    format!(
        "<rect class=\"frame\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
         fill=\"none\" stroke=\"#9aa3ab\" stroke-width=\"1\"/>"
    )
}

/// About how wide a text is.
pub(super) fn width(text: &str) -> f64 {
    CHARACTER_WIDTH * TEXT * text.chars().count() as f64
}

/// `text` in lines no wider than `limit`; a word that is wider is cut.
pub(super) fn wrapped(text: &str, limit: f64) -> Vec<String> {
    let most = ((limit / (CHARACTER_WIDTH * TEXT)) as usize).max(4);
    let mut lines: Vec<String> = Vec::new();
    let mut open = String::new();
    for word in text.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        let fits = open.is_empty() || open.chars().count() + 1 + rest.len() <= most;
        if !fits {
            lines.push(std::mem::take(&mut open));
        }
        while rest.len() > most {
            let tail = rest.split_off(most);
            lines.push(rest.into_iter().collect());
            rest = tail;
        }
        if !open.is_empty() {
            open.push(' ');
        }
        open.extend(rest);
    }
    if !open.is_empty() {
        lines.push(open);
    }
    lines
}

/// `text` in one line no wider than `limit`.
pub(super) fn shortened(text: &str, limit: f64) -> String {
    if width(text) <= limit {
        return text.to_owned();
    }
    let most = ((limit / (CHARACTER_WIDTH * TEXT)) as usize).max(2) - 1;
    text.chars().take(most).chain(['…']).collect()
}

/// `text` without anything that makes markup.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&#60;"),
            '>' => out.push_str("&#62;"),
            '&' => out.push_str("&#38;"),
            '"' => out.push_str("&#34;"),
            control if control.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_to_their_width() {
        let limit = 20.0 * CHARACTER_WIDTH * TEXT;
        let lines = wrapped("left out: a-word-that-is-longer-than-the-whole-line and more", limit);
        assert!(lines.iter().all(|line| line.chars().count() <= 20), "{lines:?}");
        assert!(lines.concat().replace(' ', "").ends_with("wholelineandmore") || lines.len() > 3);
        assert_eq!(shortened("short", limit), "short");
        assert!(shortened(&"long ".repeat(9), limit).chars().count() <= 20);
    }
}
