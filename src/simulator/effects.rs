//! Carries a request out: what it changes in the world, and the documented reply.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::listing::{self, View};
use super::objects::{Deleted, Object, key_text, natural_identity};
use super::params::{self, BadParams};
use super::replies;
use super::request::{SimMessage, SimRequest};
use super::scenario::Others;
use super::served::{Served, platform_of};
use super::tokens::Caller;
use super::voice::{Details, Family, success};
use super::world::World;
use crate::domain::catalog::Kind;
use crate::domain::job::Params;

/// WeCom: the meeting starts in the past.
const WECOM_PAST_START: i64 = 400_222;
/// WeCom: there is no such meeting.
const WECOM_NO_MEETING: i64 = 90_602;
/// What is answered for an object that was deleted: a calendar, a meeting, a room.
const DELETED: [i64; 3] = [191_003, 400_041, 121_004];
/// What is answered for an object that never was.
const UNKNOWN: [i64; 3] = [191_000, WECOM_NO_MEETING, 121_004];
/// WeCom: an identical meeting exists.
const WECOM_DUPLICATE: i64 = 400_302;

impl World {
    /// Carries a request out that nothing refuses.
    pub(super) fn carry_out(
        &mut self,
        served: &Arc<Served>,
        request: &SimRequest,
        path: Map<String, Value>,
        caller: Option<Caller>,
    ) -> SimMessage {
        let done = if served.method.kind == Kind::Token {
            Ok(self.token_reply(served, request))
        } else {
            params::read(&served.method, served.family, path, request)
                .and_then(|params| self.apply(served, params, caller))
        };
        match done {
            Ok(message) if message.status == 200 && message.header("error-code").is_none() => {
                self.books.succeeded += 1;
                self.books.method(&served.method.name).succeeded += 1;
                *self.books.codes.entry(0).or_default() += 1;
                message
            }
            Ok(refused) => refused,
            Err(BadParams { code, hint }) => self.error(served, code, &Details { hint, ..Details::default() }),
        }
    }

    fn apply(&mut self, served: &Arc<Served>, params: Params, caller: Option<Caller>) -> Result<SimMessage, BadParams> {
        let account = caller.map_or_else(|| Arc::from(""), |caller| caller.account);
        let body = if served.creates() {
            self.check_create(served, &params, &account)?;
            self.create(served, params, account)
        } else if let Some(body) = self.look_up(served, &params, &account)? {
            body
        } else {
            if served.deletes() {
                self.delete(served, &params, &account)?;
            } else if served.method.http_method != "GET" && served.method.kind == Kind::Job {
                self.objects.touch(&params);
            }
            replies::example(&served.method)
        };
        let log_id = self.log_id();
        Ok(success(&served.platform, body, &log_id))
    }

    /// Deletes what the parameters name; what is not there is refused with the method's own code for it.
    fn delete(&mut self, served: &Served, params: &Params, account: &str) -> Result<(), BadParams> {
        let codes: &[i64] = match self.objects.delete(params, account) {
            Deleted::Now => {
                self.books.note_deleted(&served.method.name);
                return Ok(());
            }
            Deleted::Before => &DELETED,
            Deleted::Never => &UNKNOWN,
        };
        let code = codes.iter().copied().find(|code| served.method.errors.contains_key(code));
        let code = code.unwrap_or_else(|| served.family.bad_parameters(&served.method));
        Err(BadParams { code, hint: String::new() })
    }

    /// The platform's checks that no schema can say.
    fn check_create(&self, served: &Served, params: &Params, account: &str) -> Result<(), BadParams> {
        let checks = &self.scenario.checks;
        let method = &served.method;
        if let Some(starts) = method.expires.as_deref().filter(|_| checks.past_start).and_then(|name| params.get(name))
        {
            let starts = starts.as_i64().or_else(|| starts.as_str()?.parse().ok());
            if starts.is_some_and(|starts| starts <= self.micros_now().div_euclid(1_000_000)) {
                let known = method.errors.contains_key(&WECOM_PAST_START) || served.family == Family::Wecom;
                let code = if known { WECOM_PAST_START } else { served.family.bad_parameters(method) };
                return Err(BadParams { code, hint: "it starts in the past".to_owned() });
            }
        }
        let is_checked = checks.wecom_duplicates && served.family == Family::Wecom;
        if is_checked && self.objects.has(&method.name, account, &natural_identity(&method.name, params)) {
            return Err(BadParams { code: WECOM_DUPLICATE, hint: String::new() });
        }
        Ok(())
    }

    /// Somebody else creates what the scenario says.
    pub(super) fn create_others(&mut self, others: &Others) {
        let Some(method) = self.catalog.method(&others.method).cloned() else { return };
        let Some(platform) = platform_of(&self.catalog, &method.family) else { return };
        let example = replies::key_example(&method, &platform.envelope);
        for number in 0..others.count {
            let params = Params { body: others.body_of(number), ..Params::default() };
            let object = Object {
                key: self.ids.like(&example),
                identity: natural_identity(&method.name, &params),
                account: Arc::from(others.account.as_str()),
                params,
                created_at: self.micros_now(),
                is_deleted: false,
                is_others: true,
            };
            self.objects.add(&method.name, object);
        }
    }

    fn create(&mut self, served: &Served, params: Params, account: Arc<str>) -> Value {
        let (method, envelope) = (&served.method, &served.platform.envelope);
        let key = self.ids.like(&replies::key_example(method, envelope));
        let reply = replies::created(method, envelope, &key, &params.body);
        let object = Object {
            key,
            identity: natural_identity(&method.name, &params),
            account,
            params,
            created_at: self.micros_now(),
            is_deleted: false,
            is_others: false,
        };
        let is_duplicate = self.objects.add(&method.name, object);
        self.books.note_created(&method.name, is_duplicate);
        reply
    }

    /// The reply of a method that lists or fetches what creates made; `None` if it is no such method.
    fn look_up(&self, served: &Served, params: &Params, account: &str) -> Result<Option<Value>, BadParams> {
        let envelope = &served.platform.envelope;
        let page_max = self.scenario.listing.page_max;
        let view = View {
            account,
            listed_until: self.micros_now() - self.listing_delay(),
            page_max: if page_max == 0 { usize::MAX } else { page_max },
        };
        let refused =
            |hint: &str| BadParams { code: served.family.bad_parameters(&served.method), hint: hint.to_owned() };
        if let Some(looked) = served.lists.first() {
            let objects = self.objects.of(&looked.create.name);
            let page =
                listing::page(&served.method, looked, objects, params, view).ok_or_else(|| refused("no such page"))?;
            let items = page.objects.iter().map(|object| replies::item(&served.method, envelope, looked, object));
            return Ok(Some(replies::page(&served.method, envelope, looked, items.collect(), page.next)));
        }
        if served.details.is_empty() {
            return Ok(None);
        }
        let named = params.path.values().chain(params.query.values()).chain(params.body.values()).filter_map(key_text);
        let found = named.filter_map(|key| {
            let (create, object) = self.objects.find(&key)?;
            let looked = served.details.iter().find(|looked| looked.create.name == create)?;
            view.shows(object).then(|| replies::detail(&served.method, envelope, looked, object))
        });
        let code = served.method.errors.contains_key(&WECOM_NO_MEETING).then_some(WECOM_NO_MEETING);
        let unknown = refused("no such object");
        found.take(1).next().map(Some).ok_or(BadParams { code: code.unwrap_or(unknown.code), ..unknown })
    }
}
