//! The one list of settings: every key with its kind, default, unit and reason.
//!
//! Unknown keys, types, environment variables, defaults and the reference all follow from [`KEYS`]. It knows nothing
//! of files or structs.

use std::fmt;

use super::role::Role;

/// One key of the settings.
#[derive(Debug)]
pub struct Key {
    /// Dotted path; `*` stands for a name that the user chooses.
    pub path: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Its value when absent, as text; `None` when absence has its own meaning, which `doc` tells.
    pub default: Option<&'static str>,
    /// The unit of a number; empty if it has none.
    pub unit: &'static str,
    /// What it does and why its default is what it is.
    pub doc: &'static str,
}

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Any text that is not empty.
    Text,
    /// Text that may be empty.
    TextOrEmpty,
    /// The path of a file or directory; relative paths start at the working directory.
    Path,
    /// A whole number from `.0` to `.1`.
    Whole(u64, u64),
    /// A fraction above 0, at most 1.
    Share,
    /// A fraction above 0 and below 1.
    Part,
    /// `true` or `false`.
    Bool,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// `sqlite://path`.
    StoreUrl,
    /// `amqp://…` or `amqps://…`, as text or as a secret.
    BrokerUrl,
    /// `https://…`, or `http://` to loopback.
    BaseUrl,
    /// `address:port`.
    Listen,
    /// `{ env = "NAME" }`, `{ file = "path" }` or `{ credential = "NAME" }`.
    Secret,
    /// The text of a quota.
    Quota,
    /// Names in which `*` stands for any characters.
    Patterns,
}

impl Kind {
    /// Whether `{ env = … }`, `{ file = … }` and `{ credential = … }` may stand for the value.
    pub fn takes_reference(self) -> bool {
        matches!(self, Self::Secret | Self::BrokerUrl)
    }

    /// Whether a value that stands there must not be shown.
    pub fn is_sensitive(self) -> bool {
        matches!(self, Self::Secret | Self::BrokerUrl | Self::BaseUrl)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => out.write_str("a text that is not empty"),
            Self::TextOrEmpty => out.write_str("a text"),
            Self::Path => out.write_str("a path"),
            Self::Whole(min, max) => write!(out, "a whole number from {min} to {max}"),
            Self::Share => out.write_str("a fraction above 0 and at most 1, like 0.8"),
            Self::Part => out.write_str("a fraction above 0 and below 1, like 0.2"),
            Self::Bool => out.write_str("true or false"),
            Self::OneOf(words) => {
                let words: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
                out.write_str(&words.join(" or "))
            }
            Self::StoreUrl => out.write_str("a URL like sqlite://paceline.db"),
            Self::BrokerUrl => out.write_str(
                "a URL like amqp://user:password@host:5672/%2f or amqps://…, or { env = \"NAME\" }, { file = \"PATH\" } or { credential = \"NAME\" }",
            ),
            Self::BaseUrl => out.write_str("an address like https://open.feishu.cn, or http:// to loopback"),
            Self::Listen => out.write_str("an address and port like 127.0.0.1:9464, or nothing"),
            Self::Secret => {
                out.write_str("{ env = \"NAME\" }, { file = \"PATH\" } or { credential = \"NAME\" }")
            }
            Self::Quota => out.write_str("a quota like 100/min or 1000/min, 50/s"),
            Self::Patterns => out.write_str("a list of names like [\"hr.*\", \"it\"]"),
        }
    }
}

const ONE_DAY_MS: u64 = 86_400_000;
const ONE_GIB_BYTES: u64 = 1 << 30;

/// The key that bounds a message or line, which its refusal names.
pub const BODY_BYTES_MAX: &str = paceline_domain::decode::BODY_BYTES_MAX;

