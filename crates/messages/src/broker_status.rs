//! How a worker's connections to its broker are, and what it does on them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{BrokerFault, messages};

messages! {
    /// How a connection to the broker is.
    pub enum LinkState {
        /// The first try is under way.
        Connecting = "connecting", "正在连接";
        Connected = "connected", "已连接";
        /// An alarm of the broker: it has too little memory or disk.
        Blocked { reason: String } = "blocked by RabbitMQ ({reason}): it takes no messages until it has room again; see `rabbitmq-diagnostics alarms`", "被 RabbitMQ 阻塞（{reason}）：腾出空间之前不接收消息，见 `rabbitmq-diagnostics alarms`";
        /// Lost, or never made.
        Down { since_at: String, fault: BrokerFault } = "down since {since_at}: {fault}", "自 {since_at} 起断开：{fault}";
        /// On purpose.
        Closed = "closed", "已关闭";
    }
}

messages! {
    /// What becomes of jobs that come in.
    pub enum IntakeState {
        IntakeWaiting = "waiting for a connection", "等待连接";
        IntakeConsuming = "consuming", "正在接收";
        /// The backlog is left in the broker until there is less to do.
        IntakePaused { load: IntakeLoad } = "paused: {load}; the rest waits in RabbitMQ", "已暂停：{load}；其余留在 RabbitMQ 里";
        /// It cannot go on, and tries again.
        IntakeStalled { fault: BrokerFault } = "stalled: {fault}", "受阻：{fault}";
        IntakeStopped = "stopped", "已停止";
    }
}

messages! {
    /// Why nothing more is taken over, and the app that has most of it.
    pub enum IntakeLoad {
        WaitForTurn { jobs: usize } = "{jobs} jobs are waiting for their turn", "有 {jobs} 个任务在等候";
        WaitForTurnMost { jobs: usize, most: usize, app: String } = "{jobs} jobs are waiting for their turn, {most} of them of app {app}", "有 {jobs} 个任务在等候，其中应用 {app} 有 {most} 个";
        Unfinished { jobs: usize } = "{jobs} jobs are unfinished, most of which cannot run now", "有 {jobs} 个任务未完成，多数暂时无法执行";
        UnfinishedMost { jobs: usize, most: usize, app: String } = "{jobs} jobs are unfinished, most of which cannot run now, {most} of them of app {app}", "有 {jobs} 个任务未完成，多数暂时无法执行，其中应用 {app} 有 {most} 个";
    }
}

messages! {
    /// What becomes of results and dead letters.
    pub enum RelayState {
        RelayWaiting = "waiting for a connection", "等待连接";
        RelayPublishing = "publishing", "正在发布";
        /// Somebody else's queue does not get all.
        RelayHindered { faults: Vec<BrokerFault> } = "publishing, except to {faults}", "正在发布，以下除外：{faults}";
        /// Something is kept in the outbox and tried again.
        RelayStalled { faults: Vec<BrokerFault> } = "stalled: {faults}", "受阻：{faults}";
        RelayStopped = "stopped", "已停止";
    }
}

impl LinkState {
    /// Whether messages can move.
    pub const fn is_up(&self) -> bool {
        matches!(self, Self::Connected)
    }

    /// In a word, for programs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Blocked { .. } => "blocked",
            Self::Down { .. } => "down",
            Self::Closed => "closed",
        }
    }
}

impl IntakeState {
    /// The words of all states.
    pub const WORDS: [&str; 5] = ["waiting", "consuming", "paused", "stalled", "stopped"];

    /// In a word, for programs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::IntakeWaiting => "waiting",
            Self::IntakeConsuming => "consuming",
            Self::IntakePaused { .. } => "paused",
            Self::IntakeStalled { .. } => "stalled",
            Self::IntakeStopped => "stopped",
        }
    }
}

impl IntakeLoad {
    /// So many jobs that could run, or of all; with the app that has most of them, and how many.
    pub fn new(jobs: usize, are_all: bool, fullest: Option<(String, usize)>) -> Self {
        match (are_all, fullest) {
            (false, None) => Self::WaitForTurn { jobs },
            (false, Some((app, most))) => Self::WaitForTurnMost { jobs, most, app },
            (true, None) => Self::Unfinished { jobs },
            (true, Some((app, most))) => Self::UnfinishedMost { jobs, most, app },
        }
    }

    /// What it was made of.
    pub fn parts(&self) -> (usize, bool, Option<(&str, usize)>) {
        match self {
            Self::WaitForTurn { jobs } => (*jobs, false, None),
            Self::WaitForTurnMost { jobs, most, app } => (*jobs, false, Some((app, *most))),
            Self::Unfinished { jobs } => (*jobs, true, None),
            Self::UnfinishedMost { jobs, most, app } => (*jobs, true, Some((app, *most))),
        }
    }
}

impl RelayState {
    /// Whether our own queues get what comes.
    pub const fn publishes(&self) -> bool {
        matches!(self, Self::RelayPublishing | Self::RelayHindered { .. })
    }

    /// Why something stays in the outbox for now, if so.
    pub fn fault(&self) -> Option<BrokerFault> {
        match self {
            Self::RelayHindered { faults } | Self::RelayStalled { faults } => Some(BrokerFault::joined(faults.clone())),
            Self::RelayWaiting | Self::RelayPublishing | Self::RelayStopped => None,
        }
    }

    /// In a word, for programs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::RelayWaiting => "waiting",
            Self::RelayPublishing => "publishing",
            Self::RelayHindered { .. } => "hindered",
            Self::RelayStalled { .. } => "stalled",
            Self::RelayStopped => "stopped",
        }
    }
}

/// How everything between a worker and its broker is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerStatus {
    /// The consuming connection.
    pub consume: LinkState,
    /// The publishing connection.
    pub publish: LinkState,
    /// Taking jobs over.
    pub intake: IntakeState,
    /// Publishing results and dead letters.
    pub relay: RelayState,
}

impl BrokerStatus {
    /// Whether jobs come in and endings go out; a pause for want of room counts as well.
    pub const fn is_ready(&self) -> bool {
        let takes = matches!(self.intake, IntakeState::IntakeConsuming | IntakeState::IntakePaused { .. });
        self.consume.is_up() && self.publish.is_up() && takes && self.relay.publishes()
    }

    /// Whether the backlog is left in the broker, because there is too much to do already.
    pub const fn is_full(&self) -> bool {
        matches!(self.intake, IntakeState::IntakePaused { .. })
    }

    /// What becomes of jobs that come in.
    pub fn jobs_in(&self) -> String {
        format!("{} ({})", self.intake, self.consume)
    }

    /// What becomes of results and dead letters.
    pub fn results_out(&self) -> String {
        format!("{} ({})", self.relay, self.publish)
    }
}

impl fmt::Display for BrokerStatus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "jobs in: {}", self.jobs_in())?;
        write!(out, "results out: {}", self.results_out())
    }
}
