//! Which publisher may ask for what, and which queues answers may go to. Pure.
//!
//! The worker publishes with its own rights wherever `reply_to` says, and calls with every app of the settings. Who may
//! make it do so is told by the user that the broker has validated.

use std::collections::BTreeMap;
use std::fmt;

use super::catalog::shown_text;
use super::job::{Fault, ID_BYTES_MAX, Identity};
use super::messages::Rule;

/// Names in which `*` stands for any characters, also for none. One of them has to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns(Vec<String>);

/// Stands between a publisher's name and its id.
const IN: char = '/';

impl Patterns {
    /// Of these; of none, nothing fits.
    pub const fn new(patterns: Vec<String>) -> Self {
        Self(patterns)
    }

    /// Whether one of them fits all of the name.
    pub fn fit(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| fits(pattern, name))
    }
}

impl fmt::Display for Patterns {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.join(", "))
    }
}

/// What stands before the first `*` begins the name, what stands behind the last ends it, and what stands between them
/// is found in its order, each as early as possible.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut inner) = name.strip_prefix(first).and_then(|name| name.strip_suffix(last)) else { return false };
    for part in middle.split('*') {
        let Some((_, behind)) = inner.split_once(part) else { return false };
        inner = behind;
    }
    true
}

/// What one publisher may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publisher {
    /// The broker's user whose messages these are; `None` for messages that name none.
    pub user: Option<String>,
    /// Apps by name.
    pub apps: Patterns,
    /// Methods by name.
    pub methods: Patterns,
    /// Callers as jobs name them: `tenant`, `user:anna`.
    pub identities: Patterns,
    /// Queues, in addition to what everybody's answers are held to; `None` for no more than that.
    pub reply_to: Option<Patterns>,
}

/// Who sent a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// The user that the broker vouches for, if the message names one.
    pub user_id: Option<String>,
}

/// Who may ask for what. By default everybody may ask for everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// The worker's own queues, which no answer ever goes to.
    pub own_queues: Vec<String>,
    /// The queues that answers may go to; `None` for all others.
    pub reply_to: Option<Patterns>,
    /// By the name of their settings; if there are none, everybody may ask for everything.
    pub publishers: BTreeMap<String, Publisher>,
    /// Whether each publisher's ids are its own: `hr/hq-7` is what `hr` calls `hq-7`.
    pub ids_by_publisher: bool,
}

/// What a job asks for, as far as it could be read.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The app.
    pub app: Option<&'a str>,
    /// The method.
    pub method: Option<&'a str>,
    /// The caller.
    pub identity: &'a Identity,
    /// The queue to be answered at.
    pub reply_to: Option<&'a str>,
}

impl Rights {
    /// Whether publishers are told apart.
    pub fn are_set(&self) -> bool {
        !self.publishers.is_empty()
    }

    /// All publishers and what they may, for people; `everybody may everything` without any.
    pub fn summary(&self) -> String {
        if !self.are_set() {
            return "everybody may everything".to_owned();
        }
        let publishers = self.publishers.iter().map(|(name, publisher)| format!("{name} ({publisher})"));
        publishers.collect::<Vec<_>>().join("; ")
    }

    /// The publisher that a message is of.
    pub fn publisher(&self, user_id: Option<&str>) -> Option<(&str, &Publisher)> {
        let found = self.publishers.iter().find(|(_, publisher)| publisher.user.as_deref() == user_id);
        found.map(|(name, publisher)| (name.as_str(), publisher))
    }

    /// Before the ids of whoever sent it, if each publisher's are its own.
    pub fn namespace(&self, sender: &Sender) -> Option<&str> {
        let (name, _) = self.publisher(sender.user_id.as_deref()).filter(|_| self.ids_by_publisher)?;
        Some(name)
    }

    /// The id under which a job is filed. Who has no sender keeps out of the publishers' ids, unless the job is filed
    /// already (`is_filed`).
    pub fn filed_id(&self, id: String, sender: Option<&Sender>, is_filed: bool, faults: &mut Vec<Fault>) -> String {
        if is_filed || !self.ids_by_publisher {
            return id;
        }
        if let Some(sender) = sender {
            let Some(name) = self.namespace(sender) else { return id };
            let filed = filed_as(name, &id);
            if filed.len() > ID_BYTES_MAX && id.len() <= ID_BYTES_MAX {
                let max = ID_BYTES_MAX - name.len() - 1;
                let rule = Rule::IdWithPublisher { max, publisher: name.to_owned() };
                faults.push(Fault::invalid("id", rule).got(id.len().to_string()));
            }
            return filed;
        }
        if let Some((name, _)) = id.split_once(IN).filter(|(name, _)| self.publishers.contains_key(*name)) {
            faults.push(Fault::invalid("id", Rule::IdOfPublisher { publisher: name.to_owned() }));
        }
        id
    }