/// Every key there is, in the order of `config/paceline.toml`.
pub const KEYS: &[Key] = &[
    key(
        "store.url",
        Kind::StoreUrl,
        "sqlite://paceline.db",
        "",
        "Where the ledger is: `sqlite://` and a path, relative to the working directory or, with a third slash, absolute. The file is created with mode 0600.",
    ),
    absent(
        "store.key",
        Kind::Secret,
        "The ledger's key, by which passwords in it are sealed: 32 bytes in Base64, as `openssl rand -base64 32` makes them; or a new key and, behind a comma, the one that it replaces. Left out, it stands beside the ledger, in `paceline.db.key`, and is made with it.",
    ),
    key(
        "ledger.keep_days",
        Kind::Whole(0, 36_500),
        "400",
        "days",
        "How long the ledger remembers what has ended; 0 is for ever. Until then the same id is never called again; afterwards it is a new job, so keep longer than an id can come again: the default is more than a year of timetables. What waits, is held or is not published yet stays, and so does every call that a quota still counts.",
    ),
    absent(
        "broker.url",
        Kind::BrokerUrl,
        "The AMQP broker, `amqp://` or `amqps://`. Plain `amqp://` to another machine is warned of: the password and the jobs can be read on the way. It may hold a password, so it may also come from `{ env = \"NAME\" }`, `{ file = \"PATH\" }` or `{ credential = \"NAME\" }`. Required in `[broker]`; without the section Paceline works embedded only.",
    ),
    key("broker.jobs_queue", Kind::Text, "paceline.jobs", "", "The durable quorum queue that jobs are taken from."),
    key(
        "broker.results_queue",
        Kind::TextOrEmpty,
        "paceline.results",
        "",
        "The durable queue that gets every result; empty declares none, for those who bind their own.",
    ),
    key(
        "broker.results_exchange",
        Kind::Text,
        "paceline.results",
        "",
        "The topic exchange of results; the routing key is `<app>.<method>`.",
    ),
    key(
        "broker.dead_queue",
        Kind::Text,
        "paceline.dead",
        "",
        "The durable queue of dead letters: original bodies, with the reason in headers.",
    ),
    key(
        "broker.prefetch",
        Kind::Whole(1, 65_535),
        "500",
        "deliveries",
        "Unacknowledged deliveries at a time. A take-over writes what has come, at most 256 jobs, in one transaction, so a small number makes intake slow and no number makes calls faster.",
    ),
    absent("broker.ca_file", Kind::Path, "PEM certificates that are trusted for `amqps://` besides the system's."),
    absent(
        "broker.reply_to",
        Kind::Patterns,
        "The queues that a job's `reply_to` may name; `*` stands for any characters. The worker publishes there with its own rights, so name no queue of others. Left out, any queue but the worker's own, which are never allowed.",
    ),
    key(
        "broker.ids",
        Kind::OneOf(&["shared", "publisher"]),
        "shared",
        "",
        "Whether all publishers share their ids, or each of `[broker.publishers]` has its own: with `publisher` the job that hr calls `hq-7` is `hr/hq-7` in lists and commands, and results still say `hq-7`. Ids published before the change are new ones after it.",
    ),
    absent(
        "broker.publishers.*.user",
        Kind::TextOrEmpty,
        "The RabbitMQ user whose messages these are: their AMQP property `user_id`, which RabbitMQ lets nobody else set. Left out, the table's name; empty, messages without the property. Once there is a table, messages of nobody's are dead letters `invalid`; without any, everybody may ask for everything.",
    ),
    absent(
        "broker.publishers.*.apps",
        Kind::Patterns,
        "The apps that this publisher may use. Required there; `[\"*\"]` is all.",
    ),
    absent(
        "broker.publishers.*.methods",
        Kind::Patterns,
        "The methods that it may call, like `feishu.calendar.*`. Left out, all.",
    ),
    absent(
        "broker.publishers.*.identities",
        Kind::Patterns,
        "As whom it may call: `tenant` for the app itself, `user:<name>` for a user of the app. Left out, `tenant` alone.",
    ),
    absent(
        "broker.publishers.*.reply_to",
        Kind::Patterns,
        "The queues that its `reply_to` may name, among those that `broker.reply_to` allows. Left out, all of those.",
    ),
    key(
        "http.request_timeout_ms",
        Kind::Whole(100, 600_000),
        "30000",
        "milliseconds",
        "How long one call may take from its first byte to the end of its reply. A call without a reply keeps its permit until then, so longer is safer for slow platforms and slower after a fault.",
    ),
    key(
        "http.connect_timeout_ms",
        Kind::Whole(10, 600_000),
        "10000",
        "milliseconds",
        "How long a connection may take to open, TLS included; such a call was surely not applied.",
    ),
    key(
        "http.reply_bytes_max",
        Kind::Whole(1_024, ONE_GIB_BYTES),
        "4194304",
        "bytes",
        "The longest reply that is read; a longer one is an unreadable reply. Documented replies are far below 4 MiB.",
    ),
    key(
        "http.pool_idle_ms",
        Kind::Whole(0, ONE_DAY_MS),
        "20000",
        "milliseconds",
        "How long an idle connection is kept. Shorter than the idle time of common load balancers (60 s), so that a call rarely meets a connection that was just closed.",
    ),
    absent(
        "http.ca_file",
        Kind::Path,
        "PEM certificates that are trusted for `https://` besides the system's, e.g. of a proxy.",
    ),
    key(
        "intake.pending_max",
        Kind::Whole(1, 10_000_000),
        "100000",
        "jobs",
        "Accepted jobs at which consuming stops; the rest stays in the broker. Jobs that cannot run now (suspended, paused for more than a minute, before their `not_before`) do not count, up to ten times as many jobs in all. A job that waits costs 389 to 443 bytes of memory, SQLite's page cache included, and some 200 more if it is a batch of its own.",
    ),
    key(
        BODY_BYTES_MAX,
        Kind::Whole(1_024, ONE_GIB_BYTES),
        "1048576",
        "bytes",
        "The longest message or line that is read as a job; a longer one is a dead letter `malformed`.",
    ),
    key(
        "engine.concurrency_max",
        Kind::Whole(1, 65_535),
        "512",
        "calls",
        "Calls in flight at a time, all lanes together. Pace times reply time is what is needed: 50/s at 2 s are 100.",
    ),
    key(
        "engine.lane_concurrency_max",
        Kind::Whole(1, 65_535),
        "128",
        "calls",
        "Calls in flight at a time in one lane, so that one slow method leaves slots to the others.",
    ),
    key(
        "engine.attempts_max",
        Kind::Whole(1, 1_000),
        "5",
        "attempts",
        "Attempts that a job is charged before it is a dead letter `exhausted`. Waiting for quota and refusals for pace are not charged.",
    ),
    key(
        "engine.backoff_initial_ms",
        Kind::Whole(1, ONE_DAY_MS),
        "500",
        "milliseconds",
        "The first pause after a transient fault; it doubles with each, jittered.",
    ),
    key(
        "engine.backoff_max_ms",
        Kind::Whole(1, ONE_DAY_MS),
        "60000",
        "milliseconds",
        "The longest pause after a transient fault.",
    ),
    key(
        "engine.grace_ms",
        Kind::Whole(0, ONE_DAY_MS),
        "5000",
        "milliseconds",
        "How long after its time-out a request may still arrive at the platform and be counted there.",
    ),
    key(
        "engine.drain_ms",
        Kind::Whole(0, ONE_DAY_MS),
        "30000",
        "milliseconds",
        "How long a stopping worker waits for its calls in flight; what is cut off then is looked up at the next start.",
    ),
    key(
        "lanes.stop_after",
        Kind::Whole(0, 1_000_000),
        "20",
        "jobs",
        "Jobs of a lane in a row that may end as dead letters of one code before the lane is suspended, so that one missing setting in the platform does not cost a whole batch. 0 is never.",
    ),
    absent(
        "lanes.reserve.*",
        Kind::Part,
        "The share of every window that is kept for jobs of this priority (1 to 9) and above while such jobs come: from the first that waits until one window after the last. All shares together are below 1. Without a key everything is for everyone, and priority decides only within a lane.",
    ),
    key(
        "admin.listen",
        Kind::Listen,
        "127.0.0.1:9464",
        "",
        "Where the worker serves its dashboard, its HTTP API and its metrics; empty for nowhere. Anything but loopback needs a token.",
    ),
    absent(
        "admin.socket",
        Kind::Path,
        "A Unix socket on which the same is served, with mode 0600: only the worker's user and root reach it. With `admin.listen = \"\"` there is nothing else. One that a killed worker left behind is replaced.",
    ),
    absent(
        "admin.token",
        Kind::Secret,
        "What a client of the admin server shows to change something, and to read unless `admin.read` says otherwise: at least 16 characters. Its role is `admin`. Without a token here or in `[admin.tokens]` nothing can be changed there. Never a bare string.",
    ),
    absent(
        "admin.tls_cert",
        Kind::Path,
        "The certificate of the admin server in PEM, with its chain: `admin.listen` then speaks TLS alone. The Unix socket does not.",
    ),
    absent(
        "admin.tls_key",
        Kind::Path,
        "The private key of `admin.tls_cert` in PEM. A file that others can read or write is refused.",
    ),
    absent(
        "admin.client_ca",
        Kind::Path,
        "Authorities in PEM: with them, only clients with a certificate of one of them are let in, and they show a token besides.",
    ),
    absent(
        "admin.tokens.*.hash",
        Kind::Text,
        "The SHA-256 of a token of this name, as `paceline admin token NAME` prints it with the token. Several may hold at once, so that a new one is given out before the old one goes.",
    ),
    absent(
        "admin.tokens.*.role",
        Kind::OneOf(Role::WORDS),
        "What the holder of the token may do: `read` sees everything; `operate` also submits, corrects, redrives, cancels, resolves, suspends and resumes; `admin` also forgets dead letters.",
    ),
    absent(
        "admin.tokens.*.expires",
        Kind::Text,
        "When the token ends, like `2027-03-01T00:00:00Z`. Left out, it does not.",
    ),
    absent(
        "admin.read",
        Kind::OneOf(&["open", "token"]),
        "Who may read jobs over HTTP: whoever shows a token, or everybody on this machine (`open`). Left out, it is `token` once there is one. Anywhere but on loopback, and through a proxy, reading needs a token in any case.",
    ),
    absent(
        "admin.public_url",
        Kind::Text,
        "The address under which a proxy serves the admin server, like `https://paceline.example.com`: its host and origin are then let in, and reading needs a token.",
    ),
    absent(
        "telemetry.otlp_endpoint",
        Kind::Text,
        "An OpenTelemetry collector that takes OTLP over HTTP, like `http://127.0.0.1:4318`: the trace of every call goes to `/v1/traces` there. Without it no traces are sent.",
    ),
    absent(
        "telemetry.otlp_headers",
        Kind::Secret,
        "Headers of each request to the collector, like `name=value,name2=value2`, for those that want a key; a space is `%20`. Never a bare string.",
    ),
    absent(
        "catalog.dir",
        Kind::Path,
        "A directory with `methods/*.toml` and `platforms/*.toml` that extend or override the catalog that is compiled in.",
    ),
    absent("apps.*.platform", Kind::OneOf(&["feishu", "lark", "wecom"]), "Whose credentials these are. Required."),
    absent(
        "apps.*.base_url",
        Kind::BaseUrl,
        "Where the platform's API is; left out, the platform's own address. Plain `http://` only to loopback.",
    ),
    absent("apps.*.app_id", Kind::Text, "The app's id, for feishu and lark. Required there."),
    absent(
        "apps.*.app_secret",
        Kind::Secret,
        "The app's secret, for feishu and lark. Required there. Never a bare string.",
    ),
    absent("apps.*.corp_id", Kind::Text, "The corp's id, for wecom. Required there."),
    absent(
        "apps.*.corp_secret",
        Kind::Secret,
        "The app's secret in the corp, for wecom. Required there. Never a bare string.",
    ),
    absent(
        "apps.*.users.*",
        Kind::Secret,
        "A user access token, for jobs with `\"identity\": \"user:<name>\"`. Never a bare string.",
    ),
    key(
        "apps.*.on_uncertain",
        Kind::OneOf(&["hold", "retry"]),
        "hold",
        "",
        "What is done with a create that may have been applied when no look-up can tell: parked for a person, or sent again at the risk of a duplicate.",
    ),
    key(
        "apps.*.meetings",
        Kind::OneOf(&["basic", "advanced"]),
        "basic",
        "",
        "For wecom: which of WeCom's two editions of the meeting interfaces the corp uses. Advanced ones need the paid meeting features and `wecom.meeting.create_advanced`; what the basic ones created cannot be used with the advanced ones, so all apps of a corp say the same.",
    ),
    key(
        "apps.*.mark_created",
        Kind::Bool,
        "true",
        "",
        "Whether the job's id is written into a create's absent marker field (for a room, `custom_room_id`), by which a look-up finds it again. Without it a room is known by name, capacity and level, and one made by hand may be taken for it.",
    ),
    key(
        "apps.*.share",
        Kind::Share,
        "1",
        "of each quota",
        "How much of every quota this app may use; the rest is left to other programs that use the same credentials.",
    ),
    absent(
        "apps.*.quotas.*",
        Kind::Quota,
        "The quota of a method where it is not the documented one, e.g. raised by the platform: `\"<method>\" = \"100/min\"`. A method with quotas of several scopes names the others `\"<method>@host\"`, `@corp`, `@app` or `@app-tenant`.",
    ),
    absent(
        "apps.*.tenants.*.quotas.*",
        Kind::Quota,
        "The quota of a method for the jobs of one `tenant` alone, before the app's own. Only for what is counted by app and tenant: `\"<method>\"` where that is the method's first quota, else `\"<method>@app-tenant\"`. The app's `share` holds for it too. For store apps: a custom app has one tenant, which no job names.",
    ),
];

