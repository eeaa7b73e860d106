//! Loads catalogs: the one that is compiled in, and files that extend or override it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::file::{Item, item};
use super::read::{File, line_of, offset_of};
use super::{Catalog, Undoes, cross};

/// A file of the catalog.
#[derive(Clone, Debug)]
pub struct Source {
    /// Name for messages.
    pub name: String,
    /// TOML.
    pub text: String,
}

/// Every fault of every file, one a line.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct CatalogError(pub Vec<String>);

macro_rules! compiled_in {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("../../../config/", $path)))),*]
    };
}

/// Every file under `config/platforms` and `config/methods`; a test compares the list with the directories.
const BUILT_IN: [(&str, &str); 18] = compiled_in![
    "platforms/feishu.toml",
    "platforms/lark.toml",
    "platforms/wecom.toml",
    "methods/feishu.auth.tenant_access_token.internal.toml",
    "methods/feishu.calendar.create.toml",
    "methods/feishu.calendar.delete.toml",
    "methods/feishu.calendar.event.meeting_minute.create.toml",
    "methods/feishu.calendar.get.toml",
    "methods/feishu.calendar.list.toml",
    "methods/feishu.vc.room.create.toml",
    "methods/feishu.vc.room.delete.toml",
    "methods/feishu.vc.room.get.toml",
    "methods/feishu.vc.room.list.toml",
    "methods/wecom.gettoken.toml",
    "methods/wecom.meeting.cancel.toml",
    "methods/wecom.meeting.create.toml",
    "methods/wecom.meeting.get_info.toml",
    "methods/wecom.meeting.get_user_meetingid.toml",
];

/// The catalog that is compiled in.
pub fn built_in() -> Result<Catalog, CatalogError> {
    let sources = BUILT_IN.map(|(name, text)| Source { name: format!("config/{name}"), text: text.to_owned() });
    load(&sources)
}

/// A catalog of these files alone.
pub fn load(sources: &[Source]) -> Result<Catalog, CatalogError> {
    Catalog::default().extend(sources)
}

/// Where an item of the catalog was read, for faults that only the whole catalog shows.
#[derive(Default)]
struct Place<'i> {
    file: String,
    text: &'i str,
    offsets: BTreeMap<String, usize>,
}

impl Place<'_> {
    /// `file:line: field: message`, with the line of the innermost part of `field` that has one.
    fn fault(&self, (field, message): &(String, String)) -> String {
        let line = offset_of(&self.offsets, field).map_or(1, |at| line_of(self.text, at));
        format!("{}:{line}: {field}: {message}", self.file)
    }
}

impl Catalog {
    /// This catalog with the platforms and methods of more files, which override those of the same name.
    ///
    /// # Errors
    /// Every fault of every file. What the files do not touch is taken as sound, except where it refers to something
    /// that they override.
    pub fn extend(mut self, sources: &[Source]) -> Result<Self, CatalogError> {
        let mut faults = Vec::new();
        let mut places: BTreeMap<String, Place<'_>> = BTreeMap::new();
        for source in sources {
            let mut file = File::new(&source.name, &source.text);
            let item = item(&mut file);
            faults.append(&mut file.faults);
            let Some(item) = item else { continue };
            let name = match &item {
                Item::Platform(platform) => platform.name.clone(),
                Item::Method(method) => method.name.clone(),
            };
            let place = Place { file: source.name.clone(), text: &source.text, offsets: file.offsets };
            if let Some(first) = places.insert(name.clone(), place) {
                faults.push(format!("{}:1: name: {name} stands in {} as well", source.name, first.file));
            }
            match item {
                Item::Platform(platform) => drop(self.platforms.insert(name, Arc::from(platform))),
                Item::Method(method) => drop(self.methods.insert(name, Arc::from(method))),
            }
        }
        // Half a catalog would only produce consequential faults.
        if faults.is_empty() {
            faults = self.cross_faults(&places);
        }
        if !faults.is_empty() {
            return Err(CatalogError(faults));
        }
        self.link_undos();
        Ok(self)
    }

    /// Lets every method know what it undoes.
    fn link_undos(&mut self) {
        let mut undoes: BTreeMap<String, Vec<Undoes>> = BTreeMap::new();
        for method in self.methods.values() {
            if let Some(undo) = &method.undo {
                let of = Undoes { method: method.name.clone(), param: undo.param.clone() };
                undoes.entry(undo.method.clone()).or_default().push(of);
            }
        }
        for (name, method) in &mut self.methods {
            let undoes = undoes.remove(name).unwrap_or_default();
            if method.undoes != undoes {
                Arc::make_mut(method).undoes = undoes;
            }
        }
    }

    fn cross_faults(&self, places: &BTreeMap<String, Place<'_>>) -> Vec<String> {
        let unread = |name: &str| Place { file: format!("the catalog's {name}"), ..Place::default() };
        let platforms = self.platforms.keys().map(|name| (name, cross::platform(self, name)));
        let methods = self.methods.iter().map(|(name, method)| (name, cross::method(self, method)));
        let mut faults = Vec::new();
        for (name, found) in platforms.chain(methods) {
            for fault in &found {
                faults.push(places.get(name).unwrap_or(&unread(name)).fault(fault));
            }
        }
        faults
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
