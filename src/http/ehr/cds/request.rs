//! What an EHR sends when a hook fires.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use super::hook::Hook;
use super::json::{Faults, Object, is_fhir_id, is_uuid};
use crate::record::Violation;

/// The longest name of a hook, a key or a type, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// The longest reference to a user, in bytes.
const REFERENCE_BYTES_MAX: usize = 128;
/// The longest address of a FHIR server, in bytes.
const SERVER_BYTES_MAX: usize = 1_024;
/// The longest access token, in bytes.
const TOKEN_BYTES_MAX: usize = 16 << 10;
/// The longest list of scopes, in bytes.
const SCOPE_BYTES_MAX: usize = 8 << 10;
/// The most keys of prefetched data; a service of ours has a dozen.
const PREFETCH_MAX: usize = 64;

/// Who is at the EHR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UserKind {
    Practitioner,
    PractitionerRole,
    Patient,
    RelatedPerson,
}

impl UserKind {
    const ALL: [(&'static str, UserKind); 4] = [
        ("Practitioner", UserKind::Practitioner),
        ("PractitionerRole", UserKind::PractitionerRole),
        ("Patient", UserKind::Patient),
        ("RelatedPerson", UserKind::RelatedPerson),
    ];
}

/// The right to ask the EHR's FHIR server.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct FhirAuthorization<'a> {
    /// Visible ASCII.
    pub(super) access_token: Cow<'a, str>,
    pub(super) expires_in_seconds: Option<u64>,
    pub(super) scope: Option<Cow<'a, str>>,
    /// The client that the token was given to.
    pub(super) subject: Option<Cow<'a, str>>,
}

/// A call of a service.
#[derive(Clone)]
pub(super) struct HookRequest<'a> {
    pub(super) hook: Hook,
    /// A UUID: the same for all services that one firing of the hook calls.
    pub(super) hook_instance: Cow<'a, str>,
    pub(super) user_kind: UserKind,
    pub(super) user_id: Cow<'a, str>,
    /// A FHIR id.
    pub(super) patient_id: Cow<'a, str>,
    /// A FHIR id; always there at a discharge.
    pub(super) encounter_id: Option<Cow<'a, str>>,
    /// What came along, by key, each key once; `null` where the EHR has nothing of it.
    pub(super) prefetch: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// As it was given: an absolute address, not yet allowed.
    pub(super) fhir_server: Option<Cow<'a, str>>,
    pub(super) authorization: Option<FhirAuthorization<'a>>,
}

impl<'a> HookRequest<'a> {
    /// Reads a call of the service of `hook`. Fields and extensions that are not known are passed over.
    ///
    /// # Errors
    /// The places that cannot be used, such as `context.patientId`; never a value.
    pub(super) fn read(json: &'a [u8], hook: Hook) -> Result<HookRequest<'a>, Vec<Violation>> {
        let mut faults = Faults::default();
        let Some(body) = Object::whole(json, &mut faults) else { return faults.or(None) };
        let named = body.required("hook", NAME_BYTES_MAX, &mut faults);
        if named.is_some_and(|named| named != hook.name()) {
            faults.add("hook", "is not the hook of this service");
        }
        let hook_instance = body.required("hookInstance", NAME_BYTES_MAX, &mut faults);
        if hook_instance.as_ref().is_some_and(|text| !is_uuid(text)) {
            faults.add("hookInstance", "must be a UUID");
        }
        let context = context(&body, hook, &mut faults);
        let prefetch = prefetch(&body, &mut faults);
        let fhir_server = fhir_server(&body, &mut faults);
        let patient_id = context.as_ref().map(|context| &*context.patient_id);
        let authorization = authorization(&body, patient_id, &mut faults);
        if body.get("fhirAuthorization").is_some() && body.get("fhirServer").is_none() {
            faults.add("fhirServer", "is missing beside fhirAuthorization");
        }
        let read = hook_instance.zip(context).map(|(hook_instance, context)| HookRequest {
            hook,
            hook_instance,
            user_kind: context.user_kind,
            user_id: context.user_id,
            patient_id: context.patient_id,
            encounter_id: context.encounter_id,
            prefetch,
            fhir_server,
            authorization,
        });
        faults.or(read)
    }
}

impl HookRequest<'_> {
    /// Who is at the EHR, for the access log: of patients and those around them no id, since it would name
    /// the patient there.
    pub(super) fn user(&self) -> Option<String> {
        let id = &self.user_id;
        match self.user_kind {
            UserKind::Practitioner => Some(format!("Practitioner/{id}")),
            UserKind::PractitionerRole => Some(format!("PractitionerRole/{id}")),
            UserKind::Patient | UserKind::RelatedPerson => None,
        }
    }
}

