use serde_json::json;

use super::*;
use crate::catalog::built_in;
use crate::decode::{Apps, Decoder, Defaults};

fn room(level: &Value) -> Job {
    let decoder = Decoder { catalog: built_in().unwrap().into(), apps: Apps::Any, rights: Arc::default() };
    let job = json!({"id": "r", "method": "feishu.vc.room.create", "app": "acme",
        "body": {"name": "7F", "capacity": 4, "room_level_id": level}});
    decoder.decode(job.to_string().as_bytes(), &Defaults::default()).unwrap()
}

fn found(name: &str, answer: Answer) -> Names {
    let job = room(&json!({"$find": name}));
    let wanted = wanted(&job, &built_in().unwrap()).remove(0);
    Names::Found(Arc::new(HashMap::from([((wanted.directory, name.to_owned()), answer)])))
}

#[test]
fn an_id_beside_its_name_is_sent_and_no_content() {
    let catalog = built_in().unwrap();
    let plain = room(&json!({"$find": "总部/2层"}));
    let mut job = plain.clone();
    let names = found("总部/2层", Answer::Is("omb_2".to_owned()));
    assert_eq!(names.settle(&mut job, &catalog), Ok(true));
    assert_eq!(job.params.body["room_level_id"], json!({"$find": "总部/2层", "is": "omb_2"}));
    assert_eq!(job.content_hash(), plain.content_hash());
    assert_eq!((left(&plain.params), left(&job.params)), (Some("总部/2层".to_owned()), None));
    assert!(wanted(&job, &catalog).is_empty());
    let method = catalog.job_method("feishu.vc.room.create").unwrap();
    assert_eq!(job.with_values(Some(method)).params.body["room_level_id"], "omb_2");
    let mut rehearsed = plain.clone();
    assert_eq!(Names::MadeUp.settle(&mut rehearsed, &catalog), Ok(true));
    assert!(rehearsed.with_values(Some(method)).params.body["room_level_id"].as_str().unwrap().starts_with("omb_"));
    assert_eq!(Names::Unasked.settle(&mut plain.clone(), &catalog), Ok(false));
}

#[test]
fn none_and_several_are_faults_that_show_what_is_there() {
    let catalog = built_in().unwrap();
    let words = |answer| {
        let mut job = room(&json!({"$find": "2层"}));
        let faults = found("2层", answer).settle(&mut job, &catalog).unwrap_err();
        faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    let nothing = words(Answer::Nothing(vec!["二层".to_owned()]));
    assert!(nothing.starts_with("body.room_level_id: ") && nothing.contains("\"2层\"") && nothing.contains("二层"));
    assert!(words(Answer::Several(vec!["omb_1".to_owned(), "omb_2".to_owned()])).contains("omb_1, omb_2"));
}

#[test]
fn names_are_found_among_their_neighbours_alone() {
    let catalog = built_in().unwrap();
    let resolve = wanted(&room(&json!({"$find": "x"})), &catalog).remove(0).directory.resolve;
    let level = |name: &str, key: &str, above: &str| json!({"name": name, "room_level_id": key, "parent_id": above});
    let tree = [
        level("总部", "omb_a", "omb_root"),
        level("分部", "omb_b", "omb_root"),
        level("1层", "omb_a1", "omb_a"),
        level("1层", "omb_b1", "omb_b"),
    ];
    let top = below(&tree, &resolve, None);
    assert_eq!(pick(&top, &resolve, "总部"), Answer::Is("omb_a".to_owned()));
    assert_eq!(pick(&top, &resolve, "1层"), Answer::Nothing(vec!["总部".to_owned(), "分部".to_owned()]));
    assert_eq!(pick(&below(&tree, &resolve, Some("omb_b")), &resolve, "1层"), Answer::Is("omb_b1".to_owned()));
    assert_eq!(pick(&tree, &resolve, "1层"), Answer::Several(vec!["omb_a1".to_owned(), "omb_b1".to_owned()]));
    assert_eq!(steps("总部／3号楼/ 2层/"), ["总部", "3号楼", "2层"]);
}
