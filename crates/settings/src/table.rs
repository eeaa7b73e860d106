//! The settings: one entry each. Reader, structs, the file that shows every key, the manuals in both languages and the
//! report of a reload follow from it; how an entry is written is in [`super::key`].

use std::path::PathBuf;
use std::time::Duration;

use paceline_domain::quota::Reserve;
use paceline_domain::rights::Rights;
use secrecy::SecretString;

use super::Ca;
use super::key::{Section, section};
use super::role::Role;

const ONE_DAY_MS: u64 = 86_400_000;
const ONE_GIB_BYTES: u64 = 1 << 30;

/// Every section there is, in the order of `config/paceline.toml`.
pub(crate) const SECTIONS: [&Section; 21] = [
    &STORE,
    &CLUSTER,
    &LEDGER,
    &BROKER,
    &PUBLISHERS,
    &HTTP,
    &INTAKE,
    &ENGINE,
    &LANES,
    &RESERVE,
    &ADMIN,
    &TOKENS,
    &TELEMETRY,
    &CATALOG,
    &FILES,
    &APP,
    &USERS,
    &QUOTAS,
    &TENANTS,
    &CALIBRATED,
    &CORP,
];

section! {
    STORE = "store", shown;
    /// Where the ledger is: `sqlite://` and a path, relative to the working directory or, with a third slash, absolute.
    /// The file is created with mode 0600. Or `postgres://user@host/database`, for several workers that share the work and
    /// take over from each other; several hosts, `sslmode` and `options` as in libpq. Such a URL may hold a password, so it may
    /// also come from `{ env = "NAME" }`, `{ file = "PATH" }` or `{ credential = "NAME" }`, and needs `store.key`.
    "store.url": StoreUrl, default "sqlite://paceline.db", reload NextStart;
    "账本的位置：`sqlite://` 加路径，相对于工作目录；三个斜杠则为绝对路径。文件权限为 0600。也可以是 `postgres://user@host/database`，供多个 worker 分担任务、互相接手；可写多个主机，`sslmode` 和 `options` 同 libpq。这种 URL 里可能有密码，因此也可以写成 `{ env = \"NAME\" }`、`{ file = \"PATH\" }` 或 `{ credential = \"NAME\" }`，并且必须设置 `store.key`。"
    /// The ledger's key, by which passwords in it are sealed: 32 bytes in Base64, as `openssl rand -base64 32` makes
    /// them; or a new key and, behind a comma, the one that it replaces. Left out, it stands beside the ledger, in
    /// `paceline.db.key`, and is made with it.
    "store.key": Secret, example r#"{ file = "/etc/paceline/secrets/ledger_key" }"#, reload NextStart;
    "账本的密钥，用来加密账本里的密码：32 字节的 Base64，可用 `openssl rand -base64 32` 生成；也可以是一把新密钥，后面用逗号隔开它要替换的旧密钥。不写则在账本旁边的 `paceline.db.key` 里，随账本一起生成。"
}

section! {
    CLUSTER = "cluster", off, note "Only with a ledger on PostgreSQL.";
    struct Cluster;
    /// How long a worker owns its quota domains without telling the database again that it does. After so long without it,
    /// other workers take them over; it stops sending a sixth earlier by itself.
    "cluster.lease_ttl_ms": Whole(1_000, 60_000), default "6000", unit Milliseconds,
        reload NextStart => lease_ttl: Duration;
    "一个 worker 多久不向数据库续约，就不再负责它的配额域：过了这段时间由别的 worker 接手；它自己会提前六分之一停止发送。"
    /// The public address that this worker's calls leave from, by any name. What a platform counts by address is divided
    /// evenly among the workers of one name: give another name to workers behind another address.
    "cluster.egress": Text, default "default", reload NextStart => egress: String;
    "这个 worker 的调用从哪个公网出口地址发出，名字自取。平台按地址计数的配额由同名的 worker 均分；出口地址不同的 worker 要起不同的名字。"
}

section! {
    LEDGER = "ledger", shown;
    struct Ledger;
    /// How long the ledger remembers what has ended; 0 is for ever. Until then the same id is never called again;
    /// after that the id counts as new, so keep records longer than upstream may repeat an id: the default is more than
    /// a year of timetables. What waits, is held or is not published yet stays, and so does every call that a quota still
    /// counts.
    "ledger.keep_days": Whole(0, 36_500), default "400", unit Days, reload AtOnce => keep: Option<Duration>;
    "已结束的任务在账本里保留多少天，0 表示永远。保留期内同一个 id 绝不会再次调用，过期后它就是新任务，所以要长于一个 id 可能再次出现的时间；默认值超过一整年的课表。还在等待、待人工处理、尚未发布的，以及仍被某个配额计入的调用，都会保留。"
}

