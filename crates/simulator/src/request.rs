//! A request as it reaches the simulated platform, and what goes back.

use std::time::Duration;

use bytes::Bytes;
use percent_encoding::percent_decode_str;

/// A request, taken apart. It may hold secrets: it has no `Debug`.
pub struct SimRequest {
    /// `GET`, `POST`, …
    pub http_method: String,
    /// The path, still percent-encoded, without query.
    pub path: String,
    /// Decoded pairs of the query, in order.
    pub query: Vec<(String, String)>,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The body, empty if none.
    pub body: Bytes,
}

impl SimRequest {
    /// Takes a target like `/cgi-bin/gettoken?corpid=ww1` apart.
    pub fn new(http_method: &str, target: &str, authorization: Option<String>, body: Bytes) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect();
        Self {
            http_method: http_method.to_owned(),
            path: path.to_owned(),
            query,
            authorization,
            content_type: None,
            body,
        }
    }

    /// The same with a `Content-Type`.
    #[must_use]
    pub fn with_content_type(self, content_type: Option<String>) -> Self {
        Self { content_type, ..self }
    }

    /// The value of a query parameter.
    pub fn query_value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The target of an absolute URL: what follows scheme and host. `None` if it is no absolute URL.
pub fn target_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#'])?;
    rest[end..].split('#').next()
}

fn pair(text: &str) -> (String, String) {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    (decoded(&key.replace('+', " ")), decoded(&value.replace('+', " ")))
}

/// Undoes percent-encoding; what is not UTF-8 is replaced.
pub(super) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// What the platform does with a request that has arrived.
#[derive(Clone, Debug)]
pub struct SimAnswer {
    /// How long after the arrival the reply is there.
    pub after: Duration,
    /// The reply.
    pub reply: SimReply,
}

/// What goes back to the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SimReply {
    /// A whole HTTP answer.
    Whole(SimMessage),
    /// The head and half of the body, then the connection is cut.
    Partial(SimMessage),
    /// The connection is cut without a byte.
    Cut,
    /// No connection could be made: the request never left.
    Unreachable,
}

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimMessage {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl SimMessage {
    /// A JSON answer.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
        Self { status, headers, body: body.to_string().into() }
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_taken_apart() {
        let url = "https://open.feishu.cn/open-apis/x/a%40b?page_token=a%2Bb&q=%E4%BC%9A+x&empty&#part";
        let request = SimRequest::new("GET", target_of(url).unwrap(), None, Bytes::new());
        assert_eq!(request.path, "/open-apis/x/a%40b");
        assert_eq!(request.query_value("page_token"), Some("a+b"));
        assert_eq!(request.query_value("q"), Some("会 x"));
        assert_eq!(request.query_value("empty"), Some(""));
        assert_eq!(request.query_value("none"), None);
        assert_eq!(target_of("no url"), None);
        assert_eq!(target_of("http://host"), None);
    }
}
