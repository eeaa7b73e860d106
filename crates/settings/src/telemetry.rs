//! `[telemetry]`: where traces go.

use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret as _;

use super::Telemetry;
use super::draft::{Draft, path};
use super::url;

/// `[telemetry]`.
pub(crate) fn telemetry(draft: &mut Draft<'_>) -> Telemetry {
    let (endpoint_field, headers_field) = (path("telemetry.otlp_endpoint"), path("telemetry.otlp_headers"));
    let otlp_endpoint = endpoint(draft, &endpoint_field);
    if !draft.is_given(&headers_field) {
        return Telemetry { otlp_endpoint, otlp_headers: None };
    }
    let otlp_headers = draft.secret(&headers_field);
    if let Some(text) = &otlp_headers
        && headers(text.expose_secret()).is_none()
    {
        draft.fault(&headers_field, "expected headers like name=value,name2=value2, got something else (not shown)");
    }
    if !draft.is_given(&endpoint_field) {
        draft.fault(&endpoint_field, "expected the collector that the headers are for, got nothing");
    }
    if otlp_endpoint.as_deref().is_some_and(is_readable_on_the_way) {
        draft.fault(
            &endpoint_field,
            "expected https:// (or http:// to loopback), because the headers hold a secret, got http://",
        );
    }
    Telemetry { otlp_endpoint, otlp_headers }
}

fn endpoint(draft: &mut Draft<'_>, field: &[String]) -> Option<String> {
    let text = draft.is_given(field).then(|| draft.text(field)).flatten()?;
    let parts = url::parts(&text).filter(|parts| matches!(parts.scheme, "http" | "https"));
    let message = match parts {
        None => "expected an address like http://127.0.0.1:4318, got something else (not shown)",
        Some(parts) if parts.user_info.is_some() || parts.rest.contains(['?', '#']) => {
            "expected an address without user, query and fragment, got some; a key goes into telemetry.otlp_headers"
        }
        Some(_) => return Some(text.trim_end_matches('/').to_owned()),
    };
    draft.fault(field, message);
    None
}

/// Whether what is sent there leaves this machine without TLS.
fn is_readable_on_the_way(endpoint: &str) -> bool {
    url::parts(endpoint).is_some_and(|parts| parts.scheme == "http" && !url::is_loopback(parts.host))
}

/// The headers in a text like `name=value,name2=value2`, values percent-encoded; `None` if it is none, empty for an empty text.
pub fn headers(text: &str) -> Option<Vec<(String, String)>> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(header).collect()
}

fn header(part: &str) -> Option<(String, String)> {
    let (name, value) = part.split_once('=')?;
    let name = name.trim();
    // A secret is one line without spaces, so a space comes as %20, as in OpenTelemetry's own variables.
    let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_header =
        !name.is_empty() && name.bytes().all(is_name) && value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    is_header.then(|| (name.to_ascii_lowercase(), value.into_owned()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::draft::As;
    use crate::load::load_from;

    fn faults(section: &str) -> String {
        let read = |path: &Path, _: As| {
            Ok(if path.ends_with("headers") {
                "no-header:hunter2".to_owned()
            } else if path.ends_with("good") {
                "key=hunter2".to_owned()
            } else {
                format!("[telemetry]\n{section}")
            })
        };
        let loaded = load_from(Some(Path::new("x.toml")), std::iter::empty(), &read, true);
        loaded.map_or_else(|faults| faults.to_string(), |_| String::new())
    }

    #[test]
    fn headers_are_names_and_values() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let both = vec![pair("authorization", "Basic YQ=="), pair("x-scope", "1")];
        assert_eq!(headers("Authorization=Basic%20YQ==,x-scope=1,"), Some(both));
        for wrong in ["key", "=value", "a b=c", "a=%0D%0Ab", "a=会", "a=%FF"] {
            assert_eq!(headers(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_no_collector_is_refused_without_showing_it() {
        for good in ["http://127.0.0.1:4318", "https://otlp.example.com/v2/", "http://collector.internal:4318"] {
            assert_eq!(faults(&format!("otlp_endpoint = {good:?}")), "");
        }
        for bad in ["127.0.0.1:4318", "grpc://h:4317", "https://u:hunter2@h", "https://h/?key=hunter2", "http://"] {
            let said = faults(&format!("otlp_endpoint = {bad:?}"));
            assert!(said.contains("telemetry.otlp_endpoint: expected") && !said.contains("hunter2"), "{bad}: {said}");
        }
        let said = faults("otlp_endpoint = \"http://h\"\notlp_headers = { file = \"headers\" }");
        assert!(said.contains("telemetry.otlp_headers: expected headers") && !said.contains("hunter2"), "{said}");
        for (endpoint, is_refused) in [
            ("http://collector.internal:4318", true),
            ("https://otlp.example.com", false),
            ("http://[::1]:4318", false),
        ] {
            let said = faults(&format!("otlp_endpoint = {endpoint:?}\notlp_headers = {{ file = \"good\" }}"));
            assert_eq!(said.contains("telemetry.otlp_endpoint: expected https://"), is_refused, "{endpoint}: {said}");
        }
        let alone = faults("otlp_headers = { file = \"none=1\" }");
        assert!(alone.contains("telemetry.otlp_endpoint: expected the collector"), "{alone}");
    }
}
