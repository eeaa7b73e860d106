//! What people changed on the platform by hand: a listed object beside what its job, and the updates of it, asked for.

use serde_json::Value;

use super::catalog::{Catalog, Method, Read, Schema};
use super::difference::Change;
use super::find;
use super::job::{Job, Params};
use super::outcome::{lookup, text_of};

/// The listing that shows what a method creates, and where an item has its id. What it is asked for in its path, the create
/// has in its own (the calendar of an event).
pub fn listing_of<'c>(catalog: &'c Catalog, create: &Method) -> Option<(&'c Method, &'c Read, &'c str)> {
    let update = create.update.as_ref()?;
    catalog.methods.values().find_map(|listing| {
        let read = listing.read.as_ref().filter(|read| read.feeds == update.method)?;
        let key = read.columns.get(&update.param)?;
        let has = |name: &String| create.path_schema.property(name).is_some();
        listing.path_schema.required.iter().all(has).then_some((&**listing, read, key.as_str()))
    })
}

/// The parameters that the listing is asked with for what a job has created, whose values are there.
pub fn asked_with(listing: &Method, has: &Job) -> Params {
    let of = |name: &String| Some((name.clone(), has.params.path.get(name)?.clone()));
    Params { path: listing.path_schema.required.iter().filter_map(of).collect(), ..Params::default() }
}

/// Whether the item is a deleted object that the listing goes on to show.
pub fn is_gone(create: &Method, item: &Value) -> bool {
    let never = create.creation.look_up().map(|look_up| &look_up.never);
    let shows = |(field, values): (&String, &Vec<Value>)| lookup(item, field).is_some_and(|it| values.contains(it));
    never.is_some_and(|never| never.iter().any(shows))
}

/// What the item has that is not what the job asked for. What the job left to the platform is nobody's change.
pub fn between(create: &Method, read: &Read, has: &Job, item: &Value) -> Vec<Change> {
    let change = |(param, path): (&String, &String)| {
        let ours = has.params.get(param)?;
        let ours = ours.get(find::IS).unwrap_or(ours);
        if create.param(param).is_none_or(Schema::holds_secrets) {
            return None;
        }
        let theirs = lookup(item, path);
        let is_same = plain(Some(ours)) == plain(theirs);
        (!is_same).then(|| Change { field: param.clone(), before: Some(ours.clone()), now: theirs.cloned() })
    };
    read.columns.iter().filter_map(change).collect()
}

/// A value as the platforms compare it: a number is the same in quotes, and an empty one is absent.
fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(value) => text_of(value).unwrap_or_else(|| value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::built_in;
    use crate::decode::{Apps, Decoder, Defaults};

    #[test]
    fn what_the_job_asked_for_is_compared_and_nothing_else() {
        let catalog = std::sync::Arc::new(built_in().unwrap());
        let decoder = Decoder { catalog: catalog.clone(), apps: Apps::Any, rights: std::sync::Arc::default() };
        let job = json!({"id": "r", "method": "feishu.vc.room.create", "app": "acme", "body": {
            "name": "7F", "capacity": 4, "room_level_id": {"$find": "总部", "is": "omb_1"}, "description": ""}});
        let job = decoder.decode(job.to_string().as_bytes(), &Defaults::default()).unwrap();
        let create = catalog.job_method("feishu.vc.room.create").unwrap();
        let (listing, read, key) = listing_of(&catalog, create).unwrap();
        assert_eq!((listing.name.as_str(), key), ("feishu.vc.room.list", "room_id"));
        let words = |item: Value| {
            between(create, read, &job, &item).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        let same =
            json!({"room_id": "omm_1", "name": "7F", "capacity": "4", "room_level_id": "omb_1", "custom_room_id": "x"});
        assert_eq!(words(same), "");
        let changed =
            json!({"room_id": "omm_1", "name": "大厅", "capacity": 4, "room_level_id": "omb_1", "description": "x"});
        assert_eq!(words(changed), "body.description: \"\" → \"x\"; body.name: \"7F\" → \"大厅\"");
    }
}