section! {
    BROKER = "broker", off, note "Left out: embedded only.";
    struct Broker with {
        /// `broker.url` or `broker.urls`, with their passwords; show [`masked_url`](crate::masked_url) of them.
        urls: Vec<SecretString>,
        /// Who may ask for what, and where answers may go.
        rights: Rights,
    };
    /// The AMQP broker, `amqp://` or `amqps://`. Plain `amqp://` to another machine is warned of: the password and the
    /// jobs can be read on the way. It may hold a password, so it may also come from `{ env = "NAME" }`, `{ file =
    /// "PATH" }` or `{ credential = "NAME" }`. `[broker]` needs it or `broker.urls`; without the section Paceline
    /// works embedded only.
    "broker.url": BrokerUrl, example r#"{ env = "PACELINE_BROKER_URL" }"#, reload NextStart;
    "RabbitMQ 的地址，`amqp://` 或 `amqps://`。用明文 `amqp://` 连别的机器会有警告：密码和任务在途中都能被读到。其中可能有密码，因此也可以写成 `{ env = \"NAME\" }`、`{ file = \"PATH\" }` 或 `{ credential = \"NAME\" }`。`[broker]` 里必须有它或 `broker.urls`；没有这一节，Paceline 只在本机工作。"
    /// In place of `broker.url`: the nodes of one cluster. They are tried in random order, the next one when a connection
    /// fails or is lost, and names are looked up anew each time. An environment variable or a file may hold all of them,
    /// with commas or line breaks between; a comma in an address is then written `%2C`.
    "broker.urls": BrokerUrls, example r#"["amqps://mq1.example.com", "amqps://mq2.example.com"]"#, reload NextStart;
    "代替 `broker.url`：同一个集群的多个节点。按随机顺序尝试，连接失败或断开就换下一个，每次都重新解析域名。也可以全部放在一个环境变量或文件里，用逗号或换行隔开；这时地址里的逗号要写成 `%2C`。"
    /// The durable quorum queue that jobs are taken from.
    "broker.jobs_queue": Text, default "paceline.jobs", reload NextStart => jobs_queue: String;
    "从哪个持久的仲裁队列（quorum queue）取任务。"
    /// The durable queue that gets every result; empty declares none, for those who bind their own.
    "broker.results_queue": TextOrEmpty, default "paceline.results",
        reload NextStart => results_queue: Option<String>;
    "收取全部结果的持久队列；留空则不声明，由使用者自己绑定。"
    /// The topic exchange of results; the routing key is `<app>.<method>`.
    "broker.results_exchange": Text, default "paceline.results", reload NextStart => results_exchange: String;
    "结果的 topic 交换机；路由键是 `<app>.<method>`。"
    /// The durable queue of dead letters: original bodies, with the reason in headers.
    "broker.dead_queue": Text, default "paceline.dead", reload NextStart => dead_queue: String;
    "死信的持久队列：原始消息体，原因写在消息头里。"
    /// Unacknowledged deliveries at a time. A take-over writes what has come, at most 256 jobs, in one transaction, so
    /// a small number makes intake slow and no number makes calls faster.
    "broker.prefetch": Whole(1, 65_535), default "500", unit Deliveries, reload NextStart => prefetch: u16;
    "同时未确认的消息数。一次接收把已经到达的消息（至多 256 条）写进一个事务，因此数字太小会让接收变慢；再大也不会让调用变快。"
    /// PEM certificates that are trusted for `amqps://` besides the system's.
    "broker.ca_file": Path, example r#""/etc/ssl/broker-ca.pem""#, reload NextStart => ca: Option<Ca>;
    "除系统证书外，`amqps://` 还信任哪些证书（PEM）。"
    /// The worker's own certificate in PEM, with its chain, for brokers that ask their clients for one. Where the address
    /// names no user, it is also what signs in (SASL EXTERNAL, RabbitMQ's plugin `rabbitmq_auth_mechanism_ssl`). Read
    /// again at each connection, like its key.
    "broker.tls_cert": Path, example r#""/etc/paceline/worker.pem""#, reload NextStart => tls_cert: Option<PathBuf>;
    "worker 自己的证书（PEM，含证书链），供要求客户端出示证书的 RabbitMQ 使用。地址里没有用户名时，也用它登录（SASL EXTERNAL，即 RabbitMQ 的插件 `rabbitmq_auth_mechanism_ssl`）。每次连接都重新读取，私钥也一样。"
    /// The private key of `broker.tls_cert` in PEM. A file that others can read or write is refused.
    "broker.tls_key": Path, example r#""/etc/paceline/worker.key""#, reload NextStart => tls_key: Option<PathBuf>;
    "`broker.tls_cert` 的私钥（PEM）。其他用户能读或能写的文件会被拒绝。"
    /// A file with an OAuth 2 access token, in place of a password in the address (RabbitMQ's plugin
    /// `rabbitmq_auth_backend_oauth2`). Somebody else keeps it up to date; it is read again at each connection and before
    /// the token ends, and RabbitMQ gets the new one while the connection goes on.
    "broker.token_file": Path, example r#""/run/secrets/broker_token""#, reload NextStart => token_file: Option<PathBuf>;
    "存放 OAuth 2 访问令牌的文件，代替地址里的密码（RabbitMQ 的插件 `rabbitmq_auth_backend_oauth2`）。文件由别的程序更新；每次连接时以及令牌到期之前会重新读取，并在不断开连接的情况下把新令牌交给 RabbitMQ。"
    /// A program that prints such a token, in place of `broker.token_file`. It is run without a shell, and asked again as
    /// the file is.
    "broker.token_command": Command, example r#"["/usr/local/bin/broker-token"]"#,
        reload NextStart => token_command: Option<Vec<String>>;
    "输出这种令牌的程序，代替 `broker.token_file`。不经过 shell 运行，重新获取的时机与文件相同。"
    /// The queues that a job's `reply_to` may name; `*` stands for any characters. The worker publishes there with its
    /// own rights, so name no queue of others. Left out, any queue but the worker's own, which are never allowed.
    "broker.reply_to": Patterns, example r#"["*.replies"]"#, reload AtOnce;
    "任务的 `reply_to` 可以写哪些队列；`*` 代表任意字符。worker 以自己的权限发布到那里，所以不要写别人的队列。不写则除 worker 自己的队列（一律不允许）外都可以。"
    /// Whether all publishers share their ids, or each of `[broker.publishers]` has its own: with `publisher` the job
    /// that hr calls `hq-7` is `hr/hq-7` in lists and commands, and results still say `hq-7`. Ids published before the
    /// change are new ones after it.
    "broker.ids": OneOf(&["shared", "publisher"]), default "shared", reload AtOnce;
    "各发布方是共用 id，还是 `[broker.publishers]` 里每一方各用各的：设为 `publisher` 时，hr 所说的 `hq-7` 在列表和命令里是 `hr/hq-7`，结果里仍是 `hq-7`。改动之前发布过的 id，改动之后都算新的。"
}

