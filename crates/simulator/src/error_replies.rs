//! How each platform says things: codes, HTTP statuses, messages, headers.
//!
//! Codes and their words come from the catalog; the few that the simulator itself needs and a catalog might lack have
//! a stand-in here, from <https://open.feishu.cn/document/ukTMukTMukTM/ugjM14COyUjL4ITN> and
//! <https://developer.work.weixin.qq.com/document/path/90313>, both read 2026-11-21.

use std::time::Duration;

use serde_json::{Value, json};

use super::request::SimMessage;
use super::tokens::BadToken;
use paceline_domain::catalog::{Envelope, ErrorRule, Method, Platform};

/// The families of platforms that the simulator can tell apart by their paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Feishu and Lark.
    Feishu,
    /// WeCom.
    Wecom,
}

impl Family {
    /// By the catalog's name of it.
    pub fn of(name: &str) -> Self {
        if name == "wecom" { Self::Wecom } else { Self::Feishu }
    }

    /// By the path of a request.
    pub fn of_path(path: &str) -> Self {
        if path.starts_with("/cgi-bin/") { Self::Wecom } else { Self::Feishu }
    }

    /// The code for a used-up quota.
    pub const fn over_quota(self) -> i64 {
        match self {
            Self::Feishu => 99_991_400,
            Self::Wecom => 45_009,
        }
    }

    /// The code for too many calls in flight.
    pub const fn too_many_in_flight(self) -> i64 {
        match self {
            Self::Feishu => 190_010,
            Self::Wecom => 45_033,
        }
    }

    /// The code for a path that exists for another HTTP method. WeCom reads no body then, so parameters are missing.
    pub const fn other_http_method(self) -> i64 {
        match self {
            Self::Feishu => 99_991_301,
            Self::Wecom => 40_058,
        }
    }

    /// The code for a body that is no JSON object.
    pub const fn bad_body(self) -> i64 {
        match self {
            Self::Feishu => 9_499,
            Self::Wecom => 47_001,
        }
    }

    /// The code for a bad access token.
    pub const fn bad_token(self, bad: BadToken) -> i64 {
        match (self, bad) {
            (Self::Feishu, BadToken::Missing) => 99_991_661,
            (Self::Feishu, BadToken::Malformed) => 99_991_671,
            (Self::Feishu, BadToken::Unknown | BadToken::Expired) => 99_991_663,
            (Self::Feishu, BadToken::UserRevoked) => 99_991_668,
            (Self::Wecom, BadToken::Missing) => 41_001,
            (Self::Wecom, BadToken::Expired) => 42_001,
            (Self::Wecom, BadToken::Malformed | BadToken::Unknown | BadToken::UserRevoked) => 40_014,
        }
    }

    /// The code for parameters that break the documented limits.
    pub fn bad_parameters(self, method: &Method) -> i64 {
        match self {
            Self::Wecom => 40_058,
            Self::Feishu => {
                [190_002, 121_003].into_iter().find(|code| method.errors.contains_key(code)).unwrap_or(99_992_402)
            }
        }
    }
}

const STAND_INS: &[(i64, u16, &str)] = &[
    (9_499, 400, "Bad Request"),
    // Refusals of credentials come with HTTP 200, as seen in public logs.
    (10_003, 200, "invalid param"),
    (10_014, 200, "app secret invalid"),
    (10_015, 200, "app secret invalid"),
    (40_001, 200, "invalid credential"),
    (40_013, 200, "invalid corpid"),
    (40_014, 200, "invalid access_token"),
    (40_058, 200, "invalid Request Parameter"),
    (41_001, 200, "access_token missing"),
    (41_002, 200, "corpid missing"),
    (41_004, 200, "secret missing"),
    (42_001, 200, "access_token expired"),
    (45_009, 200, "api freq out of limit"),
    (45_033, 200, "api concurrent out of limit"),
    (47_001, 200, "data format error"),
    (190_002, 400, "invalid parameters in request"),
    (190_003, 500, "internal service error"),
    (190_004, 429, "method rate limited"),
    (190_005, 429, "app rate limited"),
    (190_010, 429, "current operation rate limited"),
    (99_991_201, 404, "api not found"),
    (99_991_301, 404, "http method not allowed"),
    (99_991_400, 429, "request trigger frequency limit"),
    (99_991_661, 400, "Missing access token for authorization"),
    (99_991_663, 400, "Invalid access token for authorization"),
    (99_991_668, 400, "Invalid access token for authorization"),
    (99_991_671, 400, "Invalid access token for authorization"),
    (99_992_402, 400, "field validation failed"),
];

