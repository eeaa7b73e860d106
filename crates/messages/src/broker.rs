//! What can be wrong between a worker and its broker, and what to do.

use crate::text::in_one_line;
use crate::{Connect, ExposedFile, Language, Render, messages};

messages! {
    /// In the words of the broker or its client, where no message of ours says it.
    pub enum BrokerWords {
        Quoted { words: String } = "{words}", "{words}";
        NoHeartbeat = "the broker fell silent (no heartbeat)", "消息队列没有响应（心跳中断）";
        ChannelClosed = "the channel was closed", "信道已关闭";
        ConnectionClosed = "the connection was closed", "连接已关闭";
        NotAmqp = "the broker sent something that is not AMQP 0-9-1", "对方发来的内容不是 AMQP 0-9-1";
        /// No connection came about.
        NotConnected { why: Connect } = "{why}", "{why}";
    }
}

messages! {
    /// What is asked of the broker.
    pub enum BrokerStep {
        OpeningChannel = "opening a channel", "打开信道";
        DeclaringQueue = "declaring a queue", "声明队列";
        DeclaringExchange = "declaring an exchange", "声明交换机";
        UnbindingQueue = "unbinding a queue", "解除队列绑定";
        AskingForConfirms = "asking for confirms", "请求发布确认";
        SettingPrefetch = "setting the prefetch", "设置预取数量";
        FetchingMessage = "fetching a message", "取一条消息";
        Consuming = "consuming", "消费";
        Cancelling = "cancelling", "停止消费";
        Acknowledging = "acknowledging", "确认消息";
        Publishing = "publishing", "发布";
        ConfirmingMessage = "confirming a message", "等待发布确认";
        OpeningTransaction = "opening a transaction", "打开事务";
        PublishingInTransaction = "publishing in a transaction", "在事务里发布";
        RollingBack = "rolling back", "回滚事务";
        RenewingToken = "renewing the token", "更新 token";
    }
}

messages! {
    /// A part of the broker, or of what stands between it and the ledger.
    pub enum BrokerPart {
        RabbitMq = "RabbitMQ", "RabbitMQ";
        ReadingLedger = "reading the ledger", "读取账本";
        WritingLedger = "writing the ledger", "写入账本";
        Queue { name: String } = "queue {name:?}", "队列 {name:?}";
        Exchange { name: String } = "exchange {name:?}", "交换机 {name:?}";
        ReplyQueue { name: String } = "reply_to {name:?}", "reply_to {name:?}";
        BoundQueue { exchange: String } = "a queue bound to exchange {exchange:?}", "绑定到交换机 {exchange:?} 的一个队列";
    }
}

