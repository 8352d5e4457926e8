use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};

/// A complete answer.
pub(crate) type Page = Response<Bytes>;

pub(crate) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer of this type.
pub(crate) fn page(content_type: HeaderValue, body: impl Into<Bytes>) -> Page {
    let mut page = Response::new(body.into());
    page.headers_mut().insert(CONTENT_TYPE, content_type);
    page
}

/// An error in the form of Go's `net/http`: plain text with a newline, and not to be taken for anything else.
pub(crate) fn error(status: StatusCode, text: &str) -> Page {
    let mut page = page(TEXT, format!("{text}\n"));
    page.headers_mut()
        .insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    *page.status_mut() = status;
    page
}

pub(crate) fn not_found() -> Page {
    error(StatusCode::NOT_FOUND, "404 page not found")
}

/// Only GET is allowed here.
pub(crate) fn method_not_allowed() -> Page {
    let mut page = error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    page.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    page
}
