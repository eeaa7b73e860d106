//! Access tokens: who got which, until when, and whether a request's token is good.
//!
//! Feishu returns the same token again while 30 minutes remain, else a new one, and both stay valid
//! (<https://open.feishu.cn/document/server-docs/authentication-management/access-token/tenant_access_token_internal>,
//! read 2026-11-21).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::ids::Ids;
use super::owner::Owner;
use super::scenario::TokenRules;

/// Who calls, as quotas are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Caller {
    /// App id, or corp id.
    pub account: Arc<str>,
    /// Which secret of the account, in order of first use: WeCom's apps have one each.
    pub secret_number: usize,
    /// A store app's customer; empty for a custom app.
    pub tenant: Arc<str>,
    /// The user for whom it acts; empty for the app itself.
    pub user: Arc<str>,
}

impl Caller {
    /// Whose objects it makes and sees.
    pub(crate) fn owner(&self) -> Owner {
        Owner { account: Arc::clone(&self.account), tenant: Arc::clone(&self.tenant), user: Arc::clone(&self.user) }
    }
}

/// What is wrong with a request's access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadToken {
    /// There is none.
    Missing,
    /// Not the shape of a token.
    Malformed,
    /// Never handed out, or revoked.
    Unknown,
    /// Its life is over.
    Expired,
    /// A user's, and revoked.
    UserRevoked,
}

struct Grant {
    caller: Caller,
    /// In microseconds since 1970.
    expires: i64,
    revoked: bool,
}

/// All tokens handed out. They and the secrets are never shown: no `Debug`.
#[derive(Default)]
pub(crate) struct Tokens {
    grants: HashMap<String, Grant>,
    /// The newest token by caller.
    newest: BTreeMap<Caller, String>,
    /// The secrets seen, by account.
    secrets: BTreeMap<Arc<str>, Vec<String>>,
    /// Changed secrets: they come before the scenario's.
    pinned: BTreeMap<String, String>,
    /// User tokens of before this count are revoked.
    users_revoked: bool,
}

impl Tokens {
    /// The number of an account's secret, in order of first use.
    pub(crate) fn secret_number(&mut self, account: &Arc<str>, secret: &str) -> usize {
        let known = self.secrets.entry(Arc::clone(account)).or_default();
        known.iter().position(|it| it == secret).unwrap_or_else(|| {
            known.push(secret.to_owned());
            known.len() - 1
        })
    }

    /// Changes an account's secret: the tokens got with another one become invalid.
    pub(crate) fn pin_secret(&mut self, account: &str, secret: &str) {
        self.pinned.insert(account.to_owned(), secret.to_owned());
        let number = self.secret_number(&Arc::from(account), secret);
        for grant in self.grants.values_mut() {
            grant.revoked |= &*grant.caller.account == account && grant.caller.secret_number != number;
        }
    }

    /// The secret that was set for an account after the start.
    pub(crate) fn pinned_secret(&self, account: &str) -> Option<&str> {
        self.pinned.get(account).map(String::as_str)
    }

    /// Hands a token out: the same again while enough of its life remains. With its remaining life in seconds.
    pub(crate) fn hand_out(
        &mut self,
        caller: &Caller,
        prefix: &str,
        now: i64,
        rules: &TokenRules,
        ids: &mut Ids,
    ) -> (String, u64) {
        let same_above = rules.same_above_s.saturating_mul(1_000_000).cast_signed();
        if let Some(token) = self.newest.get(caller)
            && let Some(grant) = self.grants.get(token)
            && !grant.revoked
            && grant.expires - now >= same_above
            && grant.expires > now
        {
            return (token.clone(), ((grant.expires - now) / 1_000_000).unsigned_abs());
        }
        let token = format!("{prefix}{}", ids.hex(32));
        let expires = now.saturating_add(rules.life_s.saturating_mul(1_000_000).cast_signed());
        self.grants.insert(token.clone(), Grant { caller: caller.clone(), expires, revoked: false });
        self.newest.insert(caller.clone(), token.clone());
        (token, rules.life_s)
    }

    /// Whose token it is, and what is wrong with it.
    pub(crate) fn check(&self, token: &str, now: i64) -> (Option<Caller>, Option<BadToken>) {
        let Some(grant) = self.grants.get(token) else { return (None, Some(BadToken::Unknown)) };
        let bad = if grant.revoked {
            Some(BadToken::Unknown)
        } else if grant.expires <= now {
            Some(BadToken::Expired)
        } else {
            None
        };
        (Some(grant.caller.clone()), bad)
    }

    /// Whether users' tokens were revoked.
    pub(crate) const fn are_users_revoked(&self) -> bool {
        self.users_revoked
    }

    /// Makes every token handed out so far invalid, and users' tokens too if asked; says how many were valid.
    pub(crate) fn revoke_all(&mut self, users: bool) -> usize {
        self.users_revoked |= users;
        let valid = self.grants.values_mut().filter(|grant| !grant.revoked);
        valid.map(|grant| grant.revoked = true).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn caller() -> Caller {
        Caller { account: "cli_a".into(), secret_number: 0, tenant: "".into(), user: "".into() }
    }

    #[test]
    fn the_same_token_comes_back_while_half_an_hour_remains() {
        let (mut tokens, mut ids, rules) = (Tokens::default(), Ids::new(1), TokenRules::default());
        let (first, life_s) = tokens.hand_out(&caller(), "t-", 0, &rules, &mut ids);
        assert_eq!(life_s, 7_200);
        let (same, life_s) = tokens.hand_out(&caller(), "t-", 90 * MINUTE, &rules, &mut ids);
        assert_eq!((&same, life_s), (&first, 1_800));
        let (new, life_s) = tokens.hand_out(&caller(), "t-", 90 * MINUTE + 1, &rules, &mut ids);
        assert!(new != first && life_s == 7_200);
        assert_eq!(tokens.check(&first, 120 * MINUTE - 1).1, None, "both stay valid");
        assert_eq!(tokens.check(&first, 120 * MINUTE).1, Some(BadToken::Expired));
        assert_eq!(tokens.check(&new, 120 * MINUTE), (Some(caller()), None));
    }

    #[test]
    fn revoked_tokens_are_replaced() {
        let (mut tokens, mut ids, rules) = (Tokens::default(), Ids::new(1), TokenRules::default());
        let (first, _) = tokens.hand_out(&caller(), "t-", 0, &rules, &mut ids);
        assert_eq!(tokens.revoke_all(false), 1);
        assert_eq!(tokens.check(&first, 1).1, Some(BadToken::Unknown));
        assert_ne!(tokens.hand_out(&caller(), "t-", 1, &rules, &mut ids).0, first);
        assert_eq!(tokens.check("t-made-up", 1), (None, Some(BadToken::Unknown)));
    }

    #[test]
    fn a_changed_secret_ends_the_tokens_of_the_old_one() {
        let (mut tokens, mut ids, rules) = (Tokens::default(), Ids::new(1), TokenRules::default());
        assert_eq!(tokens.secret_number(&"cli_a".into(), "old"), 0);
        let (token, _) = tokens.hand_out(&caller(), "t-", 0, &rules, &mut ids);
        tokens.pin_secret("cli_a", "old");
        assert_eq!(tokens.check(&token, 1).1, None);
        tokens.pin_secret("cli_a", "new");
        assert_eq!(tokens.check(&token, 1).1, Some(BadToken::Unknown));
        assert_eq!(tokens.pinned_secret("cli_a"), Some("new"));
    }
}