/// What an error says beside its code.
#[derive(Clone, Debug, Default)]
pub(crate) struct Details {
    /// In place of the documented HTTP status.
    pub status: Option<u16>,
    /// Added to the platform's words.
    pub hint: String,
    /// Feishu's headers of a refusal: the limit, and the seconds until it ends.
    pub limit: Option<(usize, Duration)>,
}

/// Answers with a code. `log_id` is the platform's own id of the request.
pub(crate) fn error(
    family: Family,
    platform: Option<&Platform>,
    method: Option<&Method>,
    code: i64,
    log_id: &str,
    details: &Details,
) -> SimMessage {
    let rule = method
        .and_then(|method| method.errors.get(&code))
        .or_else(|| platform.and_then(|platform| platform.errors.get(&code)));
    let (documented_status, words) = documented(rule, code);
    let words = if details.hint.is_empty() { words.to_owned() } else { format!("{words}: {}", details.hint) };
    match family {
        Family::Wecom => wecom_error(code, &words, log_id),
        Family::Feishu => {
            let status = details.status.unwrap_or(documented_status);
            let body = json!({"code": code, "msg": words, "error": {"log_id": log_id}});
            let message = with_log_id(SimMessage::json(status, &body), platform, log_id);
            match details.limit {
                Some((limit, wait)) => with_limits(message, limit, wait),
                None => message,
            }
        }
    }
}

/// The same with Feishu's headers of a limit and of the seconds until it ends.
pub(crate) fn with_limits(mut message: SimMessage, limit: usize, wait: Duration) -> SimMessage {
    // Rounded up: whoever waits that long finds room.
    let seconds = wait.as_micros().div_ceil(1_000_000).max(1);
    message.headers.push(("x-ogw-ratelimit-limit".to_owned(), limit.to_string()));
    message.headers.push(("x-ogw-ratelimit-reset".to_owned(), seconds.to_string()));
    message
}

/// A successful answer: the body with its code.
pub(crate) fn success(platform: &Platform, mut body: Value, log_id: &str) -> SimMessage {
    let Envelope { code, .. } = &platform.envelope;
    if let Some(fields) = body.as_object_mut() {
        fields.insert(code.clone(), Value::from(0));
    }
    with_log_id(SimMessage::json(200, &body), Some(platform), log_id)
}

fn documented(rule: Option<&ErrorRule>, code: i64) -> (u16, &str) {
    let stand_in = STAND_INS.iter().find(|(known, ..)| *known == code);
    let status = rule.map(|rule| rule.http).filter(|status| *status != 0).or(stand_in.map(|(_, status, _)| *status));
    let words = rule.map(|rule| rule.message.as_str()).or(stand_in.map(|(.., words)| *words));
    (status.unwrap_or(400), words.unwrap_or("simulated error"))
}

/// WeCom answers 200 and repeats code and words in headers; the log id is the hint in its words.
fn wecom_error(code: i64, words: &str, log_id: &str) -> SimMessage {
    let words = format!(
        "{words}, hint: [{log_id}], from ip: 127.0.0.1, more info at https://open.work.weixin.qq.com/devtool/query?e={code}"
    );
    let mut message = SimMessage::json(200, &json!({"errcode": code, "errmsg": words}));
    message.headers.push(("error-code".to_owned(), code.to_string()));
    let ascii: String =
        words.chars().map(|letter| if letter.is_ascii_graphic() || letter == ' ' { letter } else { '?' }).collect();
    message.headers.push(("error-msg".to_owned(), ascii));
    message
}

fn with_log_id(mut message: SimMessage, platform: Option<&Platform>, log_id: &str) -> SimMessage {
    if let Some(header) = platform.map(|platform| &platform.envelope.log_id_header).filter(|header| !header.is_empty())
    {
        message.headers.push((header.clone(), log_id.to_owned()));
    }
    message
}
