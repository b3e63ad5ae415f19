//! The gate before service: what a version's own figures must say before it may be promoted.
//!
//! The figures are those of `metrics.json`, which the bundle's manifest names by sha256: nobody
//! can better them by hand. The bounds are this project's own.

use serde::Deserialize;

/// Fewer outcomes among the held-out patients judge nothing (Collins, Ogundimu and Altman 2016).
const EVENTS_MIN: u64 = 100;
/// A calibration slope whose 95% interval lies wholly outside is too far from 1.
const SLOPE_BOUNDS: [f64; 2] = [0.8, 1.2];
/// A group's observed over expected whose 95% interval lies wholly outside is too far from 1.
const GROUP_RATIO_BOUNDS: [f64; 2] = [0.8, 1.25];
/// A group with fewer outcomes does not close the gate.
const GROUP_EVENTS_MIN: u64 = 100;

/// What the gate reads of a version's `metrics.json`; all else in it is passed over.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct GateFigures {
    #[serde(default)]
    leaks: Option<Leaks>,
    #[serde(default)]
    held_out_evaluation: Option<HeldOutFigures>,
    #[serde(default)]
    beside: Option<BesideFigures>,
}

/// The version beside another, as it was judged when it was made.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct BesideFigures {
    digest: String,
    comparison: ComparedFigures,
}

