//! Pages for people: sections of text, tables and plots, written as one HTML file or as Markdown.
//!
//! Whoever has something to tell builds a `Page`; how it looks is decided here alone. A page fetches
//! nothing, runs nothing, and holds no clock time: the same page is the same bytes. All text is
//! escaped, whoever wrote it.

mod html;
mod markdown;
mod plot;

pub use plot::{
    Axis, Band, Extent, Flow, FlowStep, Ink, Layer, Mark, Multiple, Multiples, MultiplesSize,
    Panel, Plot, Point, Shows, Span, Strip, Strips,
};

/// A document.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub title: String,
    /// One line below the title.
    pub subtitle: String,
    pub sections: Vec<Section>,
}

/// A part of a page under a title of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Lower case letters and `-`; what links within the page name.
    pub id: &'static str,
    pub title: String,
    pub blocks: Vec<Block>,
}

/// What a section is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// A title within a section.
    Heading(String),
    Text(String),
    /// What nobody should overlook.
    Warning(String),
    List(Vec<String>),
    /// Words, each with what it means.
    Terms(Vec<(String, String)>),
    Table(Table),
    /// Plots that stand side by side where there is room.
    Figures(Vec<Figure>),
    /// What was found, the weightiest first.
    Findings(Vec<Finding>),
}

/// Something that was found, with what bears on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Such as `Rising`: what to look for in a long list.
    pub label: String,
    pub text: String,
    /// In figures.
    pub details: Vec<String>,
    /// What may explain it otherwise.
    pub cautions: Vec<String>,
}

/// A table; the first cell of a row is its header.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    pub caption: String,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub title: String,
    /// Numbers stand to the right.
    pub is_number: bool,
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// The title of the rows below it.
    Group(String),
    /// One a column.
    Cells(Vec<String>),
}

/// A drawing with what it shows, in words.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    pub drawing: Drawing,
    pub caption: String,
}

/// What can be drawn.
#[derive(Debug, Clone, PartialEq)]
pub enum Drawing {
    Plot(Plot),
    Strips(Strips),
    Flow(Flow),
    /// Many small plots under one caption.
    Multiples(Multiples),
}

impl Page {
    /// The page as one file of HTML, which is XML as well.
    pub fn html(&self) -> String {
        html::html(self)
    }

    /// The page as Markdown, without its figures.
    pub fn markdown(&self) -> String {
        markdown::markdown(self)
    }
}

impl Section {
    pub fn new(id: &'static str, title: impl Into<String>) -> Section {
        Section { id, title: title.into(), blocks: Vec::new() }
    }

    pub fn heading(&mut self, title: impl Into<String>) {
        self.blocks.push(Block::Heading(title.into()));
    }

    pub fn text(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Text(text.into()));
    }

    pub fn warning(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Warning(text.into()));
    }

    /// Nothing where there are no lines.
    pub fn list(&mut self, lines: impl IntoIterator<Item = String>) {
        let lines: Vec<String> = lines.into_iter().collect();
        if !lines.is_empty() {
            self.blocks.push(Block::List(lines));
        }
    }

    pub fn terms(&mut self, terms: Vec<(String, String)>) {
        self.blocks.push(Block::Terms(terms));
    }

    /// Nothing where it has no rows.
    pub fn table(&mut self, table: Table) {
        if !table.rows.is_empty() {
            self.blocks.push(Block::Table(table));
        }
    }

    /// Nothing where there are none.
    pub fn findings(&mut self, findings: Vec<Finding>) {
        if !findings.is_empty() {
            self.blocks.push(Block::Findings(findings));
        }
    }

    /// Nothing where there are none.
    pub fn figures(&mut self, figures: Vec<Figure>) {
        if !figures.is_empty() {
            self.blocks.push(Block::Figures(figures));
        }
    }
}

impl Table {
    /// A table without rows; `words` are columns of words, `numbers` those of numbers after them.
    pub fn new(caption: impl Into<String>, words: &[&str], numbers: &[&str]) -> Table {
        let column =
            |is_number| move |title: &&str| Column { title: (*title).to_owned(), is_number };
        let columns = words.iter().map(column(false)).chain(numbers.iter().map(column(true)));
        Table { caption: caption.into(), columns: columns.collect(), rows: Vec::new() }
    }

    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(Row::Cells(cells.into_iter().map(Into::into).collect()));
    }

    pub fn group(&mut self, title: impl Into<String>) {
        self.rows.push(Row::Group(title.into()));
    }

    /// Whether a cell is a word that may be broken anywhere, as a digest may.
    fn is_long(cell: &str) -> bool {
        cell.len() > 40 && !cell.contains(' ')
    }

    /// Whether the column at `place` holds numbers.
    fn is_number(&self, place: &usize) -> bool {
        self.columns.get(*place).is_some_and(|column| column.is_number)
    }
}

impl Figure {
    pub fn plot(plot: Plot, caption: impl Into<String>) -> Figure {
        Figure { drawing: Drawing::Plot(plot), caption: caption.into() }
    }

    pub fn strips(strips: Strips, caption: impl Into<String>) -> Figure {
        Figure { drawing: Drawing::Strips(strips), caption: caption.into() }
    }

    pub fn multiples(multiples: Multiples, caption: impl Into<String>) -> Figure {
        Figure { drawing: Drawing::Multiples(multiples), caption: caption.into() }
    }

    pub fn flow(flow: Flow, caption: impl Into<String>) -> Figure {
        Figure { drawing: Drawing::Flow(flow), caption: caption.into() }
    }
}
