//! Kills the worker at named points and at random moments, again and again, and then does the sums.
//!
//! ```console
//! cargo test --test trials -- crash --kills 250 --seed 7
//! ```
//!
//! Each round has a ledger and a faulty simulator of its own, which survives the worker's deaths, and queues of its own on
//! one private RabbitMQ. Single jobs of four methods and chains that use ten come by AMQP (some twice, in any order) and by
//! file, beside messages that are no jobs, some of which no client could read. A queue of somebody else's on the results
//! exchange refuses everything; the jobs queue has RabbitMQ 4's delivery limit. After its kills a round is worked to its
//! end, and three sources have to agree: the simulator's books, the ledger, the messages. A seed replays the choice of
//! jobs, faults and kills; where in its work a kill meets the worker, the machine decides.

mod plan;
mod round;
mod sums;
mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use paceline::clock::Clock;
use serde_json::{Value, json};

use self::round::{ALL, Round};
use crate::node::Node;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How often a worker is killed, in all rounds together
    #[arg(long, default_value_t = 500)]
    kills: u32,
    /// Kills of one ledger
    #[arg(long, default_value_t = 50)]
    round: u32,
    /// Replays the choice of jobs, faults and kills
    #[arg(long)]
    seed: Option<u64>,
    /// Prints the sums as JSON
    #[arg(long)]
    json: bool,
}

/// How many kills came where.
type Deaths = BTreeMap<&'static str, u32>;
/// The sums of rounds by name.
type Figures = BTreeMap<&'static str, u64>;

/// Whether a program dies where it is asked to: it refuses a point that there is not.
fn ensure_points(binary: &Path, folder: &Path) -> anyhow::Result<()> {
    let binary = binary.canonicalize().with_context(|| format!("there is no program {}", binary.display()))?;
    let jobs = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/campus.csv");
    let mut asked = Command::new(&binary);
    asked.current_dir(folder).env("PACELINE_CRASH_AT", "nowhere:1");
    let done = asked.arg("run").arg(jobs).args(["--simulate", "--speed", "600"]).output();
    let said = String::from_utf8(done?.stderr)?;
    ensure!(
        said.contains("PACELINE_CRASH_AT"),
        "{} has no points to die at: it was built without debug assertions",
        binary.display()
    );
    Ok(())
}

pub(crate) async fn carry_out(binary: &Path, options: &Options) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    ensure_points(binary, folder.path())?;
    let first = options.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("seed {first}");
    let clock = Clock::system();
    let began = clock.mono();
    let node = Node::start(folder.path().join("node"))?;
    let (mut deaths, mut figures) = (Deaths::new(), Figures::new());
    let (mut left, mut rounds) = (options.kills, 0);
    while left > 0 {
        let kills = left.min(options.round.max(1));
        let seed = first + rounds;
        rounds += 1;
        let round = Round { binary, node: &node, seed, kills };
        let found = round.carry_out(&mut deaths).await;
        let found = found.with_context(|| format!("round {rounds} (seed {seed})"))?;
        let (jobs, calls) = (found["jobs"], found["calls"]);
        println!("round {rounds}, seed {seed}: {kills} kills, {jobs} jobs, {calls} calls: the sums agree");
        for (name, count) in found {
            *figures.entry(name).or_default() += count;
        }
        left -= kills;
    }
    if options.kills as usize >= 3 * ALL.len() {
        let missed: Vec<_> = ALL.iter().map(|(point, _)| *point).filter(|point| !deaths.contains_key(point)).collect();
        ensure!(missed.is_empty(), "no kill ever came at {missed:?}");
    }
    let took_s = clock.mono().since(began).as_secs();
    if options.json {
        println!("{}", document(options.kills, first, rounds, &deaths, &figures, took_s));
    } else {
        println!("{}", sentence(options.kills, rounds, &deaths, &figures, took_s));
    }
    Ok(())
}

fn document(kills: u32, seed: u64, rounds: u64, deaths: &Deaths, figures: &Figures, took_s: u64) -> Value {
    let mut document = json!({"seed": seed, "rounds": rounds, "kills": kills, "deaths": deaths, "lost": 0,
        "created_twice": 0, "refused_for_pace": 0, "took_s": took_s});
    for (name, count) in figures {
        document[*name] = json!(count);
    }
    document
}

fn sentence(kills: u32, rounds: u64, deaths: &Deaths, figures: &Figures, took_s: u64) -> String {
    let mut points: Vec<_> = deaths.iter().collect();
    points.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let points: Vec<_> = points.iter().map(|(point, count)| format!("{count} {point}")).collect();
    let of = |name: &str| figures.get(name).copied().unwrap_or_default();
    format!(
        "{kills} kills in {rounds} rounds ({})\n\
         {} jobs: {} succeeded, {} held minutes (of {} uncertain; {} had been applied); {} messages that were no jobs, \
         each a dead letter\n\
         {} jobs waited for others, none was carried out before them\n\
         {} objects created, {} results published ({} more than once), {} to a subscriber beside one that refused all, \
         {} calls, {} scripted faults\n\
         0 lost, 0 created twice, 0 refused for pace but by the scenario, audit clean; {took_s} s",
        points.join(", "),
        of("jobs"),
        of("succeeded"),
        of("held"),
        of("uncertain_minutes"),
        of("held_applied"),
        of("dead_letters"),
        of("chained"),
        of("created"),
        of("results"),
        of("repeated_results"),
        of("copies"),
        of("calls"),
        of("scripted_faults"),
    )
}
