//! Figures, times and names of flags in plain words.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::bundle::Sufficiency;
use crate::flag::{Action, ChangeKind, Dismissal, Feedback, FlagState, Held};
use crate::record::Time;

/// The largest denominator of `k in n`; rarer risks are 1 in more.
const OF_MOST: u32 = 10;
/// How far `k in n` may lie from the probability.
const NEAR: f64 = 0.021;

/// A probability in natural frequencies, such as `about 1 in 5 (19%)` (Gigerenzer et al. 2007,
/// doi:10.1111/j.1539-6053.2008.00033.x: people read counts better than percentages).
pub(super) fn chance(probability: f64) -> String {
    let percent = percent(probability);
    if !(0.01..=0.99).contains(&probability) {
        let words = if probability < 0.5 { "fewer than 1 in 100" } else { "more than 99 in 100" };
        return format!("{words} ({percent})");
    }
    let one_in = (1.0 / probability).round();
    if probability < 0.1 || (1.0 / one_in - probability).abs() <= NEAR {
        return format!("about 1 in {one_in:.0} ({percent})");
    }
    if probability > 0.92 {
        return format!("about {:.0} in 100 ({percent})", probability * 100.0);
    }
    let parts = (2..=OF_MOST).map(|of| {
        let count = (probability * f64::from(of)).round().clamp(1.0, f64::from(of - 1));
        (count, of, (count / f64::from(of) - probability).abs())
    });
    let near = parts.clone().find(|(_, _, off)| *off <= NEAR);
    let nearest = parts.min_by(|one, other| one.2.total_cmp(&other.2));
    near.or(nearest)
        .map_or_else(String::new, |(count, of, _)| format!("about {count:.0} in {of} ({percent})"))
}

/// Such as `19%`.
pub(super) fn percent(probability: f64) -> String {
    match probability * 100.0 {
        percent if percent < 1.0 => "under 1%".to_owned(),
        percent if percent > 99.0 => "over 99%".to_owned(),
        percent => format!("{percent:.0}%"),
    }
}

/// How a risk stands to what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drift {
    Up,
    Down,
    Same,
}

impl Drift {
    /// By whole percents, which are what is shown.
    pub(super) fn of(before: f64, now: f64) -> Drift {
        let whole = |probability: f64| (probability * 100.0).round();
        match whole(now).total_cmp(&whole(before)) {
            std::cmp::Ordering::Greater => Drift::Up,
            std::cmp::Ordering::Less => Drift::Down,
            std::cmp::Ordering::Equal => Drift::Same,
        }
    }

    /// Such as `up from 12%`.
    pub(super) fn text(self, before: f64) -> String {
        match self {
            Drift::Up => format!("up from {}", percent(before)),
            Drift::Down => format!("down from {}", percent(before)),
            Drift::Same => "the same as".to_owned(),
        }
    }
}

/// The time of an answer, and the zone of those who read it.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    pub(super) now: Time,
    pub(super) zone: TimeZone,
}

impl Moment {
    fn shown(&self, time: Time, format: &str) -> String {
        let Ok(instant) = Timestamp::from_microsecond(time.micros()) else {
            return "out of range".to_owned();
        };
        instant.to_zoned(self.zone.clone()).strftime(format).to_string()
    }

    /// Such as `21 Nov 2026, 14:05`.
    pub(super) fn at(&self, time: Time) -> String {
        self.shown(time, "%-d %b %Y, %H:%M")
    }

    /// Such as `21 Nov 2026`.
    pub(super) fn day(&self, time: Time) -> String {
        self.shown(time, "%-d %b %Y")
    }

    /// As a form's date: `2026-11-21`.
    pub(super) fn date(&self, time: Time) -> String {
        self.shown(time, "%Y-%m-%d")
    }

    /// The first instant of a form's date; `None` for what is no date.
    pub(super) fn start_of(&self, date: &str) -> Option<Time> {
        let date: jiff::civil::Date = date.parse().ok()?;
        let start = date.to_zoned(self.zone.clone()).ok()?;
        let time = Time::from_micros(start.timestamp().as_microsecond());
        time.is_believable().then_some(time)
    }

    /// How long ago, such as `3 days ago`; `in 2 days` for what is to come.
    pub(super) fn since(&self, time: Time) -> String {
        let hours = self.now.days_since(time) * 24.0;
        let length = match hours.abs() {
            hours if hours < 1.0 => return "within the hour".to_owned(),
            hours if hours < 48.0 => count(hours.round() as u64, "hour"),
            hours => count((hours / 24.0).round() as u64, "day"),
        };
        if hours < 0.0 { format!("in {length}") } else { format!("{length} ago") }
    }

    /// What the times of a page are in.
    pub(super) fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }
}

/// How far a score looks ahead, such as `30 days` or `a year`.
pub(super) fn horizon(days: u32) -> String {
    match days {
        365 => "a year".to_owned(),
        days if days > 0 && days.is_multiple_of(365) => count(u64::from(days / 365), "year"),
        days => count(days.into(), "day"),
    }
}

/// Such as `1 day` or `3 days`.
pub(super) fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// `text` with a capital letter at its beginning.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

/// A state as people say it.
pub(super) fn state(state: FlagState) -> &'static str {
    match state {
        FlagState::Waiting => "waiting",
        FlagState::Raised => "new",
        FlagState::Acknowledged => "acknowledged",
        FlagState::Snoozed => "snoozed",
        FlagState::Answered => "answered",
        FlagState::Dismissed => "dismissed",
        FlagState::Cleared => "cleared: the risk fell",
        FlagState::Expired => "expired",
    }
}

