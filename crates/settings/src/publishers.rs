//! `[broker.publishers.NAME]` and `broker.reply_to`: who may ask for what.

use std::collections::BTreeMap;

use super::Broker;
use super::draft::{Draft, path};
use paceline_domain::rights::{Patterns, Publisher, Rights};

/// The rights that the settings give; the broker's queues are known.
pub(crate) fn rights(draft: &mut Draft<'_>, broker: &Broker) -> Rights {
    let queues = [Some(&broker.jobs_queue), broker.results_queue.as_ref(), Some(&broker.dead_queue)];
    let reply_to = patterns(draft, &path("broker.reply_to"));
    let ids_by_publisher = draft.text(&path("broker.ids")).as_deref() == Some("publisher");
    let table = path("broker.publishers");
    let names: Vec<_> = draft
        .tree
        .tables
        .keys()
        .filter(|path| path.len() == table.len() + 1 && path.starts_with(&table))
        .filter_map(|path| path.last().cloned())
        .collect();
    let mut publishers = BTreeMap::new();
    for name in names {
        let publisher = publisher(draft, &name);
        refuse_twin(draft, &publishers, &name, &publisher);
        publishers.insert(name, publisher);
    }
    Rights { own_queues: queues.into_iter().flatten().cloned().collect(), reply_to, publishers, ids_by_publisher }
}

fn publisher(draft: &mut Draft<'_>, name: &str) -> Publisher {
    let field = |key: &str| ["broker", "publishers", name, key].map(str::to_owned);
    let is_name = (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if !is_name {
        let table = &field("")[..3];
        draft.fault(table, format!("expected a name of 1 to 64 letters, digits, _ and -, got {name:?}"));
    }
    let user = if draft.is_given(&field("user")) { draft.text(&field("user")) } else { Some(name.to_owned()) };
    if !draft.is_given(&field("apps")) {
        draft.fault(&field("apps"), "expected the apps that this publisher may use, like [\"acme\"], got nothing");
    }
    Publisher {
        user: user.filter(|user| !user.is_empty()),
        apps: patterns(draft, &field("apps")).unwrap_or_default(),
        methods: patterns(draft, &field("methods")).unwrap_or_else(|| Patterns::new(vec!["*".to_owned()])),
        identities: patterns(draft, &field("identities")).unwrap_or_else(|| Patterns::new(vec!["tenant".to_owned()])),
        reply_to: patterns(draft, &field("reply_to")),
    }
}

/// One user's messages are of one publisher.
fn refuse_twin(draft: &mut Draft<'_>, before: &BTreeMap<String, Publisher>, name: &str, publisher: &Publisher) {
    let Some((other, _)) = before.iter().find(|(_, other)| other.user == publisher.user) else { return };
    let whose =
        publisher.user.as_ref().map_or_else(|| "messages without a user".to_owned(), |user| format!("{user:?}"));
    let field = ["broker", "publishers", name, "user"].map(str::to_owned);
    draft.fault(&field, format!("expected a user of its own, got {whose} like broker.publishers.{other}"));
}

fn patterns(draft: &mut Draft<'_>, field: &[String]) -> Option<Patterns> {
    draft.list(field).map(Patterns::new)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::load::load_from;

    fn load(text: &str, variables: &[(&str, &str)]) -> Result<Rights, String> {
        let text = format!("[broker]\nurl = \"amqp://u:p@h\"\n{text}");
        let read = |_: &Path, _: crate::draft::As| Ok(text.clone());
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings = load_from(Some(Path::new("x.toml")), variables, &read, true);
        settings.map(|settings| settings.broker.unwrap().rights).map_err(|faults| faults.to_string())
    }

    #[test]
    fn a_table_is_a_publisher_and_what_it_leaves_out_is_little() {
        let rights = load("[broker.publishers.hr]\napps = [\"acme\"]\n", &[]).unwrap();
        assert_eq!(rights.own_queues, ["paceline.jobs", "paceline.results", "paceline.dead"]);
        let (name, hr) = rights.publisher(Some("hr")).unwrap();
        assert_eq!((name, hr.to_string().as_str()), ("hr", "user hr: apps acme, methods *, identities tenant"));
        assert!(rights.publisher(None).is_none() && rights.reply_to.is_none());
        let anybody = load("[broker.publishers.rest]\nuser = \"\"\napps = [\"*\"]\n", &[]).unwrap();
        assert_eq!(anybody.publisher(None).unwrap().0, "rest");
        assert!(anybody.publisher(Some("rest")).is_none() && anybody.publisher(Some("")).is_none());
    }

    #[test]
    fn a_variable_holds_a_list_with_commas() {
        let rights =
            load("", &[("PACELINE_BROKER__REPLY_TO", "a.*, b"), ("PACELINE_BROKER__PUBLISHERS__HR__APPS", "acme")]);
        let rights = rights.unwrap();
        assert_eq!(rights.reply_to.unwrap().to_string(), "a.*, b");
        assert_eq!(rights.publishers["hr"].apps.to_string(), "acme");
    }

    #[test]
    fn what_could_mean_more_than_it_says_is_refused() {
        for (text, expected) in [
            ("[broker.publishers.hr]\n", "broker.publishers.hr.apps: expected the apps that this publisher may use"),
            (
                "[broker.publishers.hr]\napps = \"acme\"\n",
                "expected a list of names like [\"hr.*\", \"it\"], got \"acme\"",
            ),
            ("[broker.publishers.hr]\napps = [\"acme\", \"\"]\n", "expected a list of names"),
            ("[broker.publishers.hr]\napps = [1]\n", "expected a list of names"),
            ("[broker.publishers.\"h r\"]\napps = [\"a\"]\n", "expected a name of 1 to 64 letters, digits, _ and -"),
            ("[broker.publishers.hr]\napps = [\"a\"]\nmethod = [\"b\"]\n", "did you mean methods?"),
            (
                "[broker.publishers.a]\nuser = \"b\"\napps = [\"a\"]\n[broker.publishers.b]\napps = [\"a\"]\n",
                "broker.publishers.b.user: expected a user of its own, got \"b\" like broker.publishers.a",
            ),
            ("reply_to = true\n", "broker.reply_to: expected a list of names"),
            ("publishers = [\"hr\"]\n", "broker.publishers: expected the table [broker.publishers], got an array"),
        ] {
            let faults = load(text, &[]).unwrap_err();
            assert!(faults.contains(expected), "{text}: {faults}");
        }
    }
}
