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
    let nothing = words(Answer::Nothing(Nothing { there: vec!["二层".to_owned()], ..Nothing::default() }));
    assert!(nothing.starts_with("body.room_level_id: ") && nothing.contains("\"2层\"") && nothing.contains("二层"));
    assert!(words(Answer::Several(vec!["omb_1".to_owned(), "omb_2".to_owned()])).contains("omb_1, omb_2"));
}

/// A listing's items, as it has them for a place.
fn known<'k>(places: &'k [(&'k str, Vec<Listed>)]) -> impl Fn(&str) -> Option<Arc<[Listed]>> + 'k {
    |place| places.iter().find(|(known, _)| *known == place).map(|(_, items)| items.clone().into())
}

fn level(name: &str, key: &str, above: &str) -> Listed {
    Listed { key: key.to_owned(), name: name.to_owned(), also: None, above: Some(above.to_owned()) }
}

#[test]
fn a_path_is_followed_from_the_top_and_shows_where_it_ends() {
    let catalog = built_in().unwrap();
    let directory = wanted(&room(&json!({"$find": "x"})), &catalog).remove(0).directory;
    let top = vec![level("总部", "omb_a", "omb_root"), level("分部", "omb_b", "omb_root")];
    let nothing = known(&[]);
    assert_eq!(walk(&directory, "总部／1层", &nothing), Step::Ask(TOP.to_owned()));
    let places = [("", top.clone())];
    let Step::Ask(place) = walk(&directory, "总部/ 1层/", &known(&places)) else {
        panic!("the branch is not known")
    };
    assert_eq!(parent_of(&place), Some("omb_a"));
    assert_eq!(directory.listing(&place).query["room_level_id"], "omb_a");
    assert!(directory.listing(TOP).query.get("room_level_id").is_none());
    let places = [("", top), (place.as_str(), vec![level("1层", "omb_a1", "omb_a"), level("2层", "omb_a2", "omb_a")])];
    let known = known(&places);
    assert_eq!(walk(&directory, "总部/1层", &known), Step::Done(Answer::Is("omb_a1".to_owned())));
    let Step::Done(Answer::Nothing(nothing)) = walk(&directory, "总部/3层/东", &known) else {
        panic!("it is not there")
    };
    assert_eq!((nothing.below.as_deref(), nothing.missing.len()), (Some("omb_a"), 2));
    assert_eq!(nothing.there, ["1层", "2层"]);
    assert_eq!(steps("总部／3号楼/ 2层/"), ["总部", "3号楼", "2层"]);
}

#[test]
fn a_listing_of_a_whole_tree_is_asked_once_and_its_root_may_be_left_out() {
    let decoder = Decoder { catalog: built_in().unwrap().into(), apps: Apps::Any, rights: Arc::default() };
    let job = json!({"id": "r", "method": "wecom.oa.meetingroom.add", "app": "campus", "body": {"name": "A",
        "capacity": 4, "range": {"department_list": [{"$find": "研发部/平台组"}, 7]}}});
    let mut job = decoder.decode(job.to_string().as_bytes(), &Defaults::default()).unwrap();
    let wanted = wanted(&job, &decoder.catalog).remove(0);
    let tree =
        vec![level("公司", "1", "0"), level("研发部", "2", "1"), level("平台组", "3", "2"), level("平台组", "4", "1")];
    let places = [("", tree)];
    let found = walk(&wanted.directory, &wanted.name, &known(&places));
    assert_eq!(found, Step::Done(Answer::Is("3".to_owned())));
    assert_eq!(walk(&wanted.directory, "公司/研发部", &known(&places)), Step::Done(Answer::Is("2".to_owned())));
    let two = [("", vec![level("A", "1", "0"), level("A", "5", "0")])];
    let several = Answer::Several(vec!["1".to_owned(), "5".to_owned()]);
    assert_eq!(walk(&wanted.directory, "A", &known(&two)), Step::Done(several), "two of one name");
    let names = Names::Found(Arc::new(HashMap::from([((wanted.directory, wanted.name), Answer::Is("3".to_owned()))])));
    assert_eq!(names.settle(&mut job, &decoder.catalog), Ok(true));
    let method = decoder.catalog.job_method("wecom.oa.meetingroom.add").unwrap();
    assert_eq!(job.with_values(Some(method)).params.body["range"]["department_list"], json!([3, 7]), "as numbers");
}

#[test]
fn people_are_asked_for_by_what_their_names_look_like() {
    let catalog = built_in().unwrap();
    let schema = catalog.job_method("feishu.calendar.acl.create").unwrap().param("body.scope.user_id").unwrap().clone();
    let way = |name: &str| schema.resolver(name).map(|way| (way.method.clone(), way.asked(name)));
    let is = |method: &str, asked: &str| Some((method.to_owned(), asked.to_owned()));
    assert_eq!(way("Ann@Corp.com"), is("feishu.contact.user.batch_get_id", "Ann@Corp.com"));
    assert_eq!(way("邮箱：a@b.c"), is("feishu.contact.user.batch_get_id", "a@b.c"));
    assert_eq!(way("+86 13800138000"), is("feishu.contact.user.batch_get_id", "13800138000"));
    assert_eq!(way("mobile:+6591234567"), is("feishu.contact.user.batch_get_id", "+6591234567"));
    assert_eq!(way("工号:E 7"), None);
    assert_eq!(way("工号:E7"), is("feishu.directory.employee.filter", "E7"));
    assert_eq!(way("张三"), None, "a person's name is nobody's alone");

    let filter = schema.resolver("工号:E7").unwrap();
    let asked = filter.call(&filter.given(&Params::default()), &["E7".to_owned(), "E8".to_owned()]);
    assert_eq!(asked.body["filter"]["conditions"][0]["value"], r#"["E7","E8"]"#);
    let mut job = Params::default();
    job.query.insert("user_id_type".to_owned(), json!("union_id"));
    let by_mail = schema.resolver("a@b.c").unwrap();
    let asked = by_mail.call(&by_mail.given(&job), &["a@b.c".to_owned()]);
    assert_eq!((&asked.body["emails"], &asked.query["user_id_type"]), (&json!(["a@b.c"]), &json!("union_id")));
    assert!(by_mail.personal && !filter.personal);
    assert_eq!(
        (shortened("zhangsan@corp.com"), shortened("13800138000")),
        ("z…@corp.com".to_owned(), "…8000".to_owned())
    );

    let item = |mobile: &str| Listed { key: "ou_1".to_owned(), name: mobile.to_owned(), also: None, above: None };
    let by_mobile = schema.resolver("13800138000").unwrap();
    let acl = json!({"id": "a", "method": "feishu.calendar.acl.create", "app": "acme", "path": {"calendar_id": "c"},
        "body": {"role": "reader", "scope": {"type": "user", "user_id": {"$find": "13800138000"}}}});
    let decoder = Decoder { catalog: catalog.clone().into(), apps: Apps::Any, rights: Arc::default() };
    let acl = decoder.decode(acl.to_string().as_bytes(), &Defaults::default()).unwrap();
    let directory = Directory::of(&acl, by_mobile, &catalog);
    let places = [("is 13800138000", vec![item("+8613800138000")])];
    let found = walk(&directory, "13800138000", &known(&places));
    assert_eq!(found, Step::Done(Answer::Is("ou_1".to_owned())), "with its country's code");
}

#[test]
fn an_object_that_another_job_makes_is_taken_from_that_job() {
    let catalog = built_in().unwrap();
    let plain = room(&json!({"$find": "总部/3层"}));
    let mut job = plain.clone();
    let names = found("总部/3层", Answer::Made("levels:1".to_owned()));
    assert_eq!(names.settle(&mut job, &catalog), Ok(true));
    assert_eq!((job.content_hash(), job.prerequisites()), (plain.content_hash(), vec!["levels:1".to_owned()]));
    assert_eq!(left(&job.params), None);
    let method = catalog.job_method("feishu.vc.room.create").unwrap();
    job.filled = vec![json!("omb_new")];
    assert_eq!(job.with_values(Some(method)).params.body["room_level_id"], "omb_new");
}

#[test]
fn a_code_that_says_so_tells_which_names_are_gone() {
    let catalog = built_in().unwrap();
    let mut job = room(&json!({"$find": "总部"}));
    assert!(found("总部", Answer::Is("omb_1".to_owned())).settle(&mut job, &catalog).unwrap());
    assert_eq!((gone(&job, &catalog, 121_004).len(), gone(&job, &catalog, 125_001).len()), (1, 0));
    forget(&mut job.params);
    assert_eq!(job.params.body["room_level_id"], json!({"$find": "总部"}));
}