/// A reason for dismissing as people say it.
pub(super) fn dismissal(reason: Dismissal) -> &'static str {
    match reason {
        Dismissal::AlreadyKnown => "known already, and looked after",
        Dismissal::RecordWrong => "the record is wrong or out of date",
        Dismissal::NotApplicable => "does not fit this patient",
        Dismissal::PatientDeclined => "the patient does not want it",
        Dismissal::FollowedElsewhere => "followed up elsewhere",
    }
}

/// An action as people say it.
pub(super) fn action(action: Action) -> &'static str {
    match action {
        Action::Call => "called the patient",
        Action::VisitBooked => "booked a visit",
        Action::MedicationReview => "reviewed the medication",
        Action::Referral => "referred the patient",
        Action::NonePossible => "no action is possible",
    }
}

/// What somebody found, as people say it.
pub(super) fn feedback(feedback: Feedback) -> &'static str {
    match feedback {
        Feedback::Useful => "useful",
        Feedback::NotUseful => "not useful",
        Feedback::OutcomeSeen => "what it spoke of has happened",
    }
}

/// Why a flag waits or is quiet.
pub(super) fn held(held: Held) -> &'static str {
    match held {
        Held::Capacity => "the team's places of today are taken: it comes when there is room",
        Held::CoolDown => "a flag of this patient was cleared shortly before",
        Held::Snoozed => "it is snoozed, and the risk has not risen much since",
        Held::Dismissed => "it was dismissed, and the risk has not risen much since",
        Held::Answered => "it was answered, and the risk has not risen much since",
        Held::NotEnoughData => "there is not enough data for a probability",
        Held::Synthetic => "the model is one of simulated patients",
        Held::NotOfNow => "the score is about a time too far from now",
        Held::OutOfOrder => "an older score came after a newer one",
    }
}

/// What happened to a flag, as people say it.
pub(super) fn change(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Raised => "raised",
        ChangeKind::TierRose => "rose to a higher tier",
        ChangeKind::TierFell => "fell to a lower tier",
        ChangeKind::Scored => "scored again",
        ChangeKind::Held => "held back",
        ChangeKind::Cleared => "cleared, because the risk fell and stayed low",
        ChangeKind::Expired => "expired, because the time that the score spoke of is over",
        ChangeKind::Woke => "came back from being snoozed",
        ChangeKind::Assigned => "assigned",
        ChangeKind::Acknowledged => "acknowledged",
        ChangeKind::Snoozed => "snoozed",
        ChangeKind::Dismissed => "dismissed",
        ChangeKind::Answered => "answered with an action",
        ChangeKind::Reopened => "reopened",
        ChangeKind::Feedback => "got feedback",
    }
}

/// How far the record suffices, where there is something to say about it.
pub(super) fn sufficiency(grade: Sufficiency) -> Option<&'static str> {
    match grade {
        Sufficiency::B => Some("Some of what the score uses is missing from the record (grade B)."),
        Sufficiency::C => {
            Some("The record holds little of what the score uses: take it with caution (grade C).")
        }
        Sufficiency::D => Some(
            "Not enough data now: the last score gave no probability, and the one shown is from an \
             older score (grade D).",
        ),
        Sufficiency::A => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_read_as_counts() {
        for (probability, words) in [
            (0.0, "fewer than 1 in 100 (under 1%)"),
            (0.004, "fewer than 1 in 100 (under 1%)"),
            (0.012, "about 1 in 83 (1%)"),
            (0.07, "about 1 in 14 (7%)"),
            (0.1, "about 1 in 10 (10%)"),
            (0.28, "about 2 in 7 (28%)"),
            (0.19, "about 1 in 5 (19%)"),
            (0.25, "about 1 in 4 (25%)"),
            (0.34, "about 1 in 3 (34%)"),
            (0.5, "about 1 in 2 (50%)"),
            (0.62, "about 3 in 5 (62%)"),
            (0.96, "about 96 in 100 (96%)"),
            (1.0, "more than 99 in 100 (over 99%)"),
        ] {
            assert_eq!(chance(probability), words);
        }
        for thousandths in 10..=990_u32 {
            let probability = f64::from(thousandths) / 1_000.0;
            let words = chance(probability);
            let figures: Vec<f64> = words.split(' ').filter_map(|word| word.parse().ok()).collect();
            let [count, of] = figures[..] else { panic!("{words}") };
            assert!((count / of - probability).abs() <= 0.03, "{probability}: {words}");
        }
    }

    #[test]
    fn times_are_told_in_the_zone_of_the_site() {
        let time = |text: &str| Time::parse(text).unwrap();
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let moment = Moment { now: time("2026-11-23T10:00:00Z"), zone };
        assert_eq!(moment.at(time("2026-07-01T22:30:00Z")), "2 Jul 2026, 00:30");
        assert_eq!(moment.zone_name(), "Europe/Berlin");
        assert_eq!(moment.start_of("2026-11-24"), Some(time("2026-11-23T23:00:00Z")));
        for wrong in ["", "tomorrow", "2026-02-30", "99999-01-01", "9999-01-01"] {
            assert_eq!(moment.start_of(wrong), None, "{wrong}");
        }
        assert_eq!(moment.since(time("2026-11-20T10:00:00Z")), "3 days ago");
        assert_eq!(moment.since(time("2026-11-23T08:50:00Z")), "1 hour ago");
        assert_eq!(moment.since(time("2026-11-25T10:00:00Z")), "in 2 days");
        assert_eq!(moment.at(Time::from_micros(i64::MAX)), "out of range");
    }

    #[test]
    fn a_change_too_small_to_be_shown_is_none() {
        assert_eq!(Drift::of(0.121, 0.124), Drift::Same);
        assert_eq!(Drift::of(0.12, 0.19).text(0.12), "up from 12%");
        assert_eq!(Drift::of(0.19, 0.12).text(0.19), "down from 19%");
    }
}
