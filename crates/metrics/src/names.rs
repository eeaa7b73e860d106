//! Every metric by its name: what it is, and which labels it has. The documentation's table is tested against this one.

/// What a metric is to Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations in buckets.
    Histogram,
}

impl Kind {
    /// The word of the text format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it says, in one sentence.
    pub help: &'static str,
    /// Its labels, in the order in which they are written.
    pub labels: &'static [&'static str],
}

macro_rules! metrics {
    ($($constant:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Described =
                Described { name: $name, kind: Kind::$kind, help: $help, labels: &[$($label),*] };
        )*
        /// All of them, in the order of the documentation.
        pub const ALL: &[Described] = &[$($constant),*];
    };
}

metrics! {
    JOBS_TAKEN_OVER: Counter "paceline_jobs_taken_over_total" ["source", "result"]
        "Inputs accepted into the ledger, by where they came from and what became of them.";
    INPUTS_REJECTED: Counter "paceline_inputs_rejected_total" ["reason"]
        "Invalid inputs that became dead letters at once, by reason.";
    CONFLICTS_COUNTED: Counter "paceline_conflicts_counted_total" []
        "Messages with other content under an id of several conflicts: counted with its last dead letter, not kept.";
    JOBS_ENDED: Counter "paceline_jobs_ended_total" ["app", "method", "end", "reason"]
        "Jobs that ended or were held, by how; a held job that goes on later ends once more.";
    JOBS_WARNED: Counter "paceline_jobs_with_warnings_total" ["app", "method"]
        "Jobs that succeeded with warnings: the platform left something out.";
    ATTEMPTS: Counter "paceline_attempts_total" ["app", "method", "purpose", "outcome", "code"]
        "Attempts that are over, by outcome and by the platform's code.";
    CALL_DURATION: Histogram "paceline_call_duration_seconds" ["method"]
        "Time from the sending of a call to its whole reply, or to giving up on it.";
    PERMIT_WAIT: Histogram "paceline_permit_wait_seconds" ["method"]
        "Time from a lane's wish to send its next call to the permits and the slot for it.";
    TOKEN_RENEWALS: Counter "paceline_token_renewals_total" ["app", "outcome"]
        "Access tokens asked for, by outcome.";
    ADMIN_REFUSED: Counter "paceline_admin_refused_total" ["reason"]
        "Requests that the admin server refused, by reason.";
    LANE_JOBS: Gauge "paceline_lane_jobs" ["app", "tenant", "method", "state"]
        "Jobs of a lane: waiting for their turn, running, uncertain (to be looked up), held for a person, or blocked (waiting for other jobs).";
    LANE_OLDEST: Gauge "paceline_lane_oldest_waiting_seconds" ["app", "tenant", "method"]
        "Time since the take-over of the lane's oldest job that could be sent by its own times.";
    LANE_SUSPENDED: Gauge "paceline_lane_suspended" ["app", "tenant", "method"]
        "Whether the lane is suspended.";
    JOBS_UNFINISHED: Gauge "paceline_jobs_unfinished" []
        "Jobs in lanes or in flight, all lanes together.";
    DEAD_LETTERS: Gauge "paceline_dead_letters" ["app", "method", "reason"]
        "Dead jobs in the ledger that nobody has redriven or forgotten.";
    QUOTA_LIMIT: Gauge "paceline_quota_limit" ["scope", "owner", "method", "window"]
        "Calls that a window allows now; less than documented while somebody else uses the quota.";
    QUOTA_USED: Gauge "paceline_quota_used" ["scope", "owner", "method", "window"]
        "Calls that a window counts now.";
    RESTRAINTS: Gauge "paceline_restraints" ["app", "kind"]
        "What holds calls back beyond the quotas: pauses, lowered rates, concurrency and limits.";
    SUSPENSIONS: Gauge "paceline_suspensions" ["app", "by"]
        "Suspensions in force: by the platform's refusals, by the worker (jobs that die one after the other of one code) or by a person.";
    LEDGER_COMMIT_DURATION: Histogram "paceline_ledger_commit_duration_seconds" []
        "Time of a transaction of the ledger that changed something, from its beginning to its commit on the disk.";
    LEDGER_COMMIT_COMMANDS: Histogram "paceline_ledger_commit_commands" []
        "Commands that one transaction of the ledger committed together.";
    LEDGER_COMMITS_FAILED: Counter "paceline_ledger_commits_failed_total" []
        "Transactions that the ledger's file or disk refused; nothing is sent meanwhile.";
    LEDGER_READ_AT: Gauge "paceline_ledger_read_timestamp_seconds" []
        "When the figures that only the ledger has were read last.";
    OUTBOX_ROWS: Gauge "paceline_outbox_rows" []
        "Results and dead letters that wait to be published.";
    BROKER_CONNECTED: Gauge "paceline_broker_connected" ["connection"]
        "Whether messages can move on the connection to RabbitMQ.";
    INTAKE_STATE: Gauge "paceline_intake_state" ["state"]
        "1 for the state in which the intake of jobs from RabbitMQ is.";
    REPLICAS: Gauge "paceline_replicas" ["state"]
        "Workers of a ledger on PostgreSQL that this one sees: alive, or lost.";
    DOMAINS: Gauge "paceline_domains" ["state"]
        "Quota domains: owned by this worker, ownerless, or refused (ownerless, and this worker goes by other quotas than the last owner).";
    LEASE_LEFT: Gauge "paceline_lease_left_ratio" []
        "The part of its leases' time for which this worker can still trust the one that ends first; it stops sending at 0.";
    QUOTAS_INFO: Gauge "paceline_quotas_info" ["quotas"]
        "Always 1; its label is a digest of the quotas in force, which is the same for all workers of a ledger.";
    BUILD_INFO: Gauge "paceline_build_info" ["version"]
        "Always 1; its label says the version.";
    PROCESS_START: Gauge "process_start_time_seconds" []
        "When the process started, in seconds since 1970.";
    PROCESS_CPU: Counter "process_cpu_seconds_total" []
        "Time that the process has spent on processors.";
    PROCESS_MEMORY: Gauge "process_resident_memory_bytes" []
        "Memory that the process holds in RAM.";
}
