//! Files to fill in, and the schema of jobs, as the commands give them.

use paceline::domain::catalog::{Kind, built_in};
use serde_json::Value;

use crate::commands::Place;

#[test]
fn each_methods_template_is_valid_as_it_stands() {
    let place = Place::with_apps(&[]);
    let mut wrong = Vec::new();
    for method in built_in().unwrap().methods.into_values().filter(|method| method.kind == Kind::Job) {
        let name = method.name.as_str();
        for (file, arguments) in [("en.csv", &[][..]), ("zh.xlsx", &["--lang", "zh"])] {
            let made = place.run(&[&["methods", "template", name, "-o", file], arguments].concat());
            let read = place.run(&["validate", file, "--simulate", "--method", name, "--app", "acme"]);
            if (made.code, read.code) != (Some(0), Some(0)) || !read.err.contains("2 rows, no fault") {
                wrong.push(format!("{name} {file}: {}{}{}", made.err, read.out, read.err));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_template_is_told_in_both_languages() {
    let place = Place::with_apps(&[]);
    let room = ["methods", "template", "feishu.vc.room_level.create"];
    insta::assert_snapshot!("template", place.run(&room).transcript());
    let chinese = place.run(&[&room[..], &["--lang", "zh"]].concat());
    assert!(chinese.out.starts_with('\u{feff}'), "Excel knows UTF-8 by its mark");
    insta::assert_snapshot!("template_zh", chinese.transcript().replace('\u{feff}', "<BOM>"));
}

#[test]
fn only_methods_of_jobs_have_templates() {
    let place = Place::with_apps(&[]);
    let refused = place.run(&["methods", "template", "feishu.vc.room.list"]);
    insta::assert_snapshot!("template_of_a_listing", refused.transcript());
    assert_eq!(place.run(&["methods", "template", "feishu.vc.rooms.create"]).code, Some(2));
    assert_eq!(place.run(&["methods", "schema", "feishu.vc.room.list"]).code, Some(2));
    let nowhere = place.run(&["methods", "template", "feishu.vc.room.create", "-o", "no/such/folder.csv"]);
    assert_eq!(nowhere.code, Some(2));
    assert!(nowhere.err.starts_with("error: no/such/folder.csv cannot be written: "), "{}", nowhere.err);
}

#[test]
fn schemas_name_their_dialect() {
    let place = Place::with_apps(&[]);
    let schema = |arguments: &[&str]| -> Value {
        let run = place.run(&[&["methods", "schema"], arguments].concat());
        serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {}", run.err))
    };
    let one = schema(&["feishu.vc.room.create"]);
    assert_eq!(one["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(one["properties"]["method"]["const"], "feishu.vc.room.create");
    assert_eq!(schema(&[])["$defs"]["feishu.vc.room.create"]["required"], one["required"]);
}