section! {
    PUBLISHERS = "broker.publishers.hr", off,
        note "Once there is such a table, each publisher may do what its own says, and nobody else may publish.";
    /// The RabbitMQ user whose messages these are: their AMQP property `user_id`, which RabbitMQ lets nobody else set.
    /// Left out, the table's name; empty, messages without the property. Once there is a table, messages of nobody's
    /// are dead letters `invalid`; without any, everybody may ask for everything.
    "broker.publishers.*.user": TextOrEmpty, example r#""hr""#, reload Apart;
    "这是哪个 RabbitMQ 用户的消息：即 AMQP 属性 `user_id`，RabbitMQ 不允许别人冒用。不写则是表的名字；留空指没有这个属性的消息。只要有一张这样的表，不属于任何一张表的消息都是死信 `invalid`；一张都没有，则人人可用全部。"
    /// The apps that this publisher may use. Required there; `["*"]` is all.
    "broker.publishers.*.apps": Patterns, example r#"["acme"]"#, reload Apart;
    "这个发布方可以使用的应用。必填；`[\"*\"]` 是全部。"
    /// The methods that it may call, like `feishu.calendar.*`. Left out, all.
    "broker.publishers.*.methods": Patterns, example r#"["feishu.calendar.*"]"#, reload Apart;
    "可以调用的接口，例如 `feishu.calendar.*`。不写则为全部。"
    /// As whom it may call: `tenant` for the app itself, `user:<name>` for a user of the app. Left out, `tenant` alone.
    "broker.publishers.*.identities": Patterns, example r#"["tenant"]"#, reload Apart;
    "可以用谁的身份调用：`tenant` 是应用自身，`user:<名字>` 是应用的某个用户。不写则只有 `tenant`。"
    /// The queues that its `reply_to` may name, among those that `broker.reply_to` allows. Left out, all of those.
    "broker.publishers.*.reply_to": Patterns, example r#"["hr.replies"]"#, reload Apart;
    "它的 `reply_to` 可以写哪些队列，须在 `broker.reply_to` 允许的之内。不写则是那里的全部。"
}

