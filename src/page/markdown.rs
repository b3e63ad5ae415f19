//! A page as Markdown: what it says without its figures.

use super::{Block, Finding, Page, Row, Table};

/// The page as one file.
pub(super) fn markdown(page: &Page) -> String {
    let mut out = format!("# {}\n\n{}\n", escaped(&page.title), escaped(&page.subtitle));
    for section in &page.sections {
        out += &format!("\n## {}\n", escaped(&section.title));
        section.blocks.iter().for_each(|block| out += &block_text(block));
    }
    out
}

fn block_text(block: &Block) -> String {
    match block {
        Block::Heading(title) => format!("\n### {}\n", escaped(title)),
        Block::Text(text) => format!("\n{}\n", escaped(text)),
        Block::Warning(text) => format!("\n**{}**\n", escaped(text)),
        Block::List(lines) => {
            let line = |line: &String| format!("- {}\n", escaped(line));
            format!("\n{}", lines.iter().map(line).collect::<String>())
        }
        Block::Findings(findings) => {
            let told = |(place, finding): (usize, &Finding)| {
                let more = finding.details.iter().chain(&finding.cautions);
                let more = more.map(|line| format!("   - {}\n", escaped(line))).collect::<String>();
                let (label, text) = (escaped(&finding.label), escaped(&finding.text));
                format!("{}. **{label}.** {text}\n{more}", place + 1)
            };
            format!("\n{}", findings.iter().enumerate().map(told).collect::<String>())
        }
        Block::Terms(terms) => {
            let term = |(word, meaning): &(String, String)| {
                format!("- **{}**: {}\n", escaped(word), escaped(meaning))
            };
            format!("\n{}", terms.iter().map(term).collect::<String>())
        }
        Block::Table(table) => table_text(table),
        Block::Figures(_) => String::new(),
    }
}

fn table_text(table: &Table) -> String {
    let line = |cells: &mut dyn Iterator<Item = String>| {
        let cells: Vec<String> = cells.map(|cell| escaped(&cell).replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let titles = line(&mut table.columns.iter().map(|column| column.title.clone()));
    let rule = |column: &super::Column| if column.is_number { "---:" } else { "---" };
    let rules: Vec<&str> = table.columns.iter().map(rule).collect();
    let mut out = String::from("\n");
    if !table.caption.is_empty() {
        out += &format!("{}\n\n", escaped(&table.caption));
    }
    out += &format!("{titles}| {} |\n", rules.join(" | "));
    for row in &table.rows {
        out += &match row {
            Row::Cells(cells) => line(&mut cells.iter().cloned()),
            Row::Group(title) => {
                let rest = table.columns.iter().skip(1).map(|_| String::new());
                line(&mut std::iter::once(title.clone()).chain(rest))
            }
        };
    }
    out
}

/// One line in which no character makes markup: neither HTML nor links, code or emphasis. An
/// underscore within a word makes none.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '`' | '*' | '[' | ']' | '\\' => out.extend(['\\', character]),
            control if control.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::page::{Page, Section, Table};

    #[test]
    fn no_text_makes_markup() {
        let mut section = Section::new("a", "A");
        let mut table = Table::new("", &["a", "b"], &[]);
        table.row(["x | y", "two\nlines"]);
        section.table(table);
        section.text("<script>x</script> [a](javascript:b) a_name");
        let page = Page { title: "T".into(), subtitle: "s".into(), sections: vec![section] };
        let text = page.markdown();
        assert!(text.contains("| x \\| y | two lines |"), "{text}");
        let expected = "&lt;script>x&lt;/script> \\[a\\](javascript:b) a_name";
        assert!(text.contains(expected), "{text}");
    }
}
