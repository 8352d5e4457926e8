use http::StatusCode;
use serde::Serialize;
use tonic::{Code, Status};

use crate::page::{JSON, Page, page};

#[derive(Serialize)]
struct Told<'a> {
    code: i32,
    message: &'a str,
}

#[derive(Serialize)]
struct InStream<'a> {
    error: Told<'a>,
}

fn told(status: &Status) -> Told<'_> {
    Told {
        code: status.code() as i32,
        message: status.message(),
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("a struct of a number and a string has a JSON form")
}

/// A failed call.
pub(super) fn answer(status: &Status) -> Page {
    with_code(status, json(&told(status)))
}

/// A stream that failed before it began.
pub(super) fn stream_answer(status: &Status) -> Page {
    with_code(status, json(&InStream { error: told(status) }))
}

/// The last line of a stream that fails.
pub(super) fn line(status: &Status) -> Vec<u8> {
    let mut line = json(&InStream { error: told(status) });
    line.push(b'\n');
    line
}

fn with_code(status: &Status, body: Vec<u8>) -> Page {
    let mut page = page(JSON, body);
    *page.status_mut() = http_status(status.code());
    page
}

/// What HTTP calls a code of gRPC.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_http_status() {
        let statuses: Vec<u16> = (0..17)
            .map(|code| http_status(Code::from_i32(code)).as_u16())
            .collect();
        assert_eq!(
            statuses,
            [
                200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401
            ]
        );
        let status = Status::unknown("\"leader\" field must be provided");
        assert_eq!(
            answer(&status).body(),
            r#"{"code":2,"message":"\"leader\" field must be provided"}"#
        );
        assert_eq!(
            line(&Status::not_found("x")),
            b"{\"error\":{\"code\":5,\"message\":\"x\"}}\n"
        );
    }
}
