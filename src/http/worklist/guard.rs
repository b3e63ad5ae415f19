//! What stands around every page: headers that keep it closed, and whether a request is our own.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::response::Response;

use super::session::Ticket;
use crate::http::surroundings::is_of_this_host;

/// Nothing is fetched from elsewhere, nothing runs but our own script, nobody frames the page.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
    img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// What a page has no need of.
const PERMISSIONS: &str = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";

/// Puts the headers of every page on.
pub(super) async fn closed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let each = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
    ];
    for (name, value) in each {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether a request can be one of our own pages', as far as the browser says where it comes from; the
/// token in its form says the rest.
pub(super) fn is_own(request: &Request) -> bool {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return true;
    }
    let headers = request.headers();
    if let Some(site) = text(headers, "sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    match text(headers, "origin") {
        // By no-referrer browsers say `null` of our own pages as well.
        None | Some("null") => true,
        Some(origin) => is_of_this_host(origin, headers),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The cookies of one server: others on the same machine have other ports, which browsers do not tell
/// apart.
#[derive(Debug, Clone)]
pub(super) struct Cookies {
    /// Of somebody who is logged in.
    session: String,
    /// Of somebody who is not: ties the login form to the browser that it was shown in.
    visit: String,
    is_encrypted: bool,
}

impl Cookies {
    pub(super) fn new(port: u16, is_encrypted: bool) -> Cookies {
        // Browsers take a name that begins so by an encrypted connection alone, and for this host alone.
        let prefix = if is_encrypted { "__Host-" } else { "" };
        let name = |what: &str| format!("{prefix}prodrome-{what}-{port}");
        Cookies { session: name("session"), visit: name("visit"), is_encrypted }
    }

    pub(super) fn session(&self, headers: &HeaderMap) -> Option<Ticket> {
        find(headers, &self.session)
    }

    pub(super) fn visit(&self, headers: &HeaderMap) -> Option<Ticket> {
        find(headers, &self.visit)
    }

    pub(super) fn set_session(&self, response: &mut Response, ticket: &Ticket) {
        self.set(response, &self.session, ticket.text(), "");
    }

    pub(super) fn set_visit(&self, response: &mut Response, ticket: &Ticket) {
        self.set(response, &self.visit, ticket.text(), "");
    }

    pub(super) fn drop_session(&self, response: &mut Response) {
        self.set(response, &self.session, "", "; Max-Age=0");
    }

    fn set(&self, response: &mut Response, name: &str, value: &str, more: &str) {
        let secure = if self.is_encrypted { "; Secure" } else { "" };
        let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{more}");
        if let Ok(mut cookie) = HeaderValue::try_from(cookie) {
            cookie.set_sensitive(true);
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
}

fn find(headers: &HeaderMap, name: &str) -> Option<Ticket> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs =
        lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(known, _)| *known == name).and_then(|(_, value)| Ticket::read(value))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(method: Method, headers: &[(&str, &str)]) -> Request {
        let mut builder =
            Request::builder().method(method).uri("/").header("host", "127.0.0.1:8321");
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(Body::empty()).unwrap()
    }

    #[test]
    fn what_another_site_sends_is_not_ours() {
        let (site, origin) = ("sec-fetch-site", "origin");
        for (headers, own) in [
            (&[][..], true),
            (&[(site, "same-origin"), (origin, "null")], true),
            (&[(site, "none")], true),
            (&[(site, "cross-site")], false),
            (&[(site, "same-site")], false),
            (&[(site, "cross-site"), (origin, "http://127.0.0.1:8321")], false),
            (&[(origin, "http://127.0.0.1:8321")], true),
            (&[(origin, "http://127.0.0.1:9000")], false),
            (&[(origin, "https://evil.example")], false),
            (&[(origin, "nonsense")], false),
        ] {
            assert_eq!(is_own(&request(Method::POST, headers)), own, "{headers:?}");
            assert!(is_own(&request(Method::GET, headers)));
        }
    }

    #[test]
    fn cookies_are_found_by_their_own_name() {
        let ticket = Ticket::draw().unwrap();
        let cookies = Cookies::new(443, true);
        let mut response = Response::new(Body::empty());
        cookies.set_session(&mut response, &ticket);
        let set = response.headers()["set-cookie"].to_str().unwrap().to_owned();
        let rest = "; Path=/; HttpOnly; SameSite=Strict; Secure";
        assert_eq!(set, format!("__Host-prodrome-session-443={}{rest}", ticket.text()));
        let mut headers = HeaderMap::new();
        let sent = format!("a=b; {}; c", set.split(';').next().unwrap());
        headers.insert("cookie", HeaderValue::try_from(sent).unwrap());
        assert!(cookies.session(&headers).is_some_and(|found| found == ticket));
        assert!(cookies.visit(&headers).is_none());
        assert!(Cookies::new(444, true).session(&headers).is_none());
    }
}
