//! The work list by plain requests: who stays logged in, who is kept from guessing, and what is recorded.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::site::calls;
use super::worklist::Ward;

/// A record of the work list's: method, outcome, whose, and whether the patient is noted.
type Said<'a> = (&'a str, &'a str, &'a str, bool);

const NOBODY: &str = "not recognised";

/// What the log has of uses of flags.
fn uses(records: &[Value]) -> Vec<Said<'_>> {
    let said = records.iter().map(|record| {
        let text = |name: &str| record[name].as_str().unwrap();
        (text("method"), text("outcome"), text("caller"), record["patient"].is_string())
    });
    said.filter(|(method, ..)| *method != "Score").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_tab_that_looks_by_itself_keeps_nobody_logged_in() {
    let ward = Ward::open("5", &[]);
    let logged_in = ward.log_in(&ward.nurse);
    let cookie = logged_in.cookie().unwrap();
    let list = ward.ask("/", cookie, None);
    let used = Instant::now();
    assert!(list.headers.contains("refresh: 6;url=/login?ended=idle"), "{}", list.headers);
    tokio::time::sleep(Duration::from_secs(2)).await;
    for _ in 0..3 {
        let looked = ward.ask("/login?ended=idle", cookie, None);
        assert_eq!(looked.status, 200);
        assert!(looked.text.contains("You are still logged in"), "{}", looked.text);
        assert!(looked.text.contains("href=\"/\">Go on"), "{}", looked.text);
        assert!(looked.headers.contains("url=/login?ended=idle"), "{}", looked.headers);
    }
    assert_eq!(ward.ask("/login", cookie, None).leads_to(), Some("/"));
    tokio::time::sleep(Duration::from_millis(5_200).saturating_sub(used.elapsed())).await;
    let over = ward.ask("/login?ended=idle", cookie, None);
    assert!(over.text.contains("You were logged off"), "{}", over.text);
    assert_eq!(ward.ask("/", cookie, None).leads_to(), Some("/login?ended=idle"));

    let Ward { site, server, .. } = ward;
    assert!(server.end().0.success());
    let records = calls(&site.log());
    assert_eq!(
        uses(&records),
        [("ListFlags", "OK", "nurse", false), ("ListFlags", "UNAUTHENTICATED", NOBODY, false)],
        "to look is no use"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_logins_are_slow_and_keep_nobody_else_out() {
    let ward = Ward::open("900", &[]);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let wrong = |n: usize| format!("pk_0011223344556677_{n}");
        let tries: Vec<_> = (0..14)
            .map(|n| (n, &ward))
            .map(|(n, ward)| scope.spawn(move || ward.log_in(&wrong(n)).status))
            .collect();
        tries.into_iter().map(|each| each.join().unwrap()).collect()
    });
    let of = |status: u16| statuses.iter().filter(|each| **each == status).count();
    assert!(of(401) >= 10 && of(429) >= 1 && of(401) + of(429) == 14, "{statuses:?}");
    // A whole shift, at one address.
    for nurse in 0..15 {
        assert_eq!(ward.log_in(&ward.nurse).status, 303, "{nurse}");
    }
    let Ward { site, server, .. } = ward;
    assert!(server.end().0.success());
    let records = calls(&site.log());
    let uses = uses(&records);
    let recorded = |outcome| uses.iter().filter(|each| each.1 == outcome).count();
    assert_eq!((recorded("UNAUTHENTICATED"), recorded("RESOURCE_EXHAUSTED")), (of(401), of(429)));
    assert_eq!(uses.len(), 14, "who is let in has a record of what is looked at");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_uses_of_the_pages_are_recorded_as_those_of_grpc_are() {
    let ward = Ward::open("900", &[]);
    ward.fill(1).await;
    assert_eq!(ward.ask("/", "", None).leads_to(), Some("/login"));
    assert_eq!(ward.log_in("pk_wrong").status, 401);
    let unknown = format!("/flags/{}", "0f".repeat(16));
    assert_eq!(ward.ask(&unknown, "", None).leads_to(), Some("/login"));
    let logged_in = ward.log_in(&ward.nurse);
    let cookie = logged_in.cookie().unwrap();
    let list = ward.ask("/", cookie, None);
    let (_, rest) = list.text.split_once("action=\"/flags/").unwrap();
    let path = format!("/flags/{}", &rest[..32]);
    let good = format!("form={}&version=1", list.token());
    let form = |wish: &str| format!("{good}&do={wish}");
    let evil = format!("{cookie}\r\nsec-fetch-site: cross-site");
    for (path, cookies, form, status) in [
        ("/?state=odd", cookie, None, 400),
        ("/flags/nonsense", cookie, None, 404),
        (&*unknown, cookie, None, 404),
        (&*path, cookie, None, 200),
        (&*path, cookie, Some("version=1&do=acknowledge".to_owned()), 403),
        (&*path, cookie, Some("version=1&do=useful".to_owned()), 403),
        (&*path, "", Some(form("acknowledge")), 303),
        (&*path, &*evil, Some(form("acknowledge")), 403),
        ("/flags/nonsense", cookie, Some(form("acknowledge")), 404),
        (&*unknown, cookie, Some(form("acknowledge")), 404),
        (&*path, cookie, Some(form("explode")), 422),
        (&*path, cookie, Some(form("reopen")), 422),
        (&*path, cookie, Some(form("acknowledge")), 303),
        (&*path, cookie, Some(form("snooze-1")), 409),
    ] {
        assert_eq!(ward.ask(path, cookies, form.as_deref()).status, status, "{path} {form:?}");
    }
    let Ward { site, server, .. } = ward;
    assert!(server.end().0.success());
    let expected = [
        ("ListFlags", "UNAUTHENTICATED", NOBODY, false),
        ("ListFlags", "UNAUTHENTICATED", NOBODY, false),
        ("ListFlags", "OK", "nurse", false),
        ("ListFlags", "INVALID_ARGUMENT", "nurse", false),
        ("ListFlags", "NOT_FOUND", "nurse", false),
        ("ListFlags", "NOT_FOUND", "nurse", false),
        ("ListFlags", "OK", "nurse", true),
        ("UpdateFlag", "PERMISSION_DENIED", "nurse", true),
        ("RecordFeedback", "PERMISSION_DENIED", "nurse", true),
        ("UpdateFlag", "UNAUTHENTICATED", NOBODY, false),
        ("UpdateFlag", "PERMISSION_DENIED", NOBODY, false),
        ("UpdateFlag", "NOT_FOUND", "nurse", false),
        ("UpdateFlag", "NOT_FOUND", "nurse", false),
        // A form that is refused, and the page that says so.
        ("UpdateFlag", "INVALID_ARGUMENT", "nurse", true),
        ("ListFlags", "OK", "nurse", true),
        ("UpdateFlag", "FAILED_PRECONDITION", "nurse", true),
        ("ListFlags", "OK", "nurse", true),
        ("UpdateFlag", "OK", "nurse", true),
        ("UpdateFlag", "ABORTED", "nurse", true),
        ("ListFlags", "OK", "nurse", true),
    ];
    let records = calls(&site.log());
    assert_eq!(uses(&records), expected);
    let has = |name: &str| records.iter().find(|record| record[name].is_array());
    let listed = has("listed").expect("the list names whose flags it showed");
    assert_eq!((&listed["outcome"], listed["listed"].as_array().unwrap().len()), (&"OK".into(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_that_encrypts_cookies_cross_no_clear_network() {
    let ward = Ward::open("900", &[("WORKLIST__BEHIND_TLS", "true")]);
    let logged_in = ward.log_in(&ward.nurse);
    assert_eq!(logged_in.status, 303);
    let cookie = logged_in.cookie().unwrap();
    assert!(cookie.starts_with("__Host-prodrome-session-"), "{cookie}");
    let words = "; Path=/; HttpOnly; SameSite=Strict; Secure";
    assert!(logged_in.headers.contains(words), "{}", logged_in.headers);
    assert_eq!(ward.ask("/", cookie, None).status, 200);
}