struct Context<'a> {
    user_kind: UserKind,
    user_id: Cow<'a, str>,
    patient_id: Cow<'a, str>,
    encounter_id: Option<Cow<'a, str>>,
}

fn context<'a>(body: &Object<'a>, hook: Hook, faults: &mut Faults) -> Option<Context<'a>> {
    if body.get("context").is_none() {
        faults.add("context", "is missing");
        return None;
    }
    let context = body.object("context", faults)?;
    let user = context.required("userId", REFERENCE_BYTES_MAX, faults);
    let user = user.and_then(|user| {
        let read = self::user(&user);
        if read.is_none() {
            let reason = "must be a reference such as Practitioner/1 to a Practitioner, \
                          PractitionerRole, Patient or RelatedPerson";
            faults.add("context.userId", reason);
        }
        read
    });
    let mut id = |name: &str, is_required: bool| {
        let found = match is_required {
            true => context.required(name, REFERENCE_BYTES_MAX, faults),
            false => context.text(name, REFERENCE_BYTES_MAX, faults),
        };
        if found.as_ref().is_some_and(|id| !is_fhir_id(id)) {
            let reason = "must be a bare FHIR id: 1 to 64 letters, digits, hyphens and dots";
            faults.add(&context.at(name), reason);
        }
        found.filter(|id| is_fhir_id(id))
    };
    let patient_id = id("patientId", true);
    let encounter_id = id("encounterId", hook == Hook::EncounterDischarge);
    let ((user_kind, user_id), patient_id) = user.zip(patient_id)?;
    Some(Context { user_kind, user_id: Cow::Owned(user_id), patient_id, encounter_id })
}

fn user(reference: &str) -> Option<(UserKind, String)> {
    let (kind, id) = reference.split_once('/')?;
    let (_, kind) = UserKind::ALL.into_iter().find(|(name, _)| *name == kind)?;
    is_fhir_id(id).then(|| (kind, id.to_owned()))
}

fn prefetch<'a>(body: &Object<'a>, faults: &mut Faults) -> Vec<(Cow<'a, str>, &'a RawValue)> {
    let Some(prefetch) = body.object("prefetch", faults) else { return Vec::new() };
    if prefetch.fields().len() > PREFETCH_MAX {
        faults.add("prefetch", "more than 64 keys");
        return Vec::new();
    }
    prefetch.fields().to_vec()
}

fn fhir_server<'a>(body: &Object<'a>, faults: &mut Faults) -> Option<Cow<'a, str>> {
    let server = body.text("fhirServer", SERVER_BYTES_MAX, faults)?;
    let is_absolute = server.split_once("://").is_some_and(|(scheme, rest)| {
        ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) && !rest.is_empty()
    });
    if !is_absolute {
        faults.add("fhirServer", "must be an absolute address that begins with https://");
    }
    Some(server)
}

fn authorization<'a>(
    body: &Object<'a>,
    patient_id: Option<&str>,
    faults: &mut Faults,
) -> Option<FhirAuthorization<'a>> {
    let given = body.object("fhirAuthorization", faults)?;
    let access_token = given.required("access_token", TOKEN_BYTES_MAX, faults);
    let is_visible = |token: &Cow<'_, str>| token.bytes().all(|byte| byte.is_ascii_graphic());
    if access_token.as_ref().is_some_and(|token| !is_visible(token)) {
        faults.add(&given.at("access_token"), "must be visible ASCII");
    }
    let kind = given.required("token_type", NAME_BYTES_MAX, faults);
    if kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("Bearer")) {
        faults.add(&given.at("token_type"), "must be Bearer");
    }
    let expires_in_seconds = given.get("expires_in").and_then(|value| {
        let seconds = value.get().parse().ok();
        if seconds.is_none() {
            faults.add(&given.at("expires_in"), "must be a whole number of seconds");
        }
        seconds
    });
    let patient = given.text("patient", REFERENCE_BYTES_MAX, faults);
    if patient.is_some_and(|patient| patient_id.is_some_and(|id| id != patient)) {
        faults.add(&given.at("patient"), "is another patient than that of the context");
    }
    Some(FhirAuthorization {
        access_token: access_token?,
        expires_in_seconds,
        scope: given.text("scope", SCOPE_BYTES_MAX, faults),
        subject: given.text("subject", NAME_BYTES_MAX, faults),
    })
}

/// Without ids, tokens and data, which belong in no log.
impl fmt::Debug for HookRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookRequest")
            .field("hook", &self.hook)
            .field("prefetch", &self.prefetch.len())
            .finish_non_exhaustive()
    }
}

/// Without the token.
impl fmt::Debug for FhirAuthorization<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FhirAuthorization")
    }
}
