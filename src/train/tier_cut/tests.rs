//! Tests of the cuts on drawn rows, against every cut tried by hand.

use super::*;
use crate::train::tests::Draws;

struct Drawn {
    p: Vec<f64>,
    y: Vec<bool>,
    patients: Vec<u32>,
}

/// Rows of a patient each; `grid` values of the probability, which is the truth.
fn drawn(rows: u32, grid: f64, seed: u64) -> Drawn {
    let mut draws = Draws(seed);
    let each = (0..rows).map(|_| {
        let risk = (grid * draws.uniform()).ceil() / grid / 2.0;
        (risk, draws.uniform() < risk)
    });
    let (p, y) = each.unzip();
    Drawn { p, y, patients: (0..rows).collect() }
}

impl Drawn {
    fn rows(&self) -> CutRows<'_> {
        let Drawn { p, y, patients } = self;
        CutRows { p, y, patients, weights: Weights::Even, index_times_per_day: Some(40.0) }
    }

    fn flagged(&self, cut: f64) -> usize {
        self.p.iter().filter(|p| **p >= cut).count()
    }

    /// The lowest value of all that keeps what is asked.
    fn lowest(&self, keeps: impl Fn(f64) -> bool) -> f64 {
        self.p.iter().copied().filter(|cut| keeps(*cut)).min_by(f64::total_cmp).unwrap()
    }
}

#[test]
fn each_rule_gives_the_cut_that_trying_all_of_them_gives() {
    for (grid, seed) in [(1e9, 1), (60.0, 2)] {
        let drawn = drawn(4_000, grid, seed);
        let cut = |rule| drawn.rows().cut(rule).unwrap();
        for flags in [3.0, 8.0, 29.0] {
            let limit = 40.0 * flags;
            let expected = drawn.lowest(|cut| drawn.flagged(cut) as f64 <= limit);
            assert_eq!(cut(TierRule::FlagsPer100(flags)), expected, "{flags} per 100");
            // 40 index times a day: 100 rows are two and a half days.
            let a_day = TierRule::FlagsPerDay(flags / 2.5);
            assert_eq!(cut(a_day), expected, "{flags} in two and a half days");
        }
        assert_eq!(cut(TierRule::CostRatio(9.0)), 0.1);
        // The benefit by hand, at what the true risks are: no cut of all has a higher one.
        let benefit = |cut: f64| -> f64 {
            let flagged = drawn.p.iter().filter(|p| **p >= cut);
            flagged.map(|p| 9.0 * p - (1.0 - p)).sum()
        };
        let best = drawn.p.iter().map(|cut| benefit(*cut)).fold(f64::MIN, f64::max);
        assert!((benefit(cut(TierRule::CostRatio(9.0))) - best).abs() < 1e-9);
        let ppv = cut(TierRule::PpvMin(0.4));
        let found = drawn.p.iter().zip(&drawn.y).filter(|(p, y)| **p >= ppv && **y).count();
        let share = found as f64 / drawn.flagged(ppv) as f64;
        assert!((0.4..0.44).contains(&share), "{share}");
    }
}

#[test]
fn a_share_of_the_cohort_is_cut_as_it_was_before_there_were_other_rules() {
    let drawn = drawn(1_000, 1e9, 3);
    let tiers = [
        ("high".to_owned(), Some(TierRule::TopShare(0.05))),
        ("moderate".to_owned(), Some(TierRule::TopShare(0.2))),
        ("low".to_owned(), None),
    ];
    let cuts = tier_cuts(&tiers, &drawn.rows()).unwrap();
    let mut falling = drawn.p.clone();
    falling.sort_by(|a, b| b.total_cmp(a));
    let from: Vec<f64> = cuts.iter().map(|cut| cut.from).collect();
    assert_eq!(from, [falling[49], falling[199], 0.0]);
    assert!(cuts.iter().all(|cut| cut.basis.is_none()), "the task says it already");
}