    /// What a job asks for beyond its rights. Jobs without a sender are of people who have the worker's own rights: they
    /// are held to the queues alone.
    pub fn faults(&self, wanted: &Wanted<'_>, sender: Option<&Sender>) -> Vec<Fault> {
        let mut faults: Vec<_> = wanted.reply_to.and_then(|queue| self.fault_of_queue(queue)).into_iter().collect();
        let Some(sender) = sender.filter(|_| self.are_set()) else { return faults };
        match self.publisher(sender.user_id.as_deref()) {
            Some((name, publisher)) => publisher.judge(name, wanted, &mut faults),
            // Whoever has no rights is not told what there is.
            None => return vec![unknown(sender)],
        }
        faults
    }

    fn fault_of_queue(&self, queue: &str) -> Option<Fault> {
        if self.own_queues.iter().any(|own| own == queue) {
            return Some(Fault::invalid("reply_to", Rule::WorkersQueue).got(shown_text(queue)));
        }
        let patterns = self.reply_to.as_ref().filter(|patterns| !patterns.fit(queue))?;
        let rule = Rule::QueueLike { patterns: patterns.to_string() };
        Some(Fault::invalid("reply_to", rule).got(shown_text(queue)))
    }

    /// Whether an answer may go to a queue: of a message that became no job (`is_refused`), only if its sender may be
    /// answered at all.
    pub fn may_answer(&self, user_id: Option<&str>, queue: &str, is_refused: bool) -> bool {
        if self.fault_of_queue(queue).is_some() {
            return false;
        }
        match self.publisher(user_id) {
            Some((_, publisher)) => publisher.reply_to.as_ref().is_none_or(|patterns| patterns.fit(queue)),
            None => !is_refused || !self.are_set(),
        }
    }
}

impl fmt::Display for Publisher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, apps, methods, identities, reply_to } = self;
        match user {
            Some(user) => write!(out, "user {user}")?,
            None => out.write_str("without user")?,
        }
        write!(out, ": apps {apps}, methods {methods}, identities {identities}")?;
        reply_to.as_ref().map_or(Ok(()), |queues| write!(out, ", reply_to {queues}"))
    }
}

impl Publisher {
    fn judge(&self, name: &str, wanted: &Wanted<'_>, faults: &mut Vec<Fault>) {
        let identity = wanted.identity.to_string();
        let asked = [
            ("app", wanted.app, Some(&self.apps), "apps"),
            ("method", wanted.method, Some(&self.methods), "methods"),
            ("identity", Some(identity.as_str()), Some(&self.identities), "identities"),
            ("reply_to", wanted.reply_to, self.reply_to.as_ref(), "reply_to"),
        ];
        for (field, value, allowed, key) in asked {
            if let (Some(value), Some(allowed)) = (value, allowed)
                && !allowed.fit(value)
            {
                let rule = Rule::NoRight { publisher: name.to_owned(), key: key.to_owned() };
                faults.push(Fault::invalid(field, rule).got(shown_text(value)));
            }
        }
    }
}

fn unknown(sender: &Sender) -> Fault {
    match &sender.user_id {
        Some(user) => Fault::invalid("AMQP user_id", Rule::PublisherKnown).got(shown_text(user)),
        None => Fault::invalid("AMQP user_id", Rule::PublisherGiven),
    }
}