const fn key(path: &'static str, kind: Kind, default: &'static str, unit: &'static str, doc: &'static str) -> Key {
    Key { path, kind, default: Some(default), unit, doc }
}

const fn absent(path: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { path, kind, default: None, unit: "", doc }
}

/// The key of a path, if there is one.
pub fn find(path: &[String]) -> Option<&'static Key> {
    KEYS.iter().find(|key| matches(key.path, path, false))
}

/// Whether the path is a table that holds keys.
pub fn is_table(path: &[String]) -> bool {
    KEYS.iter().any(|key| matches(key.path, path, true))
}

/// The names that could stand as the last part of a path, for "did you mean".
pub fn siblings(path: &[String]) -> Vec<&'static str> {
    let Some((_, parents)) = path.split_last() else { return Vec::new() };
    let mut names: Vec<_> = KEYS
        .iter()
        .filter(|key| parents.is_empty() || matches(key.path, parents, true))
        .filter_map(|key| key.path.split('.').nth(parents.len()))
        .filter(|name| *name != "*")
        .collect();
    names.dedup();
    names
}

/// Whether `path` fits the pattern whole, or as a proper prefix of it.
fn matches(pattern: &str, path: &[String], as_prefix: bool) -> bool {
    let mut parts = pattern.split('.');
    let fits = path.iter().all(|name| parts.next().is_some_and(|part| part == "*" || part == name));
    fits && parts.next().is_some() == as_prefix
}

#[cfg(test)]
mod tests;
