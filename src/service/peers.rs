//! Peers: where a patient's risk and key measurements lie among people of the same age band and sex,
//! and of the same region where there are enough of them, and where their group goes.
//!
//! The scales are those of a release, which holds none of fewer than 11 people between two quantiles.
//! The value comes from the same `View` that the score stands on.

use std::sync::Arc;

use crate::access::{Classes, PROTECTED};
use crate::record::{History, Record, Sex, Time, View};
use crate::registry::{LoadedRelease, LoadedReleases};
use crate::score::{Model, Score};
use crate::task::Values;
use crate::trend::{
    Direction, Group, KeyName, PeerScale, PeerScaleOf, Standing, region_shown, words,
};

/// Older values say nothing of today.
const VALUE_AGE_DAYS: i64 = 365;

/// Where one number lies among a group.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerStanding {
    /// Name of the measured concept; `None` for the predicted risk.
    pub concept: Option<String>,
    pub title: String,
    pub value: f64,
    /// UCUM.
    pub unit: Option<String>,
    /// When it was measured; the index time for a risk.
    pub time: Time,
    pub group: Group,
    pub group_text: String,
    /// The least that they may be, by coarse classes.
    pub people: u64,
    pub standing: Standing,
    /// What half of them lie below.
    pub median: Option<f64>,
    pub direction: Direction,
    /// The direction in one sentence.
    pub text: String,
    /// Name of the release, and of the period in which the people were counted.
    pub release: String,
    pub period: String,
    /// The classes of sensitive content that it tells of.
    classes: Classes,
}

/// A patient among peers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Peer {
    pub risk: Option<PeerStanding>,
    pub measurements: Vec<PeerStanding>,
    /// Why something is not shown, in words.
    pub notes: Vec<String>,
    /// Why nothing is shown; `None` where something is.
    pub not_available: Option<String>,
    /// The classes of the scales of the groups, whether or not the patient has a value.
    scale_classes: Classes,
}

impl Peer {
    /// The same as somebody sees it who may see `allowed`. That something is left out is said wherever
    /// the groups have such a scale, so that nobody can tell from it what was found.
    #[must_use]
    pub fn seen_by(self, allowed: Classes) -> Peer {
        let mut seen = self;
        seen.measurements.retain(|standing| standing.classes.are_within(allowed));
        if !seen.scale_classes.are_within(allowed) {
            seen.notes.push(format!("{PROTECTED} is not compared"));
        }
        seen.scale_classes = Classes::NONE;
        seen.silent()
    }

    /// Says so where nothing is shown.
    fn silent(mut self) -> Peer {
        if self.risk.is_none() && self.measurements.is_empty() && self.not_available.is_none() {
            let reason = "nothing of this patient can be compared with the released groups";
            self.not_available = Some(reason.to_owned());
        }
        self
    }

    fn not_available(reason: &str) -> Peer {
        Peer { not_available: Some(reason.to_owned()), ..Peer::default() }
    }
}

/// What is compared: the score by a model, of a history built from a record.
pub(super) struct Compared<'a> {
    pub record: &'a Record,
    pub model: Model<'a>,
    pub score: &'a Score,
}

/// The patient of `compared` among the peers that the releases hold.
pub(super) fn peer(releases: &LoadedReleases, compared: &Compared<'_>) -> Peer {
    if releases.releases().iter().all(|release| release.release().peers.is_empty()) {
        return Peer::not_available("no release with peer groups is loaded");
    }
    let view = view(compared.model.history, compared.score);
    let (Some(age), Some(sex)) = (view.age_years(), sex_name(view.sex())) else {
        return Peer::not_available("the record has no date of birth, or no sex that peers have");
    };
    let places: Vec<Place<'_>> = releases
        .releases()
        .iter()
        .filter_map(|release| Place::of(release, age, sex, compared.record.region.as_deref()))
        .collect();
    if places.is_empty() {
        let reason = "too few people of the same age and sex are in the releases, or none";
        return Peer::not_available(reason);
    }
    let mut peer = Peer::default();
    match risk(&places, compared) {
        Ok(risk) => peer.risk = risk,
        Err(note) => peer.notes.push(note),
    }
    measurements(&places, compared, &view, &mut peer);
    for place in places.iter().filter(|place| place.release.release().synthetic) {
        let name = &place.release.release().name;
        peer.notes.push(format!("the people of `{name}` are simulated: for showing alone"));
    }
    peer.silent()
}

/// The view that the score stood on.
fn view<'h>(history: &'h History, score: &Score) -> View<'h> {
    history.view(score.index_time)
}

fn sex_name(sex: Sex) -> Option<&'static str> {
    match sex {
        Sex::Female => Some("female"),
        Sex::Male => Some("male"),
        // Different people, whom nothing but these words makes a group.
        Sex::Other | Sex::Unknown => None,
    }
}

/// The groups of one release that somebody belongs to.
struct Place<'a> {
    release: &'a Arc<LoadedRelease>,
    /// The narrowest first.
    groups: Vec<Group>,
}