impl GateFigures {
    /// The comparison with the bundle of this digest, where one was made with the version.
    pub fn beside(&self, digest: &str) -> Option<&ComparedFigures> {
        let found = self.beside.as_ref().filter(|beside| beside.digest == digest);
        found.map(|beside| &beside.comparison)
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Leaks {
    #[serde(default)]
    findings: Vec<Finding>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Finding {
    verdict: Verdict,
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Blocks,
    #[serde(other)]
    Passes,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct HeldOutFigures {
    metrics: Whole,
    #[serde(default)]
    subgroups: Vec<Group>,
    #[serde(default)]
    published: Vec<Published>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Whole {
    rows: u64,
    patients: u64,
    events: u64,
    auroc_interval: [f64; 2],
    calibration_slope: f64,
    /// Versions fitted before there were intervals have none: the slope itself then stands for it.
    #[serde(default)]
    calibration_slope_interval: Option<[f64; 2]>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Group {
    attribute: String,
    group: String,
    #[serde(default)]
    events_about: Option<u64>,
    #[serde(default)]
    observed_over_expected: Option<Ratio>,
}

/// A ratio with its interval; versions fitted before there were intervals have a number alone, which
/// closes no gate.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(untagged)]
enum Ratio {
    Estimated { interval: [f64; 2] },
    Alone(f64),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Published {
    id: String,
    #[serde(default)]
    comparison: Option<ComparedFigures>,
}

/// A paired comparison, first less second.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ComparedFigures {
    auroc: DifferenceFigures,
    #[serde(default)]
    log_loss: Option<DifferenceFigures>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
struct DifferenceFigures {
    difference: f64,
    interval: [f64; 2],
}

/// What is known of a version beside the one in service.
#[derive(Debug, Clone, PartialEq)]
pub enum Served {
    /// No model is in service, or this very version is.
    Nothing,
    /// Both judged on the same patients by `compare`: this version less the one in service.
    Compared { version: String, figures: ComparedFigures },
    /// Never compared in pairs.
    NotCompared {
        version: String,
        /// The figures of the one in service, where both fits held the same patients of the same
        /// source out.
        same_rows: Option<GateFigures>,
    },
}

/// Why a version may not go into service, one sentence each; empty when it may.
pub fn refusals(figures: &GateFigures, served: &Served) -> Vec<String> {
    let mut found = Vec::new();
    let blocking = figures.leaks.iter().flat_map(|leaks| &leaks.findings);
    found.extend(
        blocking
            .filter(|finding| finding.verdict == Verdict::Blocks)
            .map(|finding| format!("`{}` knows what no live system would", finding.name)),
    );
    let Some(judged) = &figures.held_out_evaluation else {
        found.push(
            "it was never judged on patients that its fit did not see: fit it with --held-out 0/5"
                .to_owned(),
        );
        return found;
    };
    let HeldOutFigures { metrics, subgroups, published } = judged;
    if metrics.events < EVENTS_MIN {
        let events = super::small_cell::Count(metrics.events);
        found.push(format!(
            "it was judged on {events} outcomes; fewer than {EVENTS_MIN} tell little: hold more \
             patients out, or fit on more records"
        ));
    }
    let slope = metrics.calibration_slope_interval.unwrap_or([metrics.calibration_slope; 2]);
    if is_outside(slope, SLOPE_BOUNDS) {
        found.push(format!(
            "it is miscalibrated: the calibration slope is {:.2} ({}), wholly outside {}; \
             `evaluate --recalibrate` makes a version that fits your patients",
            metrics.calibration_slope,
            shown(slope),
            shown(SLOPE_BOUNDS)
        ));
    }
    found.extend(subgroups.iter().filter_map(Group::refusal));
    for score in published {
        let worse = score.comparison.as_ref().and_then(ComparedFigures::worse);
        found.extend(worse.map(|how| format!("the published score {} is better: {how}", score.id)));
    }
    found.extend(served.refusal(metrics));
    found
}

impl Group {
    fn refusal(&self) -> Option<String> {
        let Some(Ratio::Estimated { interval }) = self.observed_over_expected else { return None };
        let counts = self.events_about.is_some_and(|events| events >= GROUP_EVENTS_MIN);
        (counts && is_outside(interval, GROUP_RATIO_BOUNDS)).then(|| {
            format!(
                "in the group {} {} the outcomes that came per outcome expected are {}, wholly outside \
                 {}",
                self.attribute,
                self.group,
                shown(interval),
                shown(GROUP_RATIO_BOUNDS)
            )
        })
    }
}

impl ComparedFigures {
    /// How the first is worse than the second beyond chance, in words; `None` where it is not.
    fn worse(&self) -> Option<String> {
        let words = |name: &str, by: &DifferenceFigures| {
            format!("{name} differs by {:+.4} ({})", by.difference, shown(by.interval))
        };
        let ranks_worse = self.auroc.interval[1] < 0.0;
        let loss = self.log_loss.as_ref().filter(|loss| loss.interval[0] > 0.0);
        match loss {
            _ if ranks_worse => Some(words("AUROC", &self.auroc)),
            Some(loss) => Some(words("log loss", loss)),
            None => None,
        }
    }
}

impl Served {
    fn refusal(&self, own: &Whole) -> Option<String> {
        match self {
            Served::Nothing => None,
            Served::Compared { version, figures } => {
                let how = figures.worse()?;
                Some(format!("it is worse than version {version} in service: {how}"))
            }
            Served::NotCompared { version, same_rows } => {
                let theirs = same_rows.as_ref().and_then(|f| f.held_out_evaluation.as_ref());
                let theirs = theirs.map(|judged| &judged.metrics);
                // The same patients of the same source, if the counts agree as well.
                let counts = |of: &Whole| [of.rows, of.patients, of.events];
                let Some(theirs) = theirs.filter(|theirs| counts(theirs) == counts(own)) else {
                    return Some(format!(
                        "nothing tells whether it is worse than version {version} in service: run \
                         `compare` on records that both have not seen, and name its \
                         comparison.json with --comparison"
                    ));
                };
                (own.auroc_interval[1] < theirs.auroc_interval[0]).then(|| {
                    format!(
                        "it is worse than version {version} in service: its AUROC is {}, that of the \
                         other {} on the same patients",
                        shown(own.auroc_interval),
                        shown(theirs.auroc_interval)
                    )
                })
            }
        }
    }
}

/// Whether an interval has no point within the bounds.
fn is_outside([low, high]: [f64; 2], [least, most]: [f64; 2]) -> bool {
    high < least || low > most
}

fn shown([low, high]: [f64; 2]) -> String {
    format!("{} to {}", rounded(low), rounded(high))
}

/// A number with at most four decimals and no trailing zeros.
fn rounded(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests;
