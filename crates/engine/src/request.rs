//! From a method and its parameters to an HTTP request.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

use super::app::App;
use super::ports::Request;
use paceline_domain::catalog::{Method, TokenPlace};
use paceline_domain::job::Params;
use paceline_domain::json;
use paceline_domain::messages::Cause;
use paceline_domain::segment;

/// Everything but RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Builds the request of one call. `token` is `None` for the calls that fetch one.
///
/// # Errors
/// A parameter of the path would lead the call to another address: nothing may be sent.
pub fn build(
    app: &App,
    method: &Method,
    params: &Params,
    token: Option<&SecretString>,
    timeout: Duration,
) -> Result<Request, Cause> {
    let mut url = format!("{}{}", app.base_url, path(&method.path, &params.path)?);
    let mut separator = '?';
    for (name, value) in &params.query {
        push_query(&mut url, &mut separator, name, value);
    }
    let mut authorization = None;
    match (token, &app.platform.token_place) {
        (Some(token), TokenPlace::AuthorizationHeader) => {
            authorization = Some(format!("Bearer {}", token.expose_secret()));
        }
        (Some(token), TokenPlace::QueryAccessToken) => {
            push_pair(&mut url, &mut separator, "access_token", token.expose_secret());
        }
        (None, _) => {}
    }
    let has_body = method.http_method != "GET" && method.http_method != "DELETE" || !params.body.is_empty();
    let body = has_body.then(|| json::bytes(&params.body).into());
    Ok(Request {
        http_method: method.http_method.clone(),
        url,
        authorization,
        body,
        log_id_header: app.platform.envelope.log_id_header.clone(),
        reset_header: app.platform.envelope.reset_header.clone(),
        timeout,
    })
}

/// Every call passes here, whoever made its parameters: a message, a file, a platform's reply that is undone.
fn path(template: &str, values: &Map<String, Value>) -> Result<String, Cause> {
    let mut path = String::with_capacity(template.len() + 64);
    for segment in template.split('/').skip(1) {
        path.push('/');
        match segment.strip_prefix(':') {
            Some(name) => {
                let value = text(values.get(name));
                if segment::leads_elsewhere(&value) {
                    return Err(Cause::LeadsElsewhere { name: name.to_owned(), value });
                }
                path.extend(utf8_percent_encode(&value, ENCODED));
            }
            None => path.push_str(segment),
        }
    }
    Ok(path)
}

/// A list becomes a repeated parameter, as both platforms read it.
fn push_query(url: &mut String, separator: &mut char, name: &str, value: &Value) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| push_query(url, separator, name, item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            push_pair(url, separator, name, &text(Some(value)));
        }
    }
}

fn push_pair(url: &mut String, separator: &mut char, name: &str, value: &str) {
    url.push(std::mem::replace(separator, '&'));
    url.extend(utf8_percent_encode(name, ENCODED));
    url.push('=');
    url.extend(utf8_percent_encode(value, ENCODED));
}

fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use paceline_domain::catalog::built_in;

    #[test]
    fn path_parameters_cannot_leave_their_segment() {
        let values = json!({"calendar_id": "feishu.cn_x@group/../../evil?x=1#%2F"});
        let built = path("/open-apis/calendars/:calendar_id/events", values.as_object().unwrap()).unwrap();
        assert_eq!(built, "/open-apis/calendars/feishu.cn_x%40group%2F..%2F..%2Fevil%3Fx%3D1%23%252F/events");
        for (value, segment) in [("%2e%2e", "%252e%252e"), ("..%2f", "..%252f"), ("...", "..."), ("./", ".%2F")] {
            let built = path("/rooms/:room_id", json!({"room_id": value}).as_object().unwrap());
            assert_eq!(built, Ok(format!("/rooms/{segment}")));
        }
    }

    /// The documents' own calls, byte for byte; the access token is the platform's addition.
    #[test]
    fn every_documented_call_is_made_as_it_is_documented() {
        let catalog = built_in().unwrap();
        let (token, mut made) = (SecretString::from("T"), 0);
        for method in catalog.methods.values() {
            let Some(example) = &method.request else { continue };
            let platform = catalog.platforms.values().find(|platform| platform.family == method.family).unwrap();
            let app = App::plain("a", "id", Arc::clone(platform), BTreeMap::new());
            let params = example.params(method).unwrap();
            let built = build(&app, method, &params, Some(&token), Duration::from_secs(1)).unwrap();
            let own = match platform.token_place {
                TokenPlace::AuthorizationHeader => String::new(),
                TokenPlace::QueryAccessToken => "?access_token=T".to_owned(),
            };
            assert_eq!(built.http_method, example.http_method, "{}", method.name);
            assert_eq!(built.url, format!("{}{}{own}", app.base_url, example.target), "{}", method.name);
            let body = built.body.map(|body| String::from_utf8(body.to_vec()).unwrap());
            let documented = example.body.as_ref().map(|body| Value::Object(body.clone()).to_string());
            // Feishu's documents show no body for a POST without parameters; an empty object is sent.
            assert_eq!(body.filter(|body| body != "{}"), documented, "{}", method.name);
            made += 1;
        }
        assert!(made > 40, "{made}");
    }

    #[test]
    fn a_step_up_or_nothing_is_no_path_parameter() {
        for values in [json!({"room_id": ".."}), json!({"room_id": "."}), json!({"room_id": " "}), json!({})] {
            let refused = path("/rooms/:room_id", values.as_object().unwrap()).unwrap_err().to_string();
            assert!(refused.starts_with("path.room_id is \"") && refused.contains("another address"), "{refused}");
        }
    }

    #[test]
    fn query_values_are_encoded_and_lists_repeat() {
        let (mut url, mut separator) = ("u".to_owned(), '?');
        push_query(&mut url, &mut separator, "a", &json!("x&y=1"));
        push_query(&mut url, &mut separator, "b", &json!([1, true]));
        assert_eq!(url, "u?a=x%26y%3D1&b=1&b=true");
    }
}