impl<'a> Place<'a> {
    fn of(
        release: &'a Arc<LoadedRelease>,
        age_years: i32,
        sex: &str,
        region: Option<&str>,
    ) -> Option<Place<'a>> {
        let key = |name| release.release().keys.iter().find(|key| key.name == name);
        let age_years = u32::try_from(age_years).ok()?;
        let bands = &key(KeyName::AgeBand)?.values;
        let band = bands.iter().find(|band| {
            band.age_years_min.is_some_and(|min| min <= age_years)
                && band.age_years_max.is_none_or(|max| age_years <= max)
        })?;
        let mut wide = Group::default();
        wide.0.insert(KeyName::AgeBand, band.name.clone());
        wide.0.insert(KeyName::Sex, sex.to_owned());
        let mut groups = Vec::new();
        if let Some(region) = region.and_then(|region| region_of(release, region)) {
            let mut narrow = wide.clone();
            narrow.0.insert(KeyName::Region, region);
            groups.push(narrow);
        }
        groups.push(wide);
        groups.retain(|group| release.peers(group).is_some());
        (!groups.is_empty()).then_some(Place { release, groups })
    }

    /// Each group's scales, the narrowest group first.
    fn scales(&self) -> impl Iterator<Item = (&Group, &PeerScale)> {
        let each = self.groups.iter().filter_map(|group| Some((group, self.release.peers(group)?)));
        each.flat_map(|(group, peers)| peers.scales.iter().map(move |scale| (group, scale)))
    }

    fn standing(
        &self,
        (group, scale): (&Group, &PeerScale),
        (value, time): (f64, Time),
        classes: Classes,
    ) -> Option<PeerStanding> {
        let (concept, title, unit) = match &scale.of {
            PeerScaleOf::Risk { .. } => (None, "predicted risk".to_owned(), None),
            PeerScaleOf::Measurement { concept, title, unit } => {
                (Some(concept.clone()), title.clone(), unit.clone())
            }
        };
        Some(PeerStanding {
            concept,
            text: direction_text(scale.direction, &title),
            title,
            value,
            unit,
            time,
            group: group.clone(),
            group_text: words(group),
            people: scale.people,
            standing: scale.standing(value)?,
            median: scale.median(),
            direction: scale.direction,
            release: self.release.release().name.clone(),
            period: self.release.release().periods.last()?.name.clone(),
            classes,
        })
    }
}

/// The value of the release's regions that `region` belongs to, cut as they are.
fn region_of(release: &LoadedRelease, region: &str) -> Option<String> {
    let release = release.release();
    let regions = release.keys.iter().find(|key| key.name == KeyName::Region)?;
    let shown = region_shown(Some(region), release.region_digits_max as usize);
    regions.values.iter().any(|value| value.name == shown).then_some(shown)
}

/// Where the risk lies; nothing without a probability.
fn risk(places: &[Place<'_>], compared: &Compared<'_>) -> Result<Option<PeerStanding>, String> {
    let Some(probability) = compared.score.probability else { return Ok(None) };
    let manifest = compared.model.bundle.manifest();
    let mut other_version = false;
    for place in places {
        for (group, scale) in place.scales() {
            let PeerScaleOf::Risk { task, bundle_digest } = &scale.of else { continue };
            if *task != manifest.task {
                continue;
            }
            if bundle_digest == compared.model.bundle.digest() {
                let value = (probability, compared.score.index_time);
                return Ok(place.standing((group, scale), value, Classes::NONE));
            }
            other_version = true;
        }
    }
    Err(if other_version {
        "the groups' risks are by another version of the model and are not compared".to_owned()
    } else {
        "the releases hold no risks of this task for a group of this patient".to_owned()
    })
}

/// Where the measured values lie, each once: in the first release that has a scale of it.
fn measurements(places: &[Place<'_>], compared: &Compared<'_>, view: &View<'_>, peer: &mut Peer) {
    let concepts = compared.model.bundle.concepts();
    let from = view.index_time().plus_days(-VALUE_AGE_DAYS);
    let mut recent = view.dated();
    recent.retain(|dated| dated.time > from);
    let mut seen: Vec<&str> = Vec::new();
    for place in places {
        for (group, scale) in place.scales() {
            let PeerScaleOf::Measurement { concept, title, unit } = &scale.of else { continue };
            if seen.contains(&concept.as_str()) {
                continue;
            }
            seen.push(concept);
            let known = concepts
                .find(concept)
                .filter(|id| concepts.get(*id).is_some_and(|known| known.unit == *unit));
            let values = Values::check("peers", concept, &[], concepts).ok();
            let (Some(id), Some(values)) = (known, values) else {
                let note = format!("{title}: the model does not know it, or in another unit");
                peer.notes.push(note);
                continue;
            };
            let of_scale = concepts.classes_of(id);
            peer.scale_classes = peer.scale_classes.and(of_scale);
            let Some((dated, value)) = values.latest_reading(&recent) else { continue };
            let classes = of_scale.and(view.classes_of(&view.evidence(dated.entry)));
            let standing = place.standing((group, scale), (value, dated.time), classes);
            peer.measurements.extend(standing);
        }
    }
}

fn direction_text(direction: Direction, title: &str) -> String {
    match direction {
        Direction::Rising => format!("In this group {title} is rising."),
        Direction::Falling => format!("In this group {title} is falling."),
        Direction::NoClearChange => format!("In this group {title} shows no clear change."),
        Direction::NotKnown => {
            format!("Whether {title} rises or falls in this group cannot be said.")
        }
    }
}