section! {
    HTTP = "http", shown;
    struct Http;
    /// How long one call may take from its first byte to the end of its reply. A call without a reply keeps its permit
    /// until then, so longer is safer for slow platforms and slower after a fault.
    "http.request_timeout_ms": Whole(100, 600_000), default "30000", unit Milliseconds,
        reload NextStart => request_timeout: Duration;
    "一次调用从第一个字节到回复结束最多多久。没有回复的调用要占着许可到这个时间，因此对慢的平台，长一些更稳妥，但出错后恢复得慢。"
    /// How long a connection may take to open, TLS included; such a call was surely not applied.
    "http.connect_timeout_ms": Whole(10, 600_000), default "10000", unit Milliseconds,
        reload NextStart => connect_timeout: Duration;
    "建立连接（含 TLS）最多多久；这样失败的调用必定没有生效。"
    /// The longest reply that is read; a longer one is an unreadable reply. Documented replies are far below 4 MiB.
    "http.reply_bytes_max": Whole(1_024, ONE_GIB_BYTES), default "4194304", unit Bytes,
        reload NextStart => reply_bytes_max: usize;
    "最多读取多长的回复；更长的视为读不懂。文档中的回复远小于 4 MiB。"
    /// How long an idle connection is kept. Shorter than the idle time of common load balancers (60 s), so that a call
    /// rarely meets a connection that was just closed.
    "http.pool_idle_ms": Whole(0, ONE_DAY_MS), default "20000", unit Milliseconds,
        reload NextStart => pool_idle: Duration;
    "空闲连接保留多久。要短于常见负载均衡的空闲时间（60 秒），以免用到刚被关闭的连接。"
    /// PEM certificates that are trusted for `https://` besides the system's, e.g. of a proxy.
    "http.ca_file": Path, example r#""/etc/ssl/proxy-ca.pem""#, reload NextStart => ca: Option<Ca>;
    "除系统证书外，`https://` 还信任哪些证书（PEM），例如代理的证书。"
}

section! {
    INTAKE = "intake", shown;
    struct Intake;
    /// Accepted jobs at which consuming stops; the rest stays in the broker. Jobs that cannot run now (suspended,
    /// paused for more than a minute, before their `not_before`) do not count, up to ten times as many jobs in all. A
    /// job that waits costs 389 to 443 bytes of memory, SQLite's page cache included, and some 200 more if it is a
    /// batch of its own.
    "intake.pending_max": Whole(1, 10_000_000), default "100000", unit Jobs, reload NextStart => pending_max: usize;
    "已接收的任务达到多少个就暂停接收，其余留在消息队列里。此刻做不了的任务（被暂停、停顿超过一分钟、`not_before` 未到）不计入，但任务总数不超过它的十倍。一个等待的任务占 389 至 443 字节内存（含 SQLite 页缓存）；若自成一个批次，再多约 200 字节。"
    /// The longest message or line that is read as a job; a longer one is a dead letter `malformed`.
    "intake.body_bytes_max": Whole(1_024, ONE_GIB_BYTES), default "1048576", unit Bytes,
        reload NextStart => body_bytes_max: usize;
    "当作任务读取的消息或行的最大长度；更长的成为死信 `malformed`。"
}