#[test]
fn a_cut_says_its_rule_and_the_rate_it_was_found_with() {
    let drawn = drawn(1_000, 1e9, 4);
    let tiers = [
        ("high".to_owned(), Some(TierRule::FlagsPerDay(3.0))),
        ("moderate".to_owned(), Some(TierRule::CostRatio(9.0))),
        ("low".to_owned(), None),
    ];
    let cuts = tier_cuts(&tiers, &drawn.rows()).unwrap();
    let basis = |place: usize| cuts[place].basis.clone();
    let of = |rule, index_times_per_day| TierBasis { rule, index_times_per_day, recut: None };
    assert_eq!(basis(0), Some(of(TierRule::FlagsPerDay(3.0), Some(40.0))));
    assert_eq!(basis(1), Some(of(TierRule::CostRatio(9.0), None)));
    assert_eq!(basis(2), None);
    let crossing = [
        ("high".to_owned(), Some(TierRule::CostRatio(9.0))),
        ("moderate".to_owned(), Some(TierRule::FlagsPer100(5.0))),
    ];
    let error = tier_cuts(&crossing, &drawn.rows()).unwrap_err().to_string();
    assert!(error.contains("tier `moderate`") && error.contains("tier `high`"), "{error}");
}

#[test]
fn what_would_rest_on_chance_is_an_error_that_says_how_to_mend_it() {
    let many = drawn(1_000, 1e9, 5);
    let cut = |rows: &CutRows<'_>, rule| rows.cut(rule).unwrap_err();
    let rows = many.rows();
    assert_eq!(cut(&rows, TierRule::FlagsPer100(0.5)), CutFault::TooFewFlagged);
    assert_eq!(cut(&rows, TierRule::FlagsPer100(99.5)), CutFault::TooFewOthers);
    assert_eq!(cut(&rows, TierRule::CostRatio(0.5)), CutFault::TooFewFlagged);
    assert_eq!(cut(&rows, TierRule::CostRatio(9_999.0)), CutFault::TooFewOthers);
    let reached = cut(&rows, TierRule::PpvMin(0.9));
    assert!(matches!(reached, CutFault::PpvNotReached { highest } if highest < 0.9), "{reached}");
    let takes_all = CutFault::TakesAll { index_times_per_day: 40.0 };
    assert_eq!(cut(&rows, TierRule::FlagsPerDay(40.0)), takes_all);
    let rows = CutRows { index_times_per_day: None, ..many.rows() };
    assert_eq!(cut(&rows, TierRule::FlagsPerDay(3.0)), CutFault::NoRate);
    assert!(CutFault::NoRate.to_string().contains("--index-times-per-day"));

    let nobody = drawn(0, 1e9, 6);
    let ten = drawn(10, 1e9, 6);
    for rule in [TierRule::FlagsPer100(50.0), TierRule::FlagsPerDay(20.0), TierRule::PpvMin(0.1)] {
        assert_eq!(cut(&nobody.rows(), rule), CutFault::TooFewFlagged, "{rule}");
        assert_eq!(cut(&ten.rows(), rule), CutFault::TooFewFlagged, "{rule}");
    }
    assert_eq!(cut(&nobody.rows(), TierRule::CostRatio(9.0)), CutFault::TooFewFlagged);
    let alike = Drawn { p: vec![0.3; 1_000], ..drawn(1_000, 1e9, 7) };
    assert_eq!(cut(&alike.rows(), TierRule::FlagsPer100(8.0)), CutFault::AllTie);
    // Hundreds of rows, all of one patient.
    let one = Drawn { patients: vec![3; 1_000], ..drawn(1_000, 1e9, 8) };
    assert_eq!(cut(&one.rows(), TierRule::FlagsPer100(50.0)), CutFault::TooFewFlagged);
}

#[test]
fn without_both_outcomes_no_ppv_is_believed() {
    let never = Drawn { y: vec![false; 1_000], ..drawn(1_000, 1e9, 9) };
    let fault = never.rows().cut(TierRule::PpvMin(0.1)).unwrap_err();
    assert!(matches!(fault, CutFault::PpvNotReached { highest } if highest < 1e-9), "{fault}");
    let always = Drawn { y: vec![true; 1_000], ..drawn(1_000, 1e9, 9) };
    let fault = always.rows().cut(TierRule::PpvMin(0.1)).unwrap_err();
    assert_eq!(fault, CutFault::TooFewOthers, "all could be flagged");
}
