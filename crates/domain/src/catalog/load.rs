//! Loads catalogs: the one that is compiled in, and files that extend or override it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use super::file::{Item, item};
use super::read::{File, line_of, offset_of};
use super::{Catalog, Kind, Method, Resolve, Schema, Undoes, cross};

/// A file of the catalog.
#[derive(Clone, Debug)]
pub struct Source {
    /// Name for messages.
    pub name: String,
    /// TOML.
    pub text: String,
}

/// Every fault of every file, one a line.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct CatalogError(pub Vec<String>);

/// Every file under `config/platforms` and `config/methods`: its path and its text. build.rs makes the list.
const BUILT_IN: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// The catalog that is compiled in. It is read once a process: it cannot change, and its parts are shared.
pub fn built_in() -> Result<Catalog, CatalogError> {
    static CATALOG: LazyLock<Result<Catalog, CatalogError>> = LazyLock::new(|| {
        let source = |(name, text): &(&str, &str)| Source { name: (*name).to_owned(), text: (*text).to_owned() };
        load(&BUILT_IN.iter().map(source).collect::<Vec<_>>())
    });
    CATALOG.clone()
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
                Item::Codes(codes) => codes.name.clone(),
            };
            let place = Place { file: source.name.clone(), text: &source.text, offsets: file.offsets };
            if let Some(first) = places.insert(name.clone(), place) {
                faults.push(format!("{}:1: name: {name} is in {} as well", source.name, first.file));
            }
            match item {
                Item::Platform(platform) => drop(self.platforms.insert(name, Arc::from(platform))),
                Item::Method(method) => drop(self.methods.insert(name, Arc::from(method))),
                Item::Codes(codes) => drop(self.codes.insert(name, Arc::from(codes))),
            }
        }
        self.link_codes();
        // Half a catalog would only produce consequential faults.
        if faults.is_empty() {
            faults = self.cross_faults(&places);
        }
        if !faults.is_empty() {
            return Err(CatalogError(faults));
        }
        self.link_undos();
        self.link_quotas();
        self.link_names();
        Ok(self)
    }

    /// Gives every method the codes that it shares with others; its own come before them.
    fn link_codes(&mut self) {
        for method in self.methods.values_mut().filter(|method| !method.codes.is_empty()) {
            let shared = method.codes.iter().filter_map(|name| self.codes.get(name)).flat_map(|codes| &codes.errors);
            let mut errors: BTreeMap<_, _> = shared.map(|(code, rule)| (*code, rule.clone())).collect();
            errors.extend(method.own_errors.clone());
            Arc::make_mut(method).errors = errors;
        }
    }

    /// Gives what is counted as another method that method's quotas.
    fn link_quotas(&mut self) {
        let counted = |(name, method): (&String, &Arc<Method>)| Some((name.clone(), method.counted_as.clone()?));
        let counted: Vec<_> = self.methods.iter().filter_map(counted).collect();
        for (name, as_name) in counted {
            let Some(other) = self.methods.get(&as_name).cloned() else { continue };
            if let Some(method) = self.methods.get_mut(&name) {
                let method = Arc::make_mut(method);
                method.quotas.clone_from(&other.quotas);
                method.budgets.clone_from(&other.budgets);
            }
        }
    }

    /// Gives every parameter that names things of a kind the look-ups for such names; its own come before them.
    fn link_names(&mut self) {
        let personal = |method: &Method, resolve: &Resolve| {
            resolve.asked_params().any(|param| method.param(param).is_some_and(Schema::holds_secrets))
        };
        let mut kinds: BTreeMap<(String, String), Vec<Arc<Resolve>>> = BTreeMap::new();
        for method in self.methods.values() {
            for resolve in &method.resolves {
                let kind = (method.family.clone(), resolve.names.clone());
                let resolve = Resolve { personal: personal(method, resolve), ..(**resolve).clone() };
                kinds.entry(kind).or_default().push(Arc::new(resolve));
            }
        }
        let creates = kinds.values().flatten().filter_map(|resolve| resolve.create.as_ref());
        let creates: BTreeSet<&str> = creates.map(|create| create.method.as_str()).collect();
        for method in self.methods.values_mut().filter(|method| method.kind == Kind::Job) {
            let is_made_by_name = creates.contains(method.name.as_str());
            if method.is_made_by_name != is_made_by_name {
                Arc::make_mut(method).is_made_by_name = is_made_by_name;
            }
            let mut linked = [method.path_schema.clone(), method.query_schema.clone(), method.body_schema.clone()];
            for schema in &mut linked {
                link_schema(schema, &method.family, &kinds);
            }
            if linked != [&method.path_schema, &method.query_schema, &method.body_schema].map(Clone::clone) {
                let method = Arc::make_mut(method);
                [method.path_schema, method.query_schema, method.body_schema] = linked;
            }
        }
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

fn link_schema(schema: &mut Schema, family: &str, kinds: &BTreeMap<(String, String), Vec<Arc<Resolve>>>) {
    schema.resolve.retain(|resolve| resolve.names.is_empty());
    if !schema.names.is_empty()
        && let Some(ways) = kinds.get(&(family.to_owned(), schema.names.clone()))
    {
        schema.resolve.extend(ways.iter().cloned());
    }
    schema.properties.iter_mut().for_each(|(_, inner)| link_schema(inner, family, kinds));
    if let Some(items) = &mut schema.items {
        link_schema(items, family, kinds);
    }
}

#[cfg(test)]
mod tests;
