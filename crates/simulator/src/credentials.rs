//! Who calls: access tokens handed out for an app's credentials, and read back from requests.
//!
//! Sources: <https://open.feishu.cn/document/server-docs/authentication-management/access-token/tenant_access_token_internal>,
//! <https://developer.work.weixin.qq.com/document/path/91039>, both read 2026-11-21.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::endpoint::Endpoint;
use super::error_replies::{Family, success};
use super::objects::{at, put};
use super::params::BadParams;
use super::replies;
use super::request::{SimMessage, SimRequest};
use super::tokens::{BadToken, Caller};
use super::world::World;
use paceline_domain::catalog::{IdentityKind, TokenPlace};

/// What a token request says.
struct Credentials {
    account: Option<String>,
    secret: Option<String>,
    app_token: Option<String>,
    tenant: Option<String>,
}

impl Credentials {
    fn read(request: &SimRequest) -> Self {
        let body: Map<String, Value> = serde_json::from_slice(&request.body).unwrap_or_default();
        let get = |names: [&str; 2]| {
            let found = names.iter().find_map(|name| {
                body.get(*name).and_then(Value::as_str).or_else(|| request.query_value(name)).map(str::to_owned)
            });
            found.filter(|value| !value.is_empty())
        };
        Self {
            account: get(["app_id", "corpid"]),
            secret: get(["app_secret", "corpsecret"]),
            app_token: get(["app_access_token", "suite_access_token"]),
            tenant: get(["tenant_key", "auth_corpid"]),
        }
    }
}

impl World {
    /// Whose quota a token request spends; the account alone counts, whether its secret is right or not.
    pub(super) fn token_caller(&mut self, request: &SimRequest) -> Option<Caller> {
        let credentials = Credentials::read(request);
        if let Some(token) = &credentials.app_token {
            let (caller, _) = self.tokens.check(token, self.micros_now());
            return caller.map(|caller| Caller { tenant: credentials.tenant.unwrap_or_default().into(), ..caller });
        }
        let account = credentials.account?;
        Some(Caller { account: account.into(), secret_number: 0, tenant: "".into(), user: "".into() })
    }

    /// Whose access token a request carries, and what is wrong with it.
    pub(super) fn bearer(&mut self, endpoint: &Endpoint, request: &SimRequest) -> (Option<Caller>, Option<BadToken>) {
        let token = match endpoint.platform.token_place {
            TokenPlace::AuthorizationHeader => {
                request.authorization.as_deref().and_then(|value| value.strip_prefix("Bearer ")).map(str::trim)
            }
            TokenPlace::QueryAccessToken => request.query_value("access_token"),
        };
        let Some(token) = token.filter(|token| !token.is_empty()) else { return (None, Some(BadToken::Missing)) };
        if endpoint.family == Family::Feishu && token.starts_with("u-") {
            return self.user_bearer(endpoint, token);
        }
        if endpoint.family == Family::Feishu && !token.starts_with("t-") {
            return (None, Some(BadToken::Malformed));
        }
        let (caller, bad) = self.tokens.check(token, self.micros_now());
        let allowed =
            endpoint.method.identities.contains(&IdentityKind::Tenant) || endpoint.method.identities.is_empty();
        (caller, bad.or((!allowed).then_some(BadToken::Unknown)))
    }

    /// A user's token: the scenario's are good unless users' tokens were revoked. It spends the quota of the user's app.
    fn user_bearer(&self, endpoint: &Endpoint, token: &str) -> (Option<Caller>, Option<BadToken>) {
        let Some(known) = self.scenario.users.get(token) else { return (None, Some(BadToken::UserRevoked)) };
        let user = Arc::from(known.user.as_deref().unwrap_or(token));
        let caller = Caller { account: Arc::from(known.app.as_str()), secret_number: 0, tenant: "".into(), user };
        let allowed = endpoint.method.identities.contains(&IdentityKind::User);
        let bad = (self.tokens.are_users_revoked() || !allowed).then_some(BadToken::UserRevoked);
        (Some(caller), bad)
    }

    /// Hands an access token out, or says what is wrong with the credentials.
    pub(super) fn token_reply(&mut self, endpoint: &Endpoint, request: &SimRequest) -> Result<SimMessage, BadParams> {
        let caller = self
            .authenticate(endpoint.family, &Credentials::read(request))
            .map_err(|code| BadParams { code, hint: String::new() })?;
        let field = endpoint.method.reply.token.clone().unwrap_or_default();
        let prefix = match (endpoint.family, field.ends_with("app_access_token")) {
            (Family::Wecom, _) => "",
            (Family::Feishu, true) => "a-",
            (Family::Feishu, false) => "t-",
        };
        let now = self.micros_now();
        let (token, life_s) = self.tokens.hand_out(&caller, prefix, now, &self.scenario.tokens, &mut self.ids);
        let mut body = replies::example(&endpoint.method, &endpoint.platform.envelope);
        let data = endpoint.platform.envelope.data.clone();
        let mut set = |field: &str, value: Value| {
            // Feishu's token endpoints answer beside the code, not under `data`.
            let nested = format!("{data}.{field}");
            let path = if !data.is_empty() && at(&body, &nested).is_some() { nested.as_str() } else { field };
            put(&mut body, path, value);
        };
        set(&field, Value::String(token));
        if let Some(expires) = &endpoint.method.reply.expires {
            set(expires, Value::from(life_s));
        }
        let log_id = self.log_id();
        Ok(success(&endpoint.platform, body, &log_id))
    }

    fn authenticate(&mut self, family: Family, credentials: &Credentials) -> Result<Caller, i64> {
        let (no_account, no_secret, wrong_secret, unknown_account) = match family {
            // The document's own code for a wrong secret is 10015; what Feishu answers is 10014 (seen in the logs of several
            // SDKs' issues, read 2026-11-28).
            Family::Feishu => (10_003, 10_003, 10_014, 10_003),
            Family::Wecom => (41_002, 41_004, 40_001, 40_013),
        };
        if let Some(token) = &credentials.app_token {
            return match self.tokens.check(token, self.micros_now()) {
                (Some(caller), None) => {
                    Ok(Caller { tenant: credentials.tenant.clone().unwrap_or_default().into(), ..caller })
                }
                _ => Err(wrong_secret),
            };
        }
        let account = credentials.account.as_deref().ok_or(no_account)?;
        let secret = credentials.secret.as_deref().ok_or(no_secret)?;
        let named = self.scenario.apps.get(account).map(|app| app.secret.expose());
        let wanted = self.tokens.pinned_secret(account).or(named);
        if self.scenario.tokens.wrong_secret || wanted.is_some_and(|wanted| wanted != secret) {
            return Err(wrong_secret);
        }
        if wanted.is_none() && self.scenario.tokens.known_apps_only {
            return Err(unknown_account);
        }
        let account: Arc<str> = Arc::from(account);
        let secret_number = self.tokens.secret_number(&account, secret);
        Ok(Caller { account, secret_number, tenant: "".into(), user: "".into() })
    }
}