messages! {
    /// What is wrong between a worker and its broker.
    pub enum BrokerCause {
        /// An error of the ledger.
        LedgerSays { words: String } = "{words}", "{words}";
        BrokerUnreachable { address: String, why: BrokerWords } = "cannot connect to RabbitMQ at {address}: {why}", "无法连接 {address} 上的 RabbitMQ：{why}";
        BrokerSilent { address: String, seconds: u64 } = "cannot connect to RabbitMQ at {address}: no answer within {seconds} s", "无法连接 {address} 上的 RabbitMQ：{seconds} 秒内没有响应";
        ConnectionLost { address: String, why: BrokerWords } = "lost the connection to RabbitMQ at {address}: {why}", "与 {address} 上的 RabbitMQ 的连接中断：{why}";
        ConnectionEnded { address: String } = "the connection to RabbitMQ at {address} ended", "与 {address} 上的 RabbitMQ 的连接已结束";
        ConnectionDropped = "the connection was dropped", "连接已断开";
        ConnectionGivenUp { before: Box<BrokerFault> } = "gave the connection to RabbitMQ up: {before}", "放弃了与 RabbitMQ 的连接：{before}";
        StepFailed { step: BrokerStep, why: BrokerWords } = "{step}: {why}", "{step}：{why}";
        StepSilent { step: BrokerStep, seconds: u64 } = "{step}: no answer within {seconds} s", "{step}：{seconds} 秒内没有响应";
        StoppedBefore = "stopped", "已停止";
        OfPart { part: BrokerPart, before: Box<BrokerCause> } = "{part}: {before}", "{part}：{before}";

        NoBrokerAddress { setting: String, wrong: BrokerAddress } = "{setting}: {wrong}", "{setting}：{wrong}";
        NoBrokerAddressOf { setting: String, number: usize, wrong: BrokerAddress } = "{setting} (number {number}): {wrong}", "{setting}（第 {number} 个）：{wrong}";
        NameTooLong { name: String } = "{name:?} has more than the 255 bytes that AMQP allows for a name", "{name:?} 超过 AMQP 允许的名称长度 255 字节";
        RefusesMessages { why: Box<BrokerFault> } = "the broker refuses messages to it: {why}", "消息队列拒绝向它发布：{why}";
        TakesNoMessages { reason: String } = "RabbitMQ takes no messages until it has room again: {reason}", "RabbitMQ 腾出空间之前不接收消息：{reason}";
        Unconfirmed { seconds: u64 } = "RabbitMQ did not confirm within {seconds} s", "RabbitMQ 在 {seconds} 秒内没有确认";
        JobsQueueFull { queue: String } = "RabbitMQ refused it: the queue {queue:?} is full", "RabbitMQ 拒收：队列 {queue:?} 已满";
        JobsQueueGone { queue: String, words: String } = "RabbitMQ has no queue {queue:?} any more: {words}", "RabbitMQ 已没有队列 {queue:?}：{words}";
        QueueFull = "RabbitMQ refuses it: the queue is full", "RabbitMQ 拒收：队列已满";
        QueueMissing { words: String } = "RabbitMQ has no queue for it: {words}; it will be declared again", "RabbitMQ 没有可投递的队列：{words}；会重新声明";
        BoundQueueFull = "it refuses results because it is full", "已满，拒收结果";
        ConsumingEnded { queue: String } = "RabbitMQ ended consuming: the queue {queue:?} was deleted or moved, or messages were held longer than its consumer timeout", "RabbitMQ 结束了消费：队列 {queue:?} 被删除或迁移，或消息的持有时间超过了消费者超时";

        CertificateUnreadable { path: String, words: String } = "cannot read {path}: {words}", "无法读取 {path}：{words}";
        FileExposed { exposed: Box<ExposedFile> } = "{exposed}", "{exposed}";
        NoCertificate { path: String } = "{path} holds no certificate: expected PEM with \"-----BEGIN CERTIFICATE-----\"", "{path} 里没有证书：应为含 \"-----BEGIN CERTIFICATE-----\" 的 PEM";
        NoPrivateKey { path: String } = "{path} holds no private key: expected PEM (not shown)", "{path} 里没有私钥：应为 PEM（内容不显示）";
        NoBrokerToken { before: Box<BrokerCause> } = "no token for RabbitMQ: {before}", "没有可用于 RabbitMQ 的 token：{before}";
        NotAToken = "expected one line with a token, got something else (not shown)", "应为一行 token，实际是别的内容（不显示）";
        NoProgram = "no program is named", "没有写明程序";
        ProgramNotStarted { program: String, words: String } = "{program:?} cannot be started: {words}", "无法启动 {program:?}：{words}";
        ProgramWithoutOutput { program: String } = "{program:?} has no output", "{program:?} 没有输出";
        ProgramSilent { program: String, seconds: String } = "{program:?} printed nothing within {seconds} s", "{program:?} 在 {seconds} 秒内没有输出";
        ProgramUnread { program: String, words: String } = "what {program:?} printed cannot be read: {words}", "无法读取 {program:?} 的输出：{words}";
        ProgramFailed { program: String, status: String } = "{program:?} ended with {status}: run it by hand to see why", "{program:?} 以 {status} 结束：手动运行它查看原因";
        ProgramEndless { program: String } = "{program:?} did not end", "{program:?} 没有结束";
    }
}