section! {
    ENGINE = "engine", shown;
    struct Engine;
    /// Calls in flight at a time, all lanes together. Pace times reply time is what is needed: 50/s at 2 s are 100.
    "engine.concurrency_max": Whole(1, 65_535), default "512", unit Calls, reload AtOnce => concurrency_max: usize;
    "所有通道合计同时进行的调用数。需要的数量 = 速率 × 回复时间：每秒 50 次、2 秒回复，就是 100。"
    /// Calls in flight at a time in one lane, so that one slow method leaves slots to the others.
    "engine.lane_concurrency_max": Whole(1, 65_535), default "128", unit Calls,
        reload AtOnce => lane_concurrency_max: usize;
    "单个通道同时进行的调用数，免得一个慢的接口占满全部位置。"
    /// Attempts that a job is charged before it is a dead letter `exhausted`. Waiting for quota and rate-limit rejections
    /// are not charged.
    "engine.attempts_max": Whole(1, 1_000), default "5", unit Attempts, reload AtOnce => attempts_max: u32;
    "一个任务最多计几次尝试，之后成为死信 `exhausted`。等配额和因频率被拒都不计。"
    /// The first pause after a transient fault; it doubles with each, jittered.
    "engine.backoff_initial_ms": Whole(1, ONE_DAY_MS), default "500", unit Milliseconds,
        reload AtOnce => backoff_initial: Duration;
    "暂时性故障后的第一次停顿；每次加倍，带随机抖动。"
    /// The longest pause after a transient fault.
    "engine.backoff_max_ms": Whole(1, ONE_DAY_MS), default "60000", unit Milliseconds,
        reload AtOnce => backoff_max: Duration;
    "暂时性故障后最长的停顿。"
    /// How long after its time-out a request may still arrive at the platform and be counted there.
    "engine.grace_ms": Whole(0, ONE_DAY_MS), default "5000", unit Milliseconds, reload AtOnce => grace: Duration;
    "请求超时之后，平台最晚还可能在多久之内收到并计数。"
    /// How long a stopping worker waits for its calls in flight; what is cut off then is looked up at the next start.
    "engine.drain_ms": Whole(0, ONE_DAY_MS), default "30000", unit Milliseconds, reload AtOnce => drain: Duration;
    "停止时最多等进行中的调用多久；被截断的，下次启动时查证。"
    /// How long a job waits for another one that nobody has published yet; then it is a dead letter `prerequisite`.
    "engine.reference_wait_h": Whole(1, 8_760), default "24", unit Hours, reload AtOnce => reference_wait_h: u32;
    "任务最多等多久尚未发布的另一个任务；之后成为死信 `prerequisite`。"
    /// How old what is known of names may be (a room level by its path, a person by e-mail) before the platform is asked
    /// again. 0 asks every time. What has no answer is always asked again.
    "engine.names_max_age_h": Whole(0, 8_760), default "24", unit Hours, reload AtOnce => names_max_age_h: u32;
    "名称查找结果（按路径的会议室层级、按邮箱的人员等）超过多久就重新向平台查询。0 表示每次都查询；没有查到的总会重新查询。"
    /// How long a job waits for its rooms to decide; then it succeeds with a warning that names those that have not.
    "engine.room_wait_s": Whole(1, 86_400), default "60", unit Seconds, reload AtOnce => room_wait: Duration;
    "任务最多等多久会议室给出预订结果；之后任务成功，并有警告写明哪些会议室仍未给出结果。"
}

section! {
    LANES = "lanes", shown;
    struct Lanes with {
        /// `lanes.reserve.*`: what is kept of every window for jobs of high priority.
        reserve: Reserve,
    };
    /// Jobs of a lane in a row that may end as dead letters of one code before the lane is suspended, so that one
    /// missing setting in the platform does not cost a whole batch. 0 is never.
    "lanes.stop_after": Whole(0, 1_000_000), default "20", unit Jobs, reload AtOnce => stop_after: u32;
    "同一通道接连多少个任务因同一个错误码成为死信之后，暂停该通道，免得平台上少一项设置就毁掉整批任务。0 表示从不。"
}

section! {
    RESERVE = "lanes.reserve", off;
    /// The share of every window that is kept for jobs of this priority (1 to 9) and above while such jobs come: from
    /// the first that waits until one window after the last. All shares together are below 1. Without a key everything
    /// is for everyone, and priority decides only within a lane.
    "lanes.reserve.*": Part, example "8 = 0.2", reload NextStart;
    "每个窗口为该优先级（1 到 9）及以上的任务保留的份额，只在有这样的任务时生效：从第一个开始等待，到最后一个之后一个窗口为止。各份额之和小于 1。没有这个设置，配额人人可用，优先级只在通道内起作用。"
}

