//! A change in plain words.

mod cautions;
mod numbers;

pub(super) use self::cautions::cautions;
use self::numbers::Numbers;
pub(super) use self::numbers::{is_percent, plain_unit};
use super::params::KeyName;
use super::release::{
    Direction, FigureKind, Group, Measure, OTHER, Release, Statement, StatementKind, UNKNOWN,
};

/// Women and men are called so from this age on.
const ADULT_YEARS: u32 = 18;
/// After a participle these make a phrase of their own: "treated for influenza".
const PREPOSITIONS: [&str; 9] = ["at", "by", "for", "from", "in", "of", "on", "to", "with"];

/// A group in words that begin a sentence: "Men 60-69, region 021", "Aged 80 and over", "Everybody".
pub fn words(group: &Group) -> String {
    let age = group.0.get(&KeyName::AgeBand).map(String::as_str);
    let sex = group.0.get(&KeyName::Sex).map(String::as_str);
    let mut parts: Vec<String> = people(sex, age).into_iter().collect();
    for (key, value) in &group.0 {
        let (one, several) = match key {
            KeyName::AgeBand | KeyName::Sex => continue,
            KeyName::Region => ("region", "other regions"),
            KeyName::Facility => ("facility", "other facilities"),
            KeyName::Race => ("race", "other races"),
            KeyName::Ethnicity => ("ethnicity", "other ethnicities"),
            KeyName::Language => ("language", "other languages"),
            KeyName::Insurance => ("insurance", "other insurances"),
        };
        let part = if value == OTHER { several.to_owned() } else { format!("{one} {value}") };
        parts.push(part);
    }
    let text = if parts.is_empty() { "everybody".to_owned() } else { parts.join(", ") };
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The people of a sex and an age band.
fn people(sex: Option<&str>, age: Option<&str>) -> Option<String> {
    let is_young = age.is_some_and(|age| {
        let start = age.split(['-', '+']).next().and_then(|start| start.trim().parse::<u32>().ok());
        start.is_some_and(|start| start < ADULT_YEARS)
    });
    let sex = sex.map(|sex| match (sex, is_young) {
        ("male", false) => "men".to_owned(),
        ("male", true) => "males".to_owned(),
        ("female", false) => "women".to_owned(),
        ("female", true) => "females".to_owned(),
        (OTHER, _) => "people of other sex".to_owned(),
        (UNKNOWN, _) => "people of unknown sex".to_owned(),
        (sex, _) => format!("sex {sex}"),
    });
    let age = age.map(|age| match age.strip_suffix('+') {
        Some(start) => format!("{start} and over"),
        None => age.to_owned(),
    });
    match (sex, age) {
        (Some(sex), Some(age)) if sex.contains(' ') => Some(format!("{sex} aged {age}")),
        (Some(sex), Some(age)) => Some(format!("{sex} {age}")),
        (Some(sex), None) => Some(sex),
        (None, Some(age)) => Some(format!("aged {age}")),
        (None, None) => None,
    }
}

/// What a measure tells, in words inside a sentence: "share with raised blood pressure".
pub(super) fn subject(measure: &Measure) -> String {
    let title = measure.title.trim();
    let mut first = title.split_whitespace();
    let is_participle = first.next().is_some_and(|word| word.ends_with("ed"))
        && first.next().is_some_and(|word| PREPOSITIONS.contains(&word));
    match measure.kind {
        FigureKind::Share | FigureKind::Outcome if is_participle => format!("share {title}"),
        FigureKind::Share | FigureKind::Outcome => format!("share with {title}"),
        FigureKind::Mean => format!("mean {title}"),
        FigureKind::Rate => title.to_owned(),
        FigureKind::Risk => format!("mean predicted risk of {title}"),
    }
}

/// The statement in one sentence, such as "Men 60-69, region 021: share with raised blood pressure 31%
/// -> 38% from 2021 to 2024, a rise of 7.0 points (95% interval 4.1 to 9.9)."
pub(super) fn sentence(release: &Release, measure: &Measure, statement: &Statement) -> String {
    let name = |place: usize| release.periods.get(place).map_or("", |period| period.name.as_str());
    let numbers = Numbers::of(measure.kind, statement);
    let (before, after) = (numbers.value(statement.before), numbers.value(statement.after));
    let unit = match measure.kind {
        FigureKind::Mean => measure.unit.as_deref().map(plain_unit),
        FigureKind::Rate => Some("per 1,000 person-years".to_owned()),
        FigureKind::Share | FigureKind::Outcome | FigureKind::Risk => None,
    };
    let unit =
        unit.filter(|unit| !unit.is_empty()).map_or_else(String::new, |unit| format!(" {unit}"));
    let (first, last) = (name(statement.first_period), name(statement.last_period));
    let when = match statement.kind {
        StatementKind::Trend => format!("{before} -> {after}{unit} from {first} to {last}"),
        StatementKind::Turn => {
            format!("level at {before} up to {first}, then to {after}{unit} in {last}")
        }
        StatementKind::Latest => {
            let earlier = name(statement.last_period.saturating_sub(1));
            let expected = format!("{before} expected by the periods from {first} to {earlier}");
            format!("{after}{unit} in {last}, against {expected}")
        }
    };
    let is_fall = statement.direction == Direction::Falling;
    let (what, sign) = if is_fall { ("fall", -1.0) } else { ("rise", 1.0) };
    let ends = [sign * statement.change_low, sign * statement.change_high];
    let (low, high) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
    format!(
        "{}: {} {when}, a {what} of {} (95% interval {} to {}).",
        words(&statement.group),
        subject(measure),
        numbers.change(statement.change.abs()),
        numbers.bare(low),
        numbers.bare(high),
    )
}

#[cfg(test)]
mod tests;