/// A publisher's id among everybody's.
pub fn filed_as(publisher: &str, id: &str) -> String {
    format!("{publisher}{IN}{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(names: &[&str]) -> Patterns {
        Patterns::new(names.iter().map(|name| (*name).to_owned()).collect())
    }

    fn rights() -> Rights {
        let hr = Publisher {
            user: Some("hr-user".to_owned()),
            apps: patterns(&["acme"]),
            methods: patterns(&["feishu.calendar.*"]),
            identities: patterns(&["tenant"]),
            reply_to: Some(patterns(&["hr.*"])),
        };
        Rights {
            own_queues: vec!["paceline.jobs".to_owned(), "paceline.dead".to_owned()],
            reply_to: Some(patterns(&["*.replies", "hr.*"])),
            publishers: [("hr".to_owned(), hr)].into(),
            ids_by_publisher: false,
        }
    }

    fn fields(rights: &Rights, user: Option<&str>, wanted: (&str, &str, &str, Option<&str>)) -> Vec<String> {
        let (app, method, identity, reply_to) = wanted;
        let identity = Identity::parse(identity).unwrap();
        let wanted = Wanted { app: Some(app), method: Some(method), identity: &identity, reply_to };
        let sender = Sender { user_id: user.map(str::to_owned) };
        rights.faults(&wanted, Some(&sender)).into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, fit, unfit) in [
            ("a", vec!["a"], vec!["", "aa", "b", "*"]),
            ("*", vec!["", "a", "a.b"], vec![]),
            ("a.*", vec!["a.", "a.b"], vec!["a", "b.a."]),
            ("*.a", vec![".a", "b.a"], vec!["a", ".ab"]),
            ("a*b*c", vec!["abc", "axxbxxc", "abbcbc"], vec!["ac", "acb", "abcd"]),
            ("ab*ba", vec!["abba", "abxba"], vec!["aba"]),
            ("a**a", vec!["aa", "aba"], vec!["a"]),
            ("a*b*b", vec!["abb", "abxb"], vec!["ab", "axb"]),
        ] {
            for name in fit {
                assert!(patterns(&["no", pattern]).fit(name), "{pattern} {name}");
            }
            for name in unfit {
                assert!(!patterns(&[pattern]).fit(name), "{pattern} {name}");
            }
        }
        assert!(!patterns(&[]).fit(""));
    }

    #[test]
    fn a_publisher_may_what_its_table_says_and_no_more() {
        let (rights, hr) = (rights(), Some("hr-user"));
        let calendar = "feishu.calendar.create";
        let none: [&str; 0] = [];
        assert_eq!(fields(&rights, hr, ("acme", calendar, "tenant", Some("hr.q"))), none);
        assert_eq!(fields(&rights, hr, ("acme", calendar, "tenant", None)), none);
        assert_eq!(fields(&rights, hr, ("campus", calendar, "tenant", None)), ["app"]);
        assert_eq!(fields(&rights, hr, ("acme", "feishu.vc.room.create", "tenant", None)), ["method"]);
        assert_eq!(fields(&rights, hr, ("acme", calendar, "user:anna", None)), ["identity"]);
        assert_eq!(fields(&rights, hr, ("acme", calendar, "tenant", Some("it.replies"))), ["reply_to"]);
        assert_eq!(
            fields(&rights, hr, ("x", "y", "user:z", Some("w"))),
            ["reply_to", "app", "method", "identity", "reply_to"]
        );
        for nobody in [None, Some("hr"), Some("HR-USER"), Some("")] {
            assert_eq!(
                fields(&rights, nobody, ("acme", calendar, "tenant", Some("w"))),
                ["AMQP user_id"],
                "{nobody:?}"
            );
        }
    }

    #[test]
    fn a_publishers_ids_are_its_own() {
        let rights = Rights { ids_by_publisher: true, ..rights() };
        let sent = |user: &str| Some(Sender { user_id: Some(user.to_owned()) });
        let filed = |rights: &Rights, id: &str, sender: Option<Sender>, is_filed: bool| {
            let mut faults = Vec::new();
            let filed = rights.filed_id(id.to_owned(), sender.as_ref(), is_filed, &mut faults);
            (filed, faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        };
        let fine = |id: &str| (id.to_owned(), String::new());
        assert_eq!(filed(&rights, "7", sent("hr-user"), false), fine("hr/7"));
        // A name in front of it is part of the id.
        assert_eq!(filed(&rights, "hr/7", sent("hr-user"), false), fine("hr/hr/7"));
        assert_eq!(filed(&rights, "it/7", sent("hr-user"), false), fine("hr/it/7"));
        for own in ["7", "hr", "hr-7", "it/7", "Hr/7", "/hr/7"] {
            assert_eq!(filed(&rights, own, None, false), fine(own));
        }
        let (_, fault) = filed(&rights, "hr/7", None, false);
        assert_eq!(fault, "id: begins with hr/, as the ids of that publisher do: use another beginning");
        assert_eq!(filed(&rights, "hr/7", None, true), fine("hr/7"), "a person corrects it");
        let longest = "x".repeat(252);
        assert_eq!(filed(&rights, &longest, sent("hr-user"), false).1, "");
        let (_, fault) = filed(&rights, &format!("{longest}x"), sent("hr-user"), false);
        assert_eq!(fault, "id: expected at most 252 bytes, because hr/ is put before it, got 253");
        let shared = Rights { ids_by_publisher: false, ..rights };
        assert_eq!(filed(&shared, "7", sent("hr-user"), false), fine("7"));
        assert_eq!(filed(&shared, "hr/7", None, false), fine("hr/7"));
    }

    #[test]
    fn the_workers_own_queues_are_nobodys_answers() {
        let anybody = Rights { publishers: BTreeMap::new(), reply_to: None, ..rights() };
        assert_eq!(fields(&anybody, None, ("a", "b", "tenant", Some("paceline.dead"))), ["reply_to"]);
        assert_eq!(fields(&anybody, None, ("a", "b", "tenant", Some("paceline.dead.mine"))), [""; 0]);
        for (user, queue, is_refused, may) in [
            (Some("hr-user"), "hr.q", true, true),
            (Some("hr-user"), "it.replies", true, false),
            (Some("hr-user"), "it.replies", false, false),
            (Some("eve"), "hr.q", true, false),
            (None, "hr.q", true, false),
            // Accepted before there were publishers.
            (None, "hr.q", false, true),
            (None, "elsewhere", false, false),
            (None, "paceline.jobs", false, false),
        ] {
            assert_eq!(rights().may_answer(user, queue, is_refused), may, "{user:?} {queue} {is_refused}");
        }
        assert!(anybody.may_answer(None, "elsewhere", true));
        assert!(!anybody.may_answer(None, "paceline.jobs", true));
    }
}