section! {
    ADMIN = "admin", shown;
    /// Where the worker serves its dashboard, its HTTP API and its metrics; empty for nowhere. Anything but loopback
    /// needs a token. `work` does not start if the address is taken; `run` then does without, and `run --simulate`
    /// serves nothing.
    "admin.listen": Listen, default "127.0.0.1:9464", reload NextStart;
    "管理服务（健康检查、指标、HTTP API、看板）监听的地址和端口；留空则不启动。不在本机回环地址时必须有令牌。地址被占用时 `work` 不启动，`run` 则不提供管理服务；`run --simulate` 一律不提供。"
    /// A Unix socket on which the same is served, with mode 0600: only the worker's user and root reach it. With
    /// `admin.listen = ""` there is nothing else. One that a killed worker left behind is replaced.
    "admin.socket": Path, example r#""/run/paceline/admin.sock""#, reload NextStart;
    "在一个 Unix 套接字上提供同样的服务，权限为 0600：只有 worker 的用户和 root 能用。再写上 `admin.listen = \"\"`，就只有它。被杀死的 worker 留下的套接字会被替换。"
    /// What a client of the admin server shows to change something, and to read unless `admin.read` says otherwise: at
    /// least 16 characters. Its role is `admin`. Without a token here or in `[admin.tokens]` nothing can be changed
    /// there. Never a bare string.
    "admin.token": Secret, example r#"{ env = "PACELINE_TOKEN" }"#, reload AtOnce;
    "要修改什么时客户端要出示的令牌（`Authorization: Bearer …`），至少 16 个字符；读取也要出示，除非 `admin.read` 另有规定。不能直接写成字符串。角色是 `admin`。这里和 `[admin.tokens]` 里都没有令牌，就什么都不能修改。"
    /// Who may read jobs over HTTP: whoever shows a token, or everybody on this machine (`open`). Left out, it is
    /// `token` once there is one. Anywhere but on loopback, and through a proxy, reading needs a token in any case.
    "admin.read": OneOf(&["open", "token"]), example r#""open""#, reload AtOnce;
    "谁可以通过 HTTP 查看任务：出示令牌的人（`token`），或本机上的所有人（`open`）。不写时，只要设置了令牌就是 `token`。不在回环地址上，或经过代理时，读取总是要令牌。"
    /// The address under which a proxy serves the admin server, like `https://paceline.example.com`: its host and
    /// origin are then let in, and reading needs a token.
    "admin.public_url": Text, example r#""https://paceline.example.com""#, reload AtOnce;
    "前面的代理对外提供的地址，例如 https://paceline.example.com；设置之后，这个 Host 和来源可以进入，读取需要令牌。"
    /// The certificate of the admin server in PEM, with its chain: `admin.listen` then speaks TLS alone. The Unix
    /// socket does not.
    "admin.tls_cert": Path, example r#""/etc/paceline/admin.pem""#, reload AtOnce;
    "管理服务的证书（PEM，含证书链）：设置后 `admin.listen` 只说 TLS。Unix 套接字不受影响。"
    /// The private key of `admin.tls_cert` in PEM. A file that others can read or write is refused.
    "admin.tls_key": Path, example r#""/etc/paceline/admin.key""#, reload AtOnce;
    "`admin.tls_cert` 的私钥（PEM）。其他用户能读或能写的文件会被拒绝。"
    /// Authorities in PEM: with them, only clients with a certificate of one of them are let in, and they show a token
    /// besides.
    "admin.client_ca": Path, example r#""/etc/paceline/clients.pem""#, reload AtOnce;
    "一个或多个 CA（PEM）：设置后，只有持有其中之一所签证书的客户端才能进入，而且仍要出示令牌。"
}

section! {
    TOKENS = "admin.tokens.grafana", off;
    /// The SHA-256 of a token of this name, as `paceline admin token NAME` prints it with the token. Several may hold
    /// at once, so that a new one is given out before the old one goes.
    "admin.tokens.*.hash": Hash, example r#""sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08""#,
        reload AtOnce;
    "这个名字的令牌的 SHA-256，由 `paceline admin token NAME` 随令牌一起给出。可以同时有几个令牌，这样旧的失效之前新的就能发下去。"
    /// What the holder of the token may do: `read` sees everything; `operate` also submits, corrects, redrives,
    /// cancels, resolves, suspends and resumes; `admin` also forgets dead letters.
    "admin.tokens.*.role": OneOf(Role::WORDS), example r#""read""#, reload AtOnce;
    "持有者可以做什么：`read` 查看一切；`operate` 还能提交、修正、重新处理、取消、处理待人工处理的任务、暂停和恢复；`admin` 还能永久丢弃死信。"
    /// When the token ends, like `2027-03-01T00:00:00Z`. Left out, it does not.
    "admin.tokens.*.expires": Text, example r#""2027-03-01T00:00:00Z""#, reload AtOnce;
    "令牌何时失效，例如 `2027-03-01T00:00:00Z`。不写则不失效。"
}

