//! The control endpoints under `/_simulator/`: books, objects, and changes while it runs.

use bytes::Bytes;
use serde_json::{Value, json};

use super::handle::Simulator;
use super::request::{SimMessage, decoded};
use super::scenario::Scenario;

/// What every control path begins with.
pub(super) const PREFIX: &str = "/_simulator/";

const HELP: &str = "GET books, GET objects, POST scenario (TOML), POST revoke-tokens[?users=true], \
                    POST apps/<app id>/secret ({\"secret\": \"…\"}), POST reset";

/// Answers a control request; `path` follows the prefix.
pub(super) fn answer(simulator: &Simulator, http_method: &str, path: &str, body: &Bytes) -> SimMessage {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    match (http_method, path) {
        ("GET", "books") => data(&simulator.stats()),
        ("GET", "objects") => data(&simulator.objects()),
        ("POST", "scenario") => change(simulator, body),
        ("POST", "revoke-tokens") => data(&json!({"revoked": simulator.revoke_tokens(query == "users=true")})),
        ("POST", "reset") => {
            simulator.reset();
            data(&json!({"reset": true}))
        }
        ("POST", path) => match path.strip_prefix("apps/").and_then(|rest| rest.strip_suffix("/secret")) {
            Some(account) => change_secret(simulator, &decoded(account), body),
            None => refused(404, HELP),
        },
        _ => refused(404, HELP),
    }
}

fn change(simulator: &Simulator, body: &Bytes) -> SimMessage {
    let Ok(text) = std::str::from_utf8(body) else { return refused(400, "the scenario is no UTF-8") };
    match Scenario::parse(text, "scenario").and_then(|scenario| simulator.change(scenario)) {
        Ok(()) => data(&json!({"changed": true})),
        Err(error) => refused(400, &error.to_string()),
    }
}

fn change_secret(simulator: &Simulator, account: &str, body: &Bytes) -> SimMessage {
    let secret = serde_json::from_slice::<Value>(body).ok();
    let secret = secret.as_ref().and_then(|body| body.get("secret")).and_then(Value::as_str);
    let Some(secret) = secret.filter(|secret| !secret.is_empty()) else {
        return refused(400, "expected {\"secret\": \"…\"}");
    };
    simulator.change_secret(account, secret);
    data(&json!({"changed": true}))
}

fn data(value: &impl serde::Serialize) -> SimMessage {
    match serde_json::to_value(value) {
        Ok(value) => SimMessage::json(200, &value),
        Err(error) => refused(500, &error.to_string()),
    }
}

fn refused(status: u16, message: &str) -> SimMessage {
    SimMessage::json(status, &json!({"error": message}))
}
