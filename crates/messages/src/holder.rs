//! Who works a ledger.

use crate::messages;

messages! {
    /// Who works a ledger: the holder of its lock, or of its lease.
    pub enum Holder {
        /// A process of this machine, by its lock.
        HolderProcess { process: u32, since_at: String } = "process {process} has worked it since {since_at}", "进程 {process} 自 {since_at} 起在使用它";
        /// Whose lock cannot be read.
        HolderUnknown = "another process works it", "另一个进程在使用它";
        /// One start of a process, on any machine, by its lease.
        HolderReplica { owner: String, until_at: String } = "worker {owner} has it, by a lease until {until_at} that it renews", "worker {owner} 在使用它，租约到 {until_at}，会自动续期";
    }
}
