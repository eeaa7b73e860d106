//! Two documents of one URL.

use crate::catalog::{CatalogSource as Source, Method, built_in};

fn source(text: &str) -> Source {
    Source { name: "own.toml".to_owned(), text: text.to_owned() }
}

/// Faults of the built-in catalog extended by one file.
fn faults(text: &str) -> Vec<String> {
    built_in().unwrap().extend(&[source(text)]).err().map(|error| error.0).unwrap_or_default()
}

#[test]
fn two_documents_of_one_call_are_counted_as_one() {
    let catalog = built_in().unwrap();
    let [basic, advanced] =
        ["wecom.meeting.create", "wecom.meeting.create_advanced"].map(|name| catalog.method(name).unwrap());
    assert_eq!((&basic.http_method, &basic.path), (&advanced.http_method, &advanced.path));
    assert_eq!(advanced.counted_name(), basic.name);
    let quotas =
        |method: &Method| method.quotas.iter().map(|it| format!("{} {}", it.scope, it.quota)).collect::<Vec<_>>();
    assert_eq!(quotas(advanced), quotas(basic));
    // Also where the other's file is overridden, in whichever order.
    let text = include_str!("../../../../../../config/methods/wecom.meeting.create.toml")
        .replace("10000/min, 150000/h", "7/min");
    let changed = built_in().unwrap().extend(&[source(&text)]).unwrap();
    assert_eq!(changed.method(&advanced.name).unwrap().quotas[0].quota.to_string(), "7/min");

    let own = include_str!("../../../../../../config/methods/wecom.meeting.create_advanced.toml");
    let fault = |from: &str, to: &str| {
        assert!(own.contains(from), "{from}");
        faults(&own.replacen(from, to, 1)).join("\n")
    };
    let as_other = "counted_as = \"wecom.meeting.create\"";
    assert!(fault(as_other, "counted_as = \"wecom.meeting.nothing\"").contains("there is no method"));
    let cancel = fault(as_other, "counted_as = \"wecom.meeting.cancel\"");
    assert!(
        cancel.contains("counted_as: wecom.meeting.cancel is another call, POST /cgi-bin/meeting/cancel"),
        "{cancel}"
    );
    assert!(fault(as_other, "counted_as = \"wecom.meeting.create_advanced\"").contains("is itself counted as another"));
    assert!(fault(as_other, "").contains("a method needs at least one [[quotas]]"));
    let both = fault("[body]", "[[quotas]]\nscope = \"corp\"\nquota = \"1/min\"\n\n[body]");
    assert!(both.contains("quotas: belong into the file of wecom.meeting.create"), "{both}");
    let cut = fault("{ \"body.title\" = 40 }", "{ \"body.name\" = 40 }");
    assert!(cut.contains("creation.cut_beyond: the method has no parameter body.name"), "{cut}");
}
