//! `cargo bench --bench lanes`: what waiting costs, and how soon a job leaves that need not wait. In real time, with the
//! whole engine and its ledger on the disk.

#[path = "../common/basics.rs"]
mod common;
#[path = "../common/embedded.rs"]
mod embedded;
#[path = "../common/usage.rs"]
mod usage;

mod latency;
mod waiting;
mod wire;

use self::common::sentence;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the tables, or a child's line for its parent, are what it is for")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--fill" || argument == "--wait") {
        println!("{}", waiting::child(&arguments[at], &arguments[at + 1..]).await?);
        return Ok(());
    }
    if !common::is_measuring() {
        println!("a measurement: run `cargo bench --bench lanes`");
        return Ok(());
    }
    println!("load before: {}\n", common::load());
    latency::table().await?;
    println!();
    tokio::task::block_in_place(waiting::table)?;
    println!("\nload after: {}", common::load());
    Ok(())
}