messages! {
    /// What is wrong with the broker's address. The address itself, which holds the password, is never shown.
    pub enum BrokerAddress {
        AddressWithoutScheme = "expected amqp://user:password@host:port/vhost (or amqps://…), got something without \"://\"", "应为 amqp://user:password@host:port/vhost（或 amqps://…），实际没有 \"://\"";
        AddressOfOtherScheme { scheme: String } = "expected amqp://user:password@host:port/vhost (or amqps://…), got {scheme}://", "应为 amqp://user:password@host:port/vhost（或 amqps://…），实际为 {scheme}://";
        NoAmqpAddress = "expected amqp://user:password@host:port/vhost (or amqps://…)", "应为 amqp://user:password@host:port/vhost（或 amqps://…）";
        AddressUnreadable = "expected amqp://user:password@host:port/vhost (or amqps://…); percent-encode signs like @ : / # in user, password and vhost (a vhost \"/\" is %2f)", "应为 amqp://user:password@host:port/vhost（或 amqps://…）；用户、密码和 vhost 里的 @ : / # 等符号要写成百分号编码（vhost \"/\" 写成 %2f）";
        AddressWithoutHost = "expected amqp://user:password@host:port/vhost (or amqps://…), got no host", "应为 amqp://user:password@host:port/vhost（或 amqps://…），实际没有主机名";
    }
}

messages! {
    /// What a look at the broker found that is as it should be.
    pub enum BrokerFound {
        BrokerAnswers { address: String, vhost: String, user: String } = "RabbitMQ at {address}, vhost {vhost:?}, user {user:?}", "{address} 上的 RabbitMQ，vhost {vhost:?}，用户 {user:?}";
        QueueAsExpected { ready: u32, consumers: u32 } = "as expected; {ready} messages ready, {consumers} consumers", "符合预期；{ready} 条消息待取，{consumers} 个消费者";
        ExchangeAsExpected = "as expected", "符合预期";
        NotDeclaredYet = "not there yet; `paceline work` declares it", "尚不存在，由 `paceline work` 声明";
    }
}

