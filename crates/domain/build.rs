//! Lists the files of the built-in catalog, so that a method is one TOML file and no line of Rust.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, error, fs, io};

/// The catalog's directories, below `config`.
const DIRECTORIES: [&str; 2] = ["platforms", "methods"];

fn main() -> Result<(), Box<dyn error::Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../..");
    println!("cargo:rerun-if-changed=build.rs");
    let mut list = String::from("[\n");
    for directory in DIRECTORIES {
        // A directory as such: cargo looks for files that came, went or changed.
        println!("cargo:rerun-if-changed=../../config/{directory}");
        for name in toml_files(&root.join("config").join(directory))? {
            let path = format!("config/{directory}/{name}");
            writeln!(list, "    ({path:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/../../{path}\"))),")?;
        }
    }
    list.push_str("]\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("built_in.rs"), list)?;
    Ok(())
}

/// The names of a directory's TOML files, sorted, so that equal sources make equal binaries.
fn toml_files(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name().into_string().unwrap_or_default();
        if Path::new(&name).extension().is_some_and(|ending| ending == "toml") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
