//! A risk's course as a small line, with the same in words.

use super::words::{Moment, percent};
use crate::flag::CoursePoint;

/// The size of the drawing, in its own units.
pub(super) const WIDTH: f64 = 120.0;
pub(super) const HEIGHT: f64 = 36.0;
/// Room around the line for its marks.
const EDGE: f64 = 4.0;
/// The most points of a line: more cannot be told apart, and weigh.
const POINTS_MAX: usize = 24;

/// A line, and what it shows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Course {
    /// Places of the line in the drawing, such as `4,30 60,12`.
    pub(super) line: String,
    /// The place of the latest score.
    pub(super) last: (String, String),
    pub(super) text: String,
}

impl Course {
    /// The course of these points, the oldest first; `None` where there is no line to draw.
    pub(super) fn of(points: &[CoursePoint], moment: &Moment) -> Option<Course> {
        let (first, last) = (points.first()?, points.last()?);
        let highest = points.iter().max_by(|a, b| a.probability.total_cmp(&b.probability))?;
        let span_days = last.time.days_since(first.time);
        if points.len() < 2 || span_days <= 0.0 || !highest.probability.is_finite() {
            return None;
        }
        // From zero, so that a small change looks small; never narrower than 10%.
        let top = highest.probability.clamp(0.1, 1.0);
        let place = |point: &CoursePoint| {
            let along = (point.time.days_since(first.time) / span_days).clamp(0.0, 1.0);
            let up = (point.probability / top).clamp(0.0, 1.0);
            let (x, y) =
                (EDGE + along * (WIDTH - 2.0 * EDGE), HEIGHT - EDGE - up * (HEIGHT - 2.0 * EDGE));
            (format!("{x:.0}"), format!("{y:.0}"))
        };
        let step = points.len().div_ceil(POINTS_MAX).max(1);
        let mut shown: Vec<&CoursePoint> = points.iter().rev().step_by(step).collect();
        shown.reverse();
        let places = shown.into_iter().map(place).map(|(x, y)| format!("{x},{y}"));
        let told = |point: &CoursePoint| {
            format!("{} on {}", percent(point.probability), moment.day(point.time))
        };
        let mut text = format!("Course of the risk: {}", told(first));
        if highest.time != first.time && highest.time != last.time {
            text += &format!(", highest {}", told(highest));
        }
        text += &format!(", {}", told(last));
        Some(Course { line: places.collect::<Vec<_>>().join(" "), last: place(last), text })
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::record::Time;

    fn moment() -> Moment {
        Moment { now: Time::parse("2026-11-23T10:00:00Z").unwrap(), zone: TimeZone::UTC }
    }

    fn points(probabilities: &[f64]) -> Vec<CoursePoint> {
        let start = Time::parse("2026-11-17T06:00:00Z").unwrap();
        let each = (0..).zip(probabilities);
        each.map(|(day, &probability)| CoursePoint { time: start.plus_days(day), probability })
            .collect()
    }

    #[test]
    fn the_words_tell_what_the_line_shows() {
        let course = Course::of(&points(&[0.12, 0.25, 0.19]), &moment()).unwrap();
        assert_eq!(
            course.text,
            "Course of the risk: 12% on 17 Nov 2026, highest 25% on 18 Nov 2026, 19% on 19 Nov 2026"
        );
        assert_eq!(course.line, "4,19 60,4 116,11");
        assert_eq!(course.last, ("116".to_owned(), "11".to_owned()));
    }

    #[test]
    fn every_point_lies_in_the_drawing_and_what_makes_no_line_is_not_drawn() {
        for odd in [vec![], vec![0.4], vec![0.2, f64::NAN], vec![0.2, f64::INFINITY]] {
            assert_eq!(Course::of(&points(&odd), &moment()), None, "{odd:?}");
        }
        let at_once = [points(&[0.1]), points(&[0.2])].concat();
        assert_eq!(Course::of(&at_once, &moment()), None);
        let many: Vec<f64> = (0..400).map(|day| f64::from(day % 50) / 50.0).collect();
        let course = Course::of(&points(&many), &moment()).unwrap();
        let places: Vec<(f64, f64)> = course
            .line
            .split(' ')
            .map(|place| place.split_once(',').unwrap())
            .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
            .collect();
        assert!(places.len() <= POINTS_MAX);
        assert!(
            places.iter().all(|(x, y)| (0.0..=WIDTH).contains(x) && (0.0..=HEIGHT).contains(y))
        );
    }
}
