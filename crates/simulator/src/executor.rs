//! Carries a request out: what it changes in the world, and the documented reply.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::decisions;
use super::endpoint::{Endpoint, Looked, platform_of, unique};
use super::error_replies::{Details, Family, success};
use super::listed;
use super::listing::{self, View};
use super::named::bad;
use super::objects::{Object, key_text, natural_identity};
use super::owner::Owner;
use super::params::{self, BadParams};
use super::replies;
use super::request::{SimMessage, SimRequest};
use super::scenario::{Others, Repeat};
use super::tokens::Caller;
use super::world::World;
use paceline_domain::catalog::{Action, Creation, Envelope, Kind, LookUp, Method, Wrong};
use paceline_domain::job::Params;

/// What repeats of a create have in common, where the platform creates one object for a key: the key, whose it is, and
/// below which parents.
fn idempotency_key(method: &Method, params: &Params, owner: &Owner) -> Option<String> {
    let Creation::IdempotencyKey(by_key) = &method.creation else { return None };
    let key = params.get(&by_key.field).and_then(key_text)?;
    Some(format!("{owner:?} {} {} {key}", method.name, Value::Object(params.path.clone())))
}

/// An item of a create's list as the parameters of an object of its own; of texts, under the name that is compared.
fn item_body(item: &Value, look_up: &LookUp) -> Map<String, Value> {
    if let Value::Object(fields) = item {
        return fields.clone();
    }
    let name = look_up.matches.iter().find(|(_, template)| template.as_str() == Some("$each")).map(|(name, _)| name);
    name.map(|name| (name.clone(), item.clone())).into_iter().collect()
}

impl World {
    /// Carries a request out that nothing refuses.
    pub(super) fn carry_out(
        &mut self,
        endpoint: &Arc<Endpoint>,
        request: &SimRequest,
        path: Map<String, Value>,
        caller: Option<&Caller>,
    ) -> SimMessage {
        let (method, is_strict) = (&endpoint.method, self.scenario.checks.strict);
        let done = params::check_content_type(method, endpoint.family, is_strict, request).and_then(|()| {
            if method.kind == Kind::Token {
                return self.token_reply(endpoint, request);
            }
            let params = params::read(endpoint, is_strict, path, request)?;
            self.apply(endpoint, params, caller)
        });
        match done {
            Ok(message) if message.status == 200 && message.header("error-code").is_none() => {
                if let Some(caller) = caller {
                    self.count_call(endpoint, caller);
                }
                self.stats.succeeded += 1;
                self.stats.method(&endpoint.method.name).succeeded += 1;
                *self.stats.codes.entry(0).or_default() += 1;
                message
            }
            Ok(refused) => refused,
            Err(BadParams { code, hint }) => self.error(endpoint, code, &Details { hint, ..Details::default() }),
        }
    }

    fn apply(
        &mut self,
        endpoint: &Arc<Endpoint>,
        params: Params,
        caller: Option<&Caller>,
    ) -> Result<SimMessage, BadParams> {
        let owner = caller.map(Caller::owner).unwrap_or_default();
        self.check_gone(endpoint, &params)?;
        self.check_names(endpoint, &params, &owner)?;
        let mut body = if endpoint.creates() {
            self.check_create(endpoint, &params, &owner)?;
            match self.repeated(endpoint, &params, &owner)? {
                Some(object) => {
                    replies::created(endpoint.document(&object.params), &endpoint.platform.envelope, object)
                }
                None => self.create(endpoint, params, owner),
            }
        } else if let Some(body) = self.look_up(endpoint, &params, &owner)? {
            body
        } else {
            if endpoint.deletes() {
                if !self.objects.delete(&params, endpoint.about().as_deref(), &owner) {
                    return Err(BadParams {
                        code: endpoint.family.bad_parameters(&endpoint.method),
                        hint: String::new(),
                    });
                }
                self.stats.note_deleted(&endpoint.method.name);
            } else if endpoint.deletes_listed() {
                for _ in 0..self.objects.delete_listed(&params, &owner) {
                    self.stats.note_deleted(&endpoint.method.name);
                }
            } else if endpoint.method.http_method != "GET" && endpoint.method.kind == Kind::Job {
                self.objects.touch(&params, endpoint.about().as_deref());
            }
            self.as_it_is_now(endpoint, &params)
        };
        for left_out in &mut self.left_out {
            if let Some(values) = left_out.fires(&endpoint.method.name).map(<[Value]>::to_vec) {
                replies::put_list(&mut body, &endpoint.platform.envelope, &left_out.field, &values);
            }
        }
        let log_id = self.log_id();
        Ok(self.tell_limits(endpoint, success(&endpoint.platform, body, &log_id)))
    }

    /// Refuses what is about a deleted object, where the scenario says with which code.
    fn check_gone(&self, endpoint: &Endpoint, params: &Params) -> Result<(), BadParams> {
        let Some(code) = self.scenario.undocumented.gone(&endpoint.method.name) else { return Ok(()) };
        let about = endpoint.about();
        let is_deleted = self.objects.named(params, about.as_deref()).is_some_and(|(_, object)| object.is_deleted);
        if is_deleted { Err(BadParams { code, hint: String::new() }) } else { Ok(()) }
    }

