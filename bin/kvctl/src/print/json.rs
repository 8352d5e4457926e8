//! JSON as Go's encoder writes it: fields in their order, bytes in base64, what could mean something to a browser
//! escaped.

use std::fmt::{self, Display, Formatter, Write};

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use kv_client::kv_proto::etcdserverpb::ResponseHeader;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Text(String),
    Bytes(Bytes),
    List(Vec<Json>),
    Object(Object),
}

/// Fields in the order they were put in.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Object(Vec<(&'static str, Json)>);

impl Object {
    /// A field that is always there.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Json>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// A field that is left out if it is zero, false or empty.
    pub(crate) fn with_some(self, name: &'static str, value: impl Into<Json>) -> Self {
        let value = value.into();
        if value.is_empty() {
            self
        } else {
            self.with(name, value)
        }
    }

    /// The `header` field, if there is a header.
    pub(crate) fn with_header(self, header: Option<&ResponseHeader>) -> Self {
        self.with_some(
            "header",
            header.map(|header| Self::default().with_header_fields(Some(header))),
        )
    }

    /// The fields of the header, among others.
    pub(crate) fn with_header_fields(self, header: Option<&ResponseHeader>) -> Self {
        let Some(header) = header else { return self };
        self.with_some("cluster_id", header.cluster_id)
            .with_some("member_id", header.member_id)
            .with_some("revision", header.revision)
            .with_some("raft_term", header.raft_term)
    }
}

impl Json {
    fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(value) => !value,
            Self::Signed(value) => *value == 0,
            Self::Unsigned(value) => *value == 0,
            Self::Text(text) => text.is_empty(),
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::List(items) => items.is_empty(),
            // An absent message is `Null`; one without fields is there.
            Self::Object(_) => false,
        }
    }
}

impl Display for Json {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Signed(value) => write!(out, "{value}"),
            Self::Unsigned(value) => write!(out, "{value}"),
            Self::Text(text) => write_text(out, text),
            Self::Bytes(bytes) => write!(out, "\"{}\"", Base64Display::new(bytes, &STANDARD)),
            Self::List(items) => {
                out.write_char('[')?;
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.write_char(',')?;
                    }
                    write!(out, "{item}")?;
                }
                out.write_char(']')
            }
            Self::Object(Object(fields)) => {
                out.write_char('{')?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        out.write_char(',')?;
                    }
                    write!(out, "\"{name}\":{value}")?;
                }
                out.write_char('}')
            }
        }
    }
}

fn write_text(out: &mut Formatter<'_>, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for char in text.chars() {
        match char {
            '"' | '\\' => write!(out, "\\{char}")?,
            '\x08' => out.write_str("\\b")?,
            '\x0c' => out.write_str("\\f")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\0'..' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                write!(out, "\\u{:04x}", u32::from(char))?
            }
            _ => out.write_char(char)?,
        }
    }
    out.write_char('"')
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i32> for Json {
    fn from(value: i32) -> Self {
        Self::Signed(value.into())
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Self {
        Self::Signed(value)
    }
}

impl From<u32> for Json {
    fn from(value: u32) -> Self {
        Self::Unsigned(value.into())
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Self::Unsigned(value)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Json {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&Bytes> for Json {
    fn from(bytes: &Bytes) -> Self {
        Self::Bytes(bytes.clone())
    }
}

impl From<Object> for Json {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl From<Vec<Json>> for Json {
    fn from(items: Vec<Json>) -> Self {
        Self::List(items)
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A list of texts.
pub(crate) fn texts(texts: &[String]) -> Json {
    Json::List(texts.iter().map(Json::from).collect())
}

/// A list that is `null` when it is empty, as a slice of Go is that nothing was put in.
pub(crate) fn nullable(items: Vec<Json>) -> Json {
    if items.is_empty() {
        Json::Null
    } else {
        Json::List(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_and_empty_ones_are_left_out() {
        let object = Object::default()
            .with_some("zero", 0_i64)
            .with_some("z", 1_i64)
            .with("false", false)
            .with_some("a", &Bytes::from_static(b"\xff\x00k"))
            .with("list", vec![Json::Null, Object::default().into()])
            .with_some("big", u64::MAX)
            .with_some("header", None::<Object>);
        let want = r#"{"z":1,"false":false,"a":"/wBr","list":[null,{}],"big":18446744073709551615}"#;
        assert_eq!(Json::from(object).to_string(), want);
    }

    #[test]
    fn texts_are_escaped_as_go_escapes_them() {
        let text = Json::from("<a href=\"x\">&\\\n\u{1}\u{2028}é");
        assert_eq!(
            text.to_string(),
            r#""\u003ca href=\"x\"\u003e\u0026\\\n\u0001\u2028é""#
        );
    }
}
