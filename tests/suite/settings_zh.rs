//! The manual of settings in Chinese: the keys and their defaults are the code's, the words stand here.

/// What a key means, in the order of the English manual.
pub const MEANINGS: &[(&str, &str)] = &[
    ("store.url", "账本的位置：`sqlite://` 加路径，相对于工作目录；三个斜杠则为绝对路径。文件权限为 0600。"),
    (
        "store.key",
        "账本的密钥，用来加密账本里的密码：32 字节的 Base64，可用 `openssl rand -base64 32` 生成；也可以是一把新密钥，后面用逗号隔开它要替换的旧密钥。不写则在账本旁边的 `paceline.db.key` 里，随账本一起生成。",
    ),
    (
        "ledger.keep_days",
        "已结束的任务在账本里保留多少天，0 表示永远。保留期内同一个 id 绝不会再次调用，过期后它就是新任务，所以要长于一个 id 可能再次出现的时间；默认值超过一整年的课表。还在等待、待人工、尚未发布的，以及仍被某个配额计入的调用，都会保留。",
    ),
    (
        "broker.url",
        "RabbitMQ 的地址，`amqp://` 或 `amqps://`。用明文 `amqp://` 连别的机器会有警告：密码和任务在途中都能被读到。其中可能有密码，因此也可以写成 `{ env = \"NAME\" }`、`{ file = \"PATH\" }` 或 `{ credential = \"NAME\" }`。`[broker]` 里必填；没有这一节，Paceline 只在本机工作。",
    ),
    ("broker.jobs_queue", "从哪个持久的仲裁队列（quorum queue）取任务。"),
    ("broker.results_queue", "收取全部结果的持久队列；留空则不声明，由使用者自己绑定。"),
    ("broker.results_exchange", "结果的 topic 交换机；路由键是 `<app>.<method>`。"),
    ("broker.dead_queue", "死信的持久队列：原始消息体，原因写在消息头里。"),
    (
        "broker.prefetch",
        "同时未确认的消息数。一次接收把已经到达的消息（至多 256 条）写进一个事务，因此数字太小会让接收变慢；再大也不会让调用变快。",
    ),
    ("broker.ca_file", "除系统证书外，`amqps://` 还信任哪些证书（PEM）。"),
    (
        "broker.reply_to",
        "任务的 `reply_to` 可以写哪些队列；`*` 代表任意字符。worker 以自己的权限发布到那里，所以不要写别人的队列。不写则除 worker 自己的队列（一律不允许）外都可以。",
    ),
    (
        "broker.ids",
        "各发布方是共用 id，还是 `[broker.publishers]` 里每一方各用各的：设为 `publisher` 时，hr 所说的 `hq-7` 在列表和命令里是 `hr/hq-7`，结果里仍是 `hq-7`。改动之前发布过的 id，改动之后都算新的。",
    ),
    (
        "broker.publishers.NAME.user",
        "这是哪个 RabbitMQ 用户的消息：即 AMQP 属性 `user_id`，RabbitMQ 不允许别人冒用。不写则是表的名字；留空指没有这个属性的消息。只要有一张这样的表，不属于任何一张表的消息都是死信 `invalid`；一张都没有，则人人可用全部。",
    ),
    ("broker.publishers.NAME.apps", "这个发布方可以使用的应用。必填；`[\"*\"]` 是全部。"),
    ("broker.publishers.NAME.methods", "可以调用的接口，例如 `feishu.calendar.*`。不写则为全部。"),
    (
        "broker.publishers.NAME.identities",
        "可以用谁的身份调用：`tenant` 是应用自身，`user:<名字>` 是应用的某个用户。不写则只有 `tenant`。",
    ),
    (
        "broker.publishers.NAME.reply_to",
        "它的 `reply_to` 可以写哪些队列，须在 `broker.reply_to` 允许的之内。不写则是那里的全部。",
    ),
    (
        "http.request_timeout_ms",
        "一次调用从第一个字节到回复结束最多多久（毫秒）。没有回复的调用要占着许可到这个时间，因此对慢的平台，长一些更稳妥，但出错后恢复得慢。",
    ),
    ("http.connect_timeout_ms", "建立连接（含 TLS）最多多久（毫秒）；这样失败的调用必定没有生效。"),
    ("http.reply_bytes_max", "最多读取多长的回复（字节）；更长的视为读不懂。文档中的回复远小于 4 MiB。"),
    ("http.pool_idle_ms", "空闲连接保留多久（毫秒）。要短于常见负载均衡的空闲时间（60 秒），以免用到刚被关闭的连接。"),
    ("http.ca_file", "除系统证书外，`https://` 还信任哪些证书（PEM），例如代理的证书。"),
    (
        "intake.pending_max",
        "已接收的任务达到多少个就暂停接收，其余留在消息队列里。此刻做不了的任务（被暂停、停顿超过一分钟、`not_before` 未到）不计入，但任务总数不超过它的十倍。一个等待的任务占 389 至 443 字节内存（含 SQLite 页缓存）；若自成一个批次，再多约 200 字节。",
    ),
    ("intake.body_bytes_max", "当作任务读取的消息或行的最大长度（字节）；更长的成为死信 `malformed`。"),
    (
        "engine.concurrency_max",
        "所有通道合计同时进行的调用数。需要的数量 = 速率 × 回复时间：每秒 50 次、2 秒回复，就是 100。",
    ),
    ("engine.lane_concurrency_max", "单个通道同时进行的调用数，免得一个慢的接口占满全部位置。"),
    ("engine.attempts_max", "一个任务最多计几次尝试，之后成为死信 `exhausted`。等配额和因频率被拒都不计。"),
    ("engine.backoff_initial_ms", "暂时性故障后的第一次停顿（毫秒）；每次加倍，带随机抖动。"),
    ("engine.backoff_max_ms", "暂时性故障后最长的停顿（毫秒）。"),
    ("engine.grace_ms", "请求超时之后，平台最晚还可能在多久之内收到并计数（毫秒）。"),
    ("engine.drain_ms", "停止时最多等进行中的调用多久（毫秒）；被截断的，下次启动时查证。"),
    (
        "lanes.reserve.\"NAME\"",
        "每个窗口为该优先级（1 到 9）及以上的任务保留的份额，只在有这样的任务时生效：从第一个开始等待，到最后一个之后一个窗口为止。各份额之和小于 1。没有这个设置，配额人人可用，优先级只在通道内起作用。",
    ),
    (
        "lanes.stop_after",
        "同一通道接连多少个任务因同一个错误码成为死信之后，暂停该通道，免得平台上少一项设置就毁掉整批任务。0 表示从不。",
    ),
    (
        "admin.listen",
        "管理服务（健康检查、指标、HTTP API、看板）监听的地址和端口；留空则不启动。不在本机回环地址时必须有 `admin.token`。",
    ),
    (
        "admin.socket",
        "在一个 Unix 套接字上提供同样的服务，权限为 0600：只有 worker 的用户和 root 能用。再写上 `admin.listen = \"\"`，就只有它。被杀死的 worker 留下的套接字会被替换。",
    ),
    (
        "admin.token",
        "要修改什么时客户端要出示的令牌（`Authorization: Bearer …`），至少 16 个字符；读取也要出示，除非 `admin.read` 另有规定。不能直接写成字符串。角色是 `admin`。这里和 `[admin.tokens]` 里都没有令牌，就什么都不能修改。",
    ),
    ("admin.tls_cert", "管理服务的证书（PEM，含证书链）：设置后 `admin.listen` 只说 TLS。Unix 套接字不受影响。"),
    ("admin.tls_key", "`admin.tls_cert` 的私钥（PEM）。其他用户能读或能写的文件会被拒绝。"),
    ("admin.client_ca", "一个或多个 CA（PEM）：设置后，只有持有其中之一所签证书的客户端才能进入，而且仍要出示令牌。"),
    (
        "admin.tokens.NAME.hash",
        "这个名字的令牌的 SHA-256，由 `paceline admin token NAME` 随令牌一起给出。可以同时有几个令牌，这样旧的失效之前新的就能发下去。",
    ),
    (
        "admin.tokens.NAME.role",
        "持有者可以做什么：`read` 查看一切；`operate` 还能提交、修正、重新处理、取消、处理待人工的任务、暂停和恢复；`admin` 还能永久丢弃死信。",
    ),
    ("admin.tokens.NAME.expires", "令牌何时失效，例如 `2027-03-01T00:00:00Z`。不写则不失效。"),
    (
        "admin.read",
        "谁可以通过 HTTP 查看任务：出示令牌的人（`token`），或本机上的所有人（`open`）。不写时，只要设置了令牌就是 `token`。不在回环地址上，或经过代理时，读取总是要令牌。",
    ),
    (
        "admin.public_url",
        "前面的代理对外提供的地址，例如 https://paceline.example.com；设置之后，这个 Host 和来源可以进入，读取需要令牌。",
    ),
    (
        "telemetry.otlp_endpoint",
        "接收 OTLP over HTTP 的 OpenTelemetry Collector 的地址，例如 `http://127.0.0.1:4318`：每次调用的 trace 发到它的 `/v1/traces`。不写则不发送。",
    ),
    (
        "telemetry.otlp_headers",
        "发给 Collector 的每个请求要带的请求头，形如 `name=value,name2=value2`，供需要密钥的 Collector 使用；空格写作 `%20`。不能直接写成字符串。",
    ),
    ("catalog.dir", "一个含有 `methods/*.toml` 和 `platforms/*.toml` 的目录，补充或覆盖内置目录。"),
    ("apps.NAME.platform", "凭证属于哪个平台。必填。"),
    ("apps.NAME.base_url", "平台 API 的地址；不写则用平台自己的地址。明文 `http://` 只允许本机回环地址。"),
    ("apps.NAME.app_id", "飞书、Lark 应用的 id，这两个平台必填。"),
    ("apps.NAME.app_secret", "飞书、Lark 应用的密钥，这两个平台必填。不能直接写成字符串。"),
    ("apps.NAME.corp_id", "企业微信的企业 id，企业微信必填。"),
    ("apps.NAME.corp_secret", "企业微信应用的密钥，企业微信必填。不能直接写成字符串。"),
    (
        "apps.NAME.users.\"NAME\"",
        "一个用户的 access token，供 `\"identity\": \"user:<name>\"` 的任务使用。不能直接写成字符串。",
    ),
    (
        "apps.NAME.on_uncertain",
        "创建可能已经生效、又无从查证时怎么办：`hold` 留给人处理；`retry` 再发一次，冒重复的风险。",
    ),
    (
        "apps.NAME.meetings",
        "用于企业微信：企业使用两套会议接口里的哪一套。`advanced`（高级管理）要求企业购买会议高级功能，并使用 `wecom.meeting.create_advanced`；基础接口创建的会议不能与高级接口混用，所以同一企业的应用必须写得一样。",
    ),
    (
        "apps.NAME.mark_created",
        "是否把任务 id 写进创建请求里空着的标记字段（会议室是 `custom_room_id`），查证时靠它找回。不写的话，会议室靠名称、容量和层级辨认，手工建的同名会议室可能被当成它。",
    ),
    ("apps.NAME.share", "该应用最多使用每个配额的多大一部分；其余留给使用同一凭证的其他程序。"),
    (
        "apps.NAME.quotas.\"NAME\"",
        "某个接口的配额与文档不同时（例如平台调高过）写在这里：`\"<method>\" = \"100/min\"`。有多个范围的接口，其他范围写作 `\"<method>@host\"`、`@corp`、`@app` 或 `@app-tenant`。",
    ),
    (
        "apps.NAME.tenants.NAME.quotas.\"NAME\"",
        "只对某个 `tenant` 的任务生效的配额，先于应用自己的。只适用于按应用和租户计数的配额：若它是接口的第一个配额，写 `\"<method>\"`，否则写 `\"<method>@app-tenant\"`。应用的 `share` 同样适用。用于商店应用；自建应用只有一个租户，任务里不写。",
    ),
];