    /// The object that a repeated create is answered with, where the scenario says so.
    fn repeated(&self, endpoint: &Endpoint, params: &Params, owner: &Owner) -> Result<Option<&Object>, BadParams> {
        let method = &endpoint.method;
        let Some(repeat) = self.scenario.undocumented.repeat(&method.name) else { return Ok(None) };
        let identity = natural_identity(method, params);
        let all = self.objects.of(&method.name).iter().rev();
        let mut like = all.filter(|object| object.is_seen_by(owner) && object.identity == identity);
        match (like.next(), repeat) {
            (Some(_), Repeat::Refused(code)) => Err(BadParams { code, hint: String::new() }),
            (found, _) => Ok(found),
        }
    }

    /// The reply to what is no create: with the object that it is about, as it is now, where the documents show it.
    fn as_it_is_now(&self, endpoint: &Endpoint, params: &Params) -> Value {
        let (method, envelope) = (&endpoint.method, &endpoint.platform.envelope);
        let shown = self.objects.named(params, endpoint.about().as_deref()).and_then(|(create, object)| {
            let create = self.catalog.method(create)?;
            let (inside, _) = create.reply.key.as_deref()?.rsplit_once('.')?;
            Some(replies::detail(method, envelope, inside, create, object))
        });
        shown.unwrap_or_else(|| replies::example(method, envelope))
    }

    /// The platform's checks that no schema can say.
    fn check_create(&self, endpoint: &Endpoint, params: &Params, owner: &Owner) -> Result<(), BadParams> {
        let checks = &self.scenario.checks;
        let method = &endpoint.method;
        let starts = method.expires.as_deref().filter(|_| checks.past_start);
        if let Some((name, starts)) = starts.and_then(|name| Some((name, params.get(name)?))) {
            let starts = starts.as_i64().or_else(|| starts.as_str()?.parse().ok());
            if starts.is_some_and(|starts| starts <= self.micros_now().div_euclid(1_000_000)) {
                return Err(bad(endpoint, name, Wrong::Past, "it starts in the past"));
            }
        }
        let exists = method.errors.values().find(|rule| matches!(rule.action, Action::Uncertain { exists: true, .. }));
        if let Some(rule) = exists.filter(|_| checks.wecom_duplicates && endpoint.family == Family::Wecom)
            && self.objects.has(&method.name, owner, &natural_identity(method, params))
        {
            return Err(BadParams { code: rule.code, hint: String::new() });
        }
        Ok(())
    }

    /// Somebody else creates what the scenario says.
    pub(super) fn create_others(&mut self, others: &Others) {
        let Some(method) = self.catalog.method(&others.method).cloned() else { return };
        let Some(platform) = platform_of(&self.catalog, &method.family) else { return };
        let example = replies::key_example(&method, &platform.envelope);
        let unique = unique(&self.catalog, &method);
        for number in 0..others.count {
            let params = Params { body: others.body_of(number), ..Params::default() };
            let owner = Owner { user: Arc::from(others.user.as_str()), ..Owner::of_account(&others.account) };
            let identity = natural_identity(&method, &params);
            let object = self.made(&example, &unique, identity, owner, params);
            self.objects.add(&method.name, Object { is_others: true, ..object });
        }
    }

    fn create(&mut self, endpoint: &Endpoint, params: Params, owner: Owner) -> Value {
        let (method, envelope) = (&endpoint.method, &endpoint.platform.envelope);
        if method.creation.look_up().is_some_and(|look_up| look_up.state) {
            return self.bring_about(endpoint, &params, &owner);
        }
        let repeated = idempotency_key(method, &params, &owner);
        if let Some((_, object)) = repeated.as_deref().and_then(|key| self.objects.find(key)) {
            return replies::created(endpoint.document(&object.params), envelope, object);
        }
        let (example, identity) = (replies::key_example(method, envelope), natural_identity(method, &params));
        let object = self.made(&example, &endpoint.unique, identity, owner, params);
        let reply = replies::created(endpoint.document(&object.params), envelope, &object);
        let is_duplicate = self.objects.add(&method.name, object);
        if let Some(key) = repeated {
            self.objects.also_known_as(&method.name, key);
        }
        self.stats.note_created(&method.name, is_duplicate);
        reply
    }