section! {
    TELEMETRY = "telemetry", shown;
    /// An OpenTelemetry collector that takes OTLP over HTTP, like `http://127.0.0.1:4318`: the trace of every call goes
    /// to `/v1/traces` there. Without it no traces are sent.
    "telemetry.otlp_endpoint": Text, example r#""http://127.0.0.1:4318""#, reload NextStart;
    "接收 OTLP over HTTP 的 OpenTelemetry Collector 的地址，例如 `http://127.0.0.1:4318`：每次调用的 trace 发到它的 `/v1/traces`。不写则不发送。"
    /// Headers of each request to the collector, like `name=value,name2=value2`, for those that want a key; a space is
    /// `%20`. Never a bare string.
    "telemetry.otlp_headers": Secret, example r#"{ env = "PACELINE_OTLP_HEADERS" }"#, reload NextStart;
    "发给 Collector 的每个请求要带的请求头，形如 `name=value,name2=value2`，供需要密钥的 Collector 使用；空格写作 `%20`。不能直接写成字符串。"
}

section! {
    CATALOG = "catalog", shown;
    struct Catalog;
    /// A directory with `methods/*.toml` and `platforms/*.toml` that extend or override the catalog that is compiled
    /// in.
    "catalog.dir": Path, example r#""/etc/paceline/catalog""#, reload AtOnce => dir: Option<PathBuf>;
    "一个含有 `methods/*.toml` 和 `platforms/*.toml` 的目录，补充或覆盖内置目录。"
}

section! {
    FILES = "files", shown;
    struct Files;
    /// The time zone of dates in files that do not name one, such as those of workbooks: a name like `Asia/Shanghai`, or
    /// an offset like `+08:00`. Left out, such a date is a fault.
    "files.time_zone": Text, example r#""Asia/Shanghai""#, reload NextStart => time_zone: Option<String>;
    "不写时区的日期（例如工作簿里的日期）按哪个时区理解：写时区名，如 `Asia/Shanghai`，或偏移量，如 `+08:00`。不设置时，这样的日期会报错。"
}

section! {
    APP = "apps.acme", off, note "One table for each set of credentials; its name is what jobs call the app.";
    /// Whose credentials these are. Required.
    "apps.*.platform": OneOf(&["feishu", "lark", "wecom"]), example r#""feishu""#, reload Apart;
    "凭证属于哪个平台。必填。"
    /// Where the platform's API is; left out, the platform's own address. Plain `http://` only to loopback.
    "apps.*.base_url": BaseUrl, example r#""https://open.feishu.cn""#, reload Apart;
    "平台 API 的地址；不写则用平台自己的地址。明文 `http://` 只允许本机回环地址。"
    /// The app's id, for feishu and lark. Required there.
    "apps.*.app_id": Text, example r#""cli_a1""#, reload Apart;
    "飞书、Lark 应用的 id，这两个平台必填。"
    /// The app's secret, for feishu and lark. Required there. Never a bare string.
    "apps.*.app_secret": Secret, example r#"{ env = "ACME_SECRET" }"#, reload Apart;
    "飞书、Lark 应用的密钥，这两个平台必填。不能直接写成字符串。"
    /// What is done with a create that may have been applied when no look-up can tell: parked for a person, or sent
    /// again at the risk of a duplicate.
    "apps.*.on_uncertain": OneOf(&["hold", "retry"]), default "hold", reload Apart;
    "创建可能已经生效、又无从查证时怎么办：`hold` 留给人处理；`retry` 再发一次，冒重复的风险。"
    /// What becomes of a job whose call succeeded and of whose rooms some declined: a success with a warning that names
    /// them, or a dead letter that does.
    "apps.*.on_room_declined": OneOf(&["warn", "dead"]), default "warn", reload Apart;
    "调用成功、但有会议室拒绝预订时任务怎么算：`warn` 成功，并有警告写明是哪些；`dead` 成为死信，写明是哪些。"
    /// For wecom: which of WeCom's two editions of the meeting interfaces the corp uses. Advanced ones need the paid
    /// meeting features and `wecom.meeting.create_advanced`; what the basic ones created cannot be used with the
    /// advanced ones, so all apps of a corp say the same.
    "apps.*.meetings": OneOf(&["basic", "advanced"]), default "basic", reload Apart;
    "用于企业微信：企业使用两套会议接口里的哪一套。`advanced`（高级管理）要求企业购买会议高级功能，并使用 `wecom.meeting.create_advanced`；基础接口创建的会议不能与高级接口混用，所以同一企业的应用必须写得一样。"
    /// Whether the job's id is written into a create's absent marker field (for a room, `custom_room_id`), by which a
    /// look-up finds it again. Without it a room is known by name, capacity and level, and one made by hand may be
    /// taken for it.
    "apps.*.mark_created": Bool, default "true", reload Apart;
    "是否把任务 id 写进创建请求里空着的标记字段（会议室是 `custom_room_id`），查证时靠它找回。不写的话，会议室靠名称、容量和层级辨认，手工建的同名会议室可能被当成它。"
    /// How much of every quota this app may use; the rest is left to other programs that use the same credentials.
    "apps.*.share": Share, default "1", unit OfEachQuota, reload Apart;
    "该应用最多使用每个配额的多大一部分；其余留给使用同一凭证的其他程序。"
    /// Calls that the tenant's plan allows in a calendar month, by the clock of UTC+8: 10000 on the free plan, shared by
    /// all its custom apps, so give each app its part. At the end the app waits for the first of the next month. 0 is
    /// no such budget. Only for feishu and lark.
    "apps.*.month_calls": Whole(0, 1_000_000_000), default "0", unit Calls, reload Apart;
    "租户的套餐每个自然月（按 UTC+8）允许的调用次数：免费版为 10000，由租户的全部自建应用共用，因此请给每个应用分一部分。用完之后应用等到下月 1 日。0 表示没有这种额度。只用于飞书和 Lark。"
}

