//! The README's console blocks: what needs no network and no account is run, and prints what the page shows.

use crate::commands::Place;

const README: &str = include_str!("../../README.md");
const README_ZH: &str = include_str!("../../README.zh-CN.md");
const CARGO_RUN: &str = "cargo run --release -- ";

/// A folder with the examples, as a checkout has them.
fn checkout() -> Place {
    let place = Place::new(&[]);
    std::fs::create_dir(place.path().join("examples")).unwrap();
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for entry in std::fs::read_dir(examples).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        std::fs::copy(entry.path(), place.path().join("examples").join(entry.file_name())).unwrap();
    }
    place
}

/// Between `<!-- OUTPUT:name -->` and its end: the command after `$ paceline `, and what it prints.
fn shown(readme: &str) -> Vec<(String, Vec<String>)> {
    let blocks = readme.split("<!-- OUTPUT:").skip(1).map(|rest| rest.split_once("<!-- /OUTPUT:").unwrap().0);
    let block = |text: &str| {
        let (_, console) = text.split_once("```console\n$ paceline ").unwrap();
        let mut lines = console.split_once("\n```").unwrap().0.lines().map(str::to_owned);
        (lines.next().unwrap(), lines.collect())
    };
    blocks.map(block).collect()
}

/// A line without what differs from run to run: how long it took, what was planned with the delays met, and instants.
fn steady(line: &str) -> String {
    if line.starts_with("planned ") && line.contains(", took ") {
        return "planned <duration>, took <duration>".to_owned();
    }
    let is_instant = |word: &str| word.len() == 24 && word.ends_with('Z') && word.as_bytes()[10] == b'T';
    let words = line.split(' ').map(|word| if is_instant(word) { "<time>" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_readme_shows_what_its_commands_print() {
    let blocks = shown(README);
    assert_eq!(blocks, shown(README_ZH), "both READMEs show the same");
    assert!(blocks.len() >= 2, "{blocks:?}");
    for (command, expected) in blocks {
        let outcome = checkout().run(&command.split_whitespace().collect::<Vec<_>>());
        // On a terminal both streams run together; each keeps its order.
        let (mut left, mut printed): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
        let to_stderr: Vec<_> = outcome.err.lines().map(steady).collect();
        for line in expected.iter().map(|line| steady(line)) {
            if to_stderr.contains(&line) { left.push(line) } else { printed.push(line) }
        }
        assert_eq!(left, to_stderr, "standard error of paceline {command}");
        assert_eq!(
            printed,
            outcome.out.lines().map(steady).collect::<Vec<_>>(),
            "standard output of paceline {command}"
        );
    }
}

#[test]
fn the_readme_s_first_commands_work_in_a_fresh_checkout() {
    let (start, _) = README.split_once("\n## With RabbitMQ\n").unwrap();
    let place = checkout();
    let mut count = 0;
    for line in start.lines() {
        let Some((variables, command)) = line.split_once(CARGO_RUN).filter(|_| !line.contains('`')) else { continue };
        let mut arguments: Vec<_> = command.split_whitespace().collect();
        if command.contains("--simulate") && !command.contains("--speed") {
            arguments.extend(["--speed", "60"]);
        }
        let variables: Vec<_> = variables.split_whitespace().map(|pair| pair.split_once('=').unwrap()).collect();
        let outcome = place.run_with(&arguments, &variables);
        // The file of `validate` is broken on purpose.
        let expected = i32::from(command.contains("broken"));
        assert_eq!(outcome.code, Some(expected), "{line}: {}", outcome.transcript());
        count += 1;
    }
    assert!(count >= 5, "{count} commands");
    let left = ["examples", "paceline.simulated.db", "paceline.simulated.db.key", "paceline.simulated.db.lock"];
    assert_eq!(place.names(), left, "what a rehearsal leaves is what the README says");
}
