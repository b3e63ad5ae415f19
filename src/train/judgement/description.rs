//! What the patients were like: the table of characteristics (Table 1; TRIPOD+AI item 20b).

use serde::Serialize;

/// The characteristics of the rows of a fit or of an evaluation, column by column. Rows count once
/// each here, whatever their weight in the figures: it describes who was there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Description {
    /// Index times in `development`, or `None` where only one set of rows is described.
    pub development_rows: Option<usize>,
    /// Index times in `judged`; `None` where nobody was held out.
    pub judged_rows: Option<usize>,
    pub columns: Vec<Described>,
}

/// One feature column over the populations; a summary behind which too few patients stand is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Described {
    pub column: String,
    /// The feature the column belongs to.
    pub feature: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Of the rows the model was fitted on.
    pub development: Option<Summary>,
    pub development_with_outcome: Option<Summary>,
    pub development_without_outcome: Option<Summary>,
    /// Of the rows it was judged on: the held-out patients in a fit, all rows in an evaluation.
    pub judged: Option<Summary>,
    pub judged_with_outcome: Option<Summary>,
    pub judged_without_outcome: Option<Summary>,
    /// Standardised mean difference between the development and the judged rows, pooled standard
    /// deviation (Austin 2009); above 0 the judged have the higher mean.
    pub standardised_difference: Option<f64>,
}

/// The values of one column over some rows; missing values are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Summary {
    /// A column of 0 and 1.
    Share {
        /// Share of 1 among the rows with a value; `None` where it would tell of few patients.
        share: Option<f64>,
        /// Share of rows without a value; `None` where it would tell of few patients.
        missing: Option<f64>,
    },
    /// Any other column, in the feature's unit.
    Spread {
        mean: f64,
        /// Standard deviation.
        sd: f64,
        /// Lower quartile, median and upper quartile; `None` with fewer than eleven patients in one
        /// of the quarters.
        quartiles: Option<[f64; 3]>,
        /// Share of rows without a value; `None` where it would tell of few patients.
        missing: Option<f64>,
    },
    /// Nobody has a value.
    Absent,
}