messages! {
    /// What to do about the broker.
    pub enum BrokerCure {
        CorrectSetting { setting: String } = "correct {setting}", "修改 {setting}";
        CorrectLogin { setting: String, user: String } = "correct user and password in {setting} (it says {user:?}; signs like @ : / are percent-encoded), or set the password with `rabbitmqctl change_password {user} …`", "修改 {setting} 里的用户和密码（现为 {user:?}；@ : / 等符号要写成百分号编码），或用 `rabbitmqctl change_password {user} …` 设置密码";
        LetGuestIn { setting: String, user: String } = "correct user and password in {setting} (it says {user:?}; signs like @ : / are percent-encoded), or set the password with `rabbitmqctl change_password {user} …`; RabbitMQ lets \"guest\" in from its own machine only, so make a user of your own", "修改 {setting} 里的用户和密码（现为 {user:?}；@ : / 等符号要写成百分号编码），或用 `rabbitmqctl change_password {user} …` 设置密码；RabbitMQ 只允许 \"guest\" 从本机登录，请另建用户";
        LetCertificateIn { address: String } = "RabbitMQ needs the plugin rabbitmq_auth_mechanism_ssl, `auth_mechanisms.1 = EXTERNAL`, and a user with the name in the certificate of broker.tls_cert (`ssl_cert_login_from` says which name); the log of RabbitMQ at {address} tells the reason", "RabbitMQ 需要插件 rabbitmq_auth_mechanism_ssl、`auth_mechanisms.1 = EXTERNAL`，以及与 broker.tls_cert 证书里的名称相同的用户（`ssl_cert_login_from` 规定用哪个名称）；{address} 上 RabbitMQ 的日志有原因";
        LetTokenIn { address: String } = "RabbitMQ needs the plugin rabbitmq_auth_backend_oauth2, and the token its audience (`auth_oauth2.resource_server_id`) and scopes for the vhost; it may also have ended, or be signed with a key that RabbitMQ does not know; the log of RabbitMQ at {address} tells the reason", "RabbitMQ 需要插件 rabbitmq_auth_backend_oauth2，token 需要它的 audience（`auth_oauth2.resource_server_id`）和该 vhost 的 scope；token 也可能已过期，或由 RabbitMQ 不认识的密钥签名；{address} 上 RabbitMQ 的日志有原因";
        NameVhost { setting: String } = "{setting} ends in \"/\", which names the vhost \"\": write %2f for the vhost \"/\"", "{setting} 以 \"/\" 结尾，表示名称为空的 vhost：vhost \"/\" 要写成 %2f";
        CorrectVhost { setting: String, vhost: String, user: String } = "correct the vhost in {setting} (it says {vhost:?}; \"/\" is written %2f), or make it with `rabbitmqctl add_vhost {vhost}` and `rabbitmqctl set_permissions -p {vhost} {user} '.*' '.*' '.*'`", "修改 {setting} 里的 vhost（现为 {vhost:?}；\"/\" 写成 %2f），或用 `rabbitmqctl add_vhost {vhost}` 和 `rabbitmqctl set_permissions -p {vhost} {user} '.*' '.*' '.*'` 建立";
        NameAuthority = "its certificate comes from an authority this machine does not know: name that authority's PEM file in broker.ca_file", "它的证书由本机不认识的机构签发：在 broker.ca_file 里写上该机构的 PEM 文件";
        UseCertificatesName { host: String, setting: String } = "its certificate is for another name than {host:?}: use the certificate's in {setting}", "它的证书不是给 {host:?} 的：在 {setting} 里写证书上的名称";
        BringCertificate = "it lets in nobody without a certificate: name yours in broker.tls_cert and broker.tls_key", "没有证书不能连接：在 broker.tls_cert 和 broker.tls_key 里写上自己的证书";
        RenewCertificate = "have its certificate renewed or corrected", "请对方更新或修正证书";
        UseTlsPort = "that port speaks no TLS: use amqps:// with RabbitMQ's TLS port (5671 by default), or amqp://", "该端口不使用 TLS：amqps:// 要用 RabbitMQ 的 TLS 端口（默认 5671），否则写 amqp://";
        StartRabbitMq { setting: String } = "nothing listens there: start RabbitMQ, or correct host and port in {setting}", "那里没有服务在监听：启动 RabbitMQ，或修改 {setting} 里的主机和端口";
        CheckAddress { setting: String } = "check host and port in {setting} and the way there (name server, firewall)", "检查 {setting} 里的主机和端口，以及到那里的网络（DNS、防火墙）";
        CheckBroker = "check that RabbitMQ runs there and that no firewall swallows the connection", "检查 RabbitMQ 是否在那里运行，以及防火墙是否拦截连接";
        WaitOrUseTlsPort = "it may still be starting, speak no TLS on that port (RabbitMQ's TLS port is 5671 by default), or let in nobody without a certificate (then name yours in broker.tls_cert and broker.tls_key)", "可能还在启动，或该端口不使用 TLS（RabbitMQ 的 TLS 端口默认为 5671），或没有证书不能连接（那就在 broker.tls_cert 和 broker.tls_key 里写上自己的证书）";
        WaitOrUseTls = "it may still be starting, or expect TLS on that port (then write amqps://), or be no RabbitMQ", "可能还在启动，或该端口要求 TLS（那就写 amqps://），或不是 RabbitMQ";
        TakeMessageOut = "if this repeats, a message has properties that are not UTF-8 (message_id, type, app_id, a header's name): take it out of the queue, e.g. with \"Get messages\" in the management page, and correct its publisher", "如果反复出现，说明有消息的属性不是 UTF-8（message_id、type、app_id 或 header 的名称）：把它从队列里取出（例如用管理页面的 \"Get messages\"），并修正发布它的程序";
        MakeRoomForLedger = "make room on its disk", "在它的磁盘上腾出空间";
        ChooseShorterName = "choose a shorter one", "换一个短一些的";
        DeclareAnew { part: BrokerPart } = "the {part} exists with other properties: delete it when it is empty and let it be declared anew, or name another one in [broker]", "{part} 已存在，属性不同：等它空了删除并重新声明，或在 [broker] 里换一个名称";
        GiveRights { name: String } = "give the user of the broker's address the rights to configure, write and read {name:?} (`rabbitmqctl set_permissions`)", "给连接地址里的用户 {name:?} 的 configure、write、read 权限（`rabbitmqctl set_permissions`）";
        GiveWriteRight { name: String } = "give the user of the broker's address the right to write {name:?} (`rabbitmqctl set_permissions`)", "给连接地址里的用户 {name:?} 的 write 权限（`rabbitmqctl set_permissions`）";
        NameAnother { name: String } = "{name:?} belongs to another connection alone: name another one in [broker]", "{name:?} 由另一个连接独占：在 [broker] 里换一个名称";
        DrainByWorkers = "let workers drain it, or raise its max-length", "让 worker 取走其中的消息，或调高它的 max-length";
        DrainQueue = "drain it, or raise its max-length", "取走其中的消息，或调高它的 max-length";
        DrainBoundQueue = "drain it, raise its max-length, or unbind it (`rabbitmqctl list_bindings` shows which queues are bound); what it refused is published to the exchange again after pauses of 1 to 30 minutes", "取走其中的消息，调高它的 max-length，或解除绑定（`rabbitmqctl list_bindings` 显示绑定了哪些队列）；被拒收的会每隔 1 到 30 分钟向交换机重新发布";
    }
}