    /// A state is brought about once, however often it is asked for: each item of the create's list, or the whole.
    fn bring_about(&mut self, endpoint: &Endpoint, params: &Params, owner: &Owner) -> Value {
        let (method, envelope) = (&endpoint.method, &endpoint.platform.envelope);
        let Some(look_up) = method.creation.look_up() else { return replies::example(method, envelope) };
        let items = look_up.each.as_ref().and_then(|each| params.get(each)).and_then(Value::as_array);
        let bodies: Vec<Map<String, Value>> = match items {
            Some(items) => items.iter().map(|item| item_body(item, look_up)).collect(),
            None => vec![params.body.clone()],
        };
        let listing = self.catalog.method(&look_up.method).cloned();
        let example = listing.map_or(Value::Null, |listing| replies::listed_key(&listing, envelope, look_up));
        let mut shown = Vec::new();
        for body in bodies {
            let params = Params { body, ..params.clone() };
            let identity = match &look_up.each {
                Some(_) => serde_json::json!([params.path, params.body]).to_string(),
                None => natural_identity(method, &params),
            };
            if !self.objects.has(&method.name, owner, &identity) {
                let object = self.made(&example, &endpoint.unique, identity.clone(), owner.clone(), params);
                let is_duplicate = self.objects.add(&method.name, object);
                self.stats.note_created(&method.name, is_duplicate);
            }
            shown.push(identity);
        }
        let mut reply = replies::example(method, envelope);
        let whole = shown.last().filter(|_| look_up.each.is_none());
        if let Some(object) = whole.and_then(|identity| self.newest(&method.name, owner, identity)) {
            reply = replies::brought_about(method, envelope, look_up, object);
        }
        if let (Some(decides), Some(listing)) = (&method.decides, self.catalog.method(&look_up.method)) {
            let looked = Looked { create: Arc::clone(method), look_up: look_up.clone() };
            let newest = |identity: &String| self.newest(&method.name, owner, identity);
            let items = shown.iter().filter_map(newest).map(|object| self.item(listing, envelope, &looked, object));
            replies::put_list(&mut reply, envelope, &decides.items, &items.collect::<Vec<_>>());
        }
        reply
    }

    /// The newest object of that identity that is there.
    fn newest(&self, method: &str, owner: &Owner, identity: &str) -> Option<&Object> {
        self.objects.of(method).iter().rev().find(|object| object.is_seen_by(owner) && object.identity == identity)
    }

    /// An object as a listing shows it by now.
    fn item(&self, listing: &Method, envelope: &Envelope, looked: &Looked, object: &Object) -> Value {
        let mut item = replies::item(listing, envelope, looked, object);
        let age_s = (self.micros_now() - object.created_at) as f64 / 1e6 * self.speed;
        decisions::decide(looked, &self.scenario.decisions, self.scenario.seed, object, age_s, &mut item);
        item
    }

    /// A new object, with a key like the example's and fields of its own like those that are unique.
    fn made(
        &mut self,
        example: &Value,
        unique: &[(String, Value)],
        identity: String,
        owner: Owner,
        params: Params,
    ) -> Object {
        Object {
            key: self.ids.like(example),
            own: unique.iter().map(|(field, example)| (field.clone(), self.ids.like(example))).collect(),
            identity,
            owner,
            params,
            created_at: self.micros_now(),
            order: 0,
            changed: 0,
            is_deleted: false,
            is_others: false,
        }
    }

    /// The reply of a method that lists or fetches what creates made; `None` if it is no such method.
    fn look_up(&self, endpoint: &Endpoint, params: &Params, owner: &Owner) -> Result<Option<Value>, BadParams> {
        let (method, envelope) = (&endpoint.method, &endpoint.platform.envelope);
        let page_max = self.scenario.listing.page_max;
        let view = View {
            owner,
            listed_until: self.micros_now(),
            page_max: if page_max == 0 { usize::MAX } else { page_max },
        };
        let listed_until = |create: &str| self.micros_now() - self.listing_delay(create);
        if let Some(looked) = endpoint.lists.first() {
            let view = View { listed_until: listed_until(&looked.create.name), ..view };
            let page = listing::page(method, looked, &self.objects, params, view)
                .map_err(|(name, wrong)| bad(endpoint, &name, wrong, "no such page"))?;
            let items = page.objects.iter().map(|object| self.item(method, envelope, looked, object));
            return Ok(Some(replies::page(method, envelope, looked, items.collect(), page.next, page.changes)));
        }
        if !method.resolves.is_empty() {
            let items = self.scenario.listed.get(&method.name).map(Vec::as_slice).unwrap_or_default();
            return listed::reply(method, envelope, items, params).map(Some);
        }
        let Some(inside) = &endpoint.item else { return Ok(None) };
        let named = params.path.values().chain(params.query.values()).chain(params.body.values()).filter_map(key_text);
        let shows_deleted = !method.reply.shown.deleted.is_empty();
        let found = named.filter_map(|key| {
            let (create, object) = self.objects.find(&key)?;
            let create = self.catalog.method(create).filter(|create| create.family == method.family)?;
            let view = View { listed_until: listed_until(&create.name), ..view };
            let is_shown = view.shows(object) || (shows_deleted && object.is_deleted && object.belongs_to(owner));
            is_shown.then(|| replies::detail(method, envelope, inside, create, object))
        });
        let refused = BadParams { code: endpoint.family.bad_parameters(method), hint: "no such object".to_owned() };
        found.take(1).next().map(Some).ok_or(refused)
    }
}
