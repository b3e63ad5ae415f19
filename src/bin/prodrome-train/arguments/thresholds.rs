//! The arguments of `thresholds`.

use std::path::PathBuf;

use clap::Args;
use prodrome::command::ThresholdsRequest;
use prodrome::task::TierRule;
use prodrome::train::HeldOut;

use super::{Records, held_out};

#[derive(Debug, Args)]
pub(crate) struct ThresholdsArguments {
    /// A version folder, such as models/readmit30_diabetes/1.
    #[arg(long)]
    bundle: PathBuf,
    #[command(flatten)]
    records: Records,
    /// A MEDS label file, or a folder of them, as for a fit.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    #[command(flatten)]
    rule: RuleArguments,
    /// The tier that is to begin there; the highest by default.
    #[arg(long, value_name = "NAME")]
    tier: Option<String>,
    /// How many index times a day your site has; counted in the export by default, over the days from
    /// the first to the last.
    #[arg(long, value_name = "NUMBER")]
    index_times_per_day: Option<f64>,
    /// The part of the patients to judge on, and not to find the cut on: `k/n`; a third by default.
    #[arg(long, value_parser = held_out)]
    held_out: Option<HeldOut>,
    /// Use all patients of the export, for one that holds nobody the model was fitted on. By default
    /// only those are used whom the fit held out: the model knows the others too well.
    #[arg(long)]
    all_patients: bool,
    /// A folder for thresholds.json and report.html.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Make a version that begins the tier there, beside the one it is made from and not yet in
    /// service; only if what was asked for holds on the patients it is judged on.
    #[arg(long)]
    write: bool,
}

/// By which rule the tier begins.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct RuleArguments {
    /// At most so many flags per 100 index times.
    #[arg(long, value_name = "FLAGS")]
    flags_per_100: Option<f64>,
    /// At most so many flags a day.
    #[arg(long, value_name = "FLAGS")]
    flags_per_day: Option<f64>,
    /// At least this share of the flagged have the outcome, such as 0.25.
    #[arg(long, value_name = "SHARE")]
    ppv_min: Option<f64>,
    /// A missed outcome costs as much as so many needless flags.
    #[arg(long, value_name = "FLAGS")]
    cost_ratio: Option<f64>,
}

impl RuleArguments {
    /// The one that is given: the parser lets no call pass with none or several.
    fn rule(&self) -> TierRule {
        let RuleArguments { flags_per_100, flags_per_day, ppv_min, cost_ratio } = self;
        let others = flags_per_100
            .map(TierRule::FlagsPer100)
            .or(flags_per_day.map(TierRule::FlagsPerDay))
            .or(ppv_min.map(TierRule::PpvMin));
        others.unwrap_or(TierRule::CostRatio(cost_ratio.unwrap_or(f64::NAN)))
    }
}

impl ThresholdsArguments {
    pub(crate) fn request(self) -> ThresholdsRequest {
        let rule = self.rule.rule();
        let ThresholdsArguments { bundle, records, labels, tier, index_times_per_day, .. } = self;
        let (source, concepts) = records.parts();
        ThresholdsRequest {
            bundle,
            source,
            concepts,
            labels,
            rule,
            tier,
            index_times_per_day,
            held_out: self.held_out.unwrap_or(ThresholdsRequest::HELD_OUT),
            all_patients: self.all_patients,
            out: self.out,
            write: self.write,
        }
    }
}