messages! {
    /// What is wrong, and what to do if waiting is not all.
    pub enum BrokerFault {
        Waited { cause: BrokerCause } = "{cause}", "{cause}";
        Curable { cause: BrokerCause, cure: Box<BrokerCure> } = "{cause}; {cure}", "{cause}；{cure}";
        /// One of each address.
        OfEach { faults: Vec<BrokerFault> } = "{faults}", "{faults}";
    }
}

impl BrokerFault {
    /// With what to do, if that can be said.
    pub fn new(cause: BrokerCause, cure: Option<BrokerCure>) -> Self {
        match cure {
            Some(cure) => Self::Curable { cause, cure: Box::new(cure) },
            None => Self::Waited { cause },
        }
    }

    /// Several as one, each with its own cure.
    pub fn joined(faults: Vec<Self>) -> Self {
        match <[Self; 1]>::try_from(faults) {
            Ok([only]) => only,
            Err(faults) => Self::OfEach { faults },
        }
    }

    /// What part of the broker it is about.
    #[must_use]
    pub fn of(self, part: BrokerPart) -> Self {
        let of = |cause| BrokerCause::OfPart { part, before: Box::new(cause) };
        match self {
            Self::Waited { cause } => Self::Waited { cause: of(cause) },
            Self::Curable { cause, cure } => Self::Curable { cause: of(cause), cure },
            Self::OfEach { .. } => self,
        }
    }

    /// What is wrong, without what to do; of several, with it.
    pub fn cause(&self) -> String {
        match self {
            Self::Waited { cause } | Self::Curable { cause, .. } => cause.to_string(),
            Self::OfEach { .. } => self.to_string(),
        }
    }

    /// What to do; empty if waiting is all, or if it stands beside each cause.
    pub fn cure(&self) -> String {
        match self {
            Self::Curable { cure, .. } => cure.to_string(),
            Self::Waited { .. } | Self::OfEach { .. } => String::new(),
        }
    }
}

impl std::error::Error for BrokerFault {}

/// Several, one after the other.
impl Render for Vec<BrokerFault> {
    fn render(&self, language: Language) -> String {
        in_one_line(self, language)
    }
}