section! {
    USERS = "apps.acme.users", off;
    /// A user access token, for jobs with `"identity": "user:<name>"`. Never a bare string.
    "apps.*.users.*": Secret, example r#"ann = { env = "ACME_ANN_TOKEN" }"#, reload Apart;
    "一个用户的 access token，供 `\"identity\": \"user:<name>\"` 的任务使用。不能直接写成字符串。"
}

section! {
    QUOTAS = "apps.acme.quotas", off;
    /// The quota of a method where it is not the documented one, e.g. raised by the platform: `"<method>" = "100/min"`.
    /// A method with quotas of several scopes names the others `"<method>@host"`, `@corp`, `@app` or `@app-tenant`.
    "apps.*.quotas.*": Quota, example r#""feishu.vc.room.create" = "100/min""#, reload Apart;
    "某个接口的配额与文档不同时（例如平台调高过）写在这里：`\"<method>\" = \"100/min\"`。有多个范围的接口，其他范围写作 `\"<method>@host\"`、`@corp`、`@app` 或 `@app-tenant`。"
}

section! {
    TENANTS = "apps.acme.tenants.tk_1.quotas", off;
    /// The quota of a method for the jobs of one `tenant` alone, before the app's own. Only for what is counted by app
    /// and tenant: `"<method>"` where that is the method's first quota, else `"<method>@app-tenant"`. The app's `share`
    /// holds for it too. For store apps: a custom app has one tenant, which no job names.
    "apps.*.tenants.*.quotas.*": Quota, example r#""feishu.vc.room.create" = "50/min""#, reload Apart;
    "只对某个 `tenant` 的任务生效的配额，先于应用自己的。只适用于按应用和租户计数的配额：若它是接口的第一个配额，写 `\"<method>\"`，否则写 `\"<method>@app-tenant\"`。应用的 `share` 同样适用。用于商店应用；自建应用只有一个租户，任务里不写。"
}

section! {
    CALIBRATED = "apps.acme.catalog.\"feishu.vc.room.create\"", off,
        note "What `paceline calibrate` found out on a test tenant, where the documents say nothing: one table for each method.";
    /// How long the platform may take to list a new object: a look-up waits so long before it says that nothing is there.
    /// Left out, as the catalog has it.
    "apps.*.catalog.*.delay_s": Whole(0, 3_600), unit Seconds, example "4", reload Apart;
    "平台最多多久才把新对象列出来：查证会等这么久，才认定对象不存在。不写则按目录。"
    /// Codes by which a deletion says that there is nothing left to delete: such a deletion succeeds. For methods that
    /// may be sent again without harm.
    "apps.*.catalog.*.gone_codes": Codes, example "[121004]", reload Apart;
    "删除类接口用哪些错误码表示对象已经不在：这样的删除算成功。只用于重复发送也无害的接口。"
    /// The day on which this was found out, for whoever reads the file.
    "apps.*.catalog.*.read": Text, example r#""2026-11-29""#, reload Apart;
    "何时测得，供阅读设置的人参考。"
}

section! {
    CORP = "apps.campus", off, beside r#"platform = "wecom""#;
    /// The corp's id, for wecom. Required there.
    "apps.*.corp_id": Text, example r#""ww1""#, reload Apart;
    "企业微信的企业 id，企业微信必填。"
    /// The app's secret in the corp, for wecom. Required there. Never a bare string.
    "apps.*.corp_secret": Secret, example r#"{ file = "/run/secrets/campus" }"#, reload Apart;
    "企业微信应用的密钥，企业微信必填。不能直接写成字符串。"
}
