//! What a key takes, in words of both languages.

use std::fmt;

use paceline_messages::{Language, Render};

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
    /// `sqlite://path`, or `postgres://…` as text or as a secret.
    StoreUrl,
    /// `amqp://…` or `amqps://…`, as text or as a secret.
    BrokerUrl,
    /// A list of such, or a secret that holds them.
    BrokerUrls,
    /// `https://…`, or `http://` to loopback.
    BaseUrl,
    /// `address:port`.
    Listen,
    /// `{ env = "NAME" }`, `{ file = "path" }` or `{ credential = "NAME" }`.
    Secret,
    /// `sha256:` and what somebody's secret makes of it.
    Hash,
    /// The text of a quota.
    Quota,
    /// A program and its arguments.
    Command,
    /// Names in which `*` stands for any characters.
    Patterns,
    /// A list of whole numbers.
    Codes,
}

impl Kind {
    /// Whether `{ env = … }`, `{ file = … }` and `{ credential = … }` may stand for the value.
    pub fn takes_reference(self) -> bool {
        matches!(self, Self::Secret | Self::StoreUrl | Self::BrokerUrl | Self::BrokerUrls)
    }

    /// Whether a value that stands there must not be shown.
    pub fn is_sensitive(self) -> bool {
        matches!(self, Self::Secret | Self::StoreUrl | Self::BrokerUrl | Self::BrokerUrls | Self::BaseUrl | Self::Hash)
    }

    /// Whether its values stand in quotes in a file.
    pub fn is_quoted(self) -> bool {
        let is_list = matches!(self, Self::Patterns | Self::BrokerUrls | Self::Command | Self::Codes);
        !is_list && !matches!(self, Self::Whole(..) | Self::Share | Self::Part | Self::Bool)
    }
}

impl Render for Kind {
    fn render(&self, language: Language) -> String {
        let (en, zh) = match self {
            Self::Text => ("a text that is not empty", "不为空的文本"),
            Self::TextOrEmpty => ("a text", "文本"),
            Self::Path => ("a path", "路径"),
            Self::Whole(min, max) => {
                return match language {
                    Language::English => format!("a whole number from {min} to {max}"),
                    Language::Chinese => format!("{min} 到 {max} 的整数"),
                };
            }
            Self::Share => ("a fraction above 0 and at most 1, like 0.8", "大于 0、不超过 1 的小数，例如 0.8"),
            Self::Part => ("a fraction above 0 and below 1, like 0.2", "大于 0、小于 1 的小数，例如 0.2"),
            Self::Bool => ("true or false", "true 或 false"),
            Self::OneOf(words) => {
                let words: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
                return words.join(match language {
                    Language::English => " or ",
                    Language::Chinese => " 或 ",
                });
            }
            Self::StoreUrl => (
                "a URL like sqlite://paceline.db or postgres://user:password@host/database, or { env = \"NAME\" }, { file = \"PATH\" } or { credential = \"NAME\" }",
                "形如 sqlite://paceline.db 或 postgres://user:password@host/database 的 URL，或 { env = \"NAME\" }、{ file = \"PATH\" }、{ credential = \"NAME\" }",
            ),
            Self::BrokerUrl => (
                "a URL like amqp://user:password@host:5672/%2f or amqps://…, or { env = \"NAME\" }, { file = \"PATH\" } or { credential = \"NAME\" }",
                "形如 amqp://user:password@host:5672/%2f 或 amqps://… 的 URL，或 { env = \"NAME\" }、{ file = \"PATH\" }、{ credential = \"NAME\" }",
            ),
            Self::BrokerUrls => (
                "a list of URLs like [\"amqps://user:password@a\", \"amqps://user:password@b\"], or { env = \"NAME\" }, { file = \"PATH\" } or { credential = \"NAME\" }",
                "URL 的列表，形如 [\"amqps://user:password@a\", \"amqps://user:password@b\"]，或 { env = \"NAME\" }、{ file = \"PATH\" }、{ credential = \"NAME\" }",
            ),
            Self::BaseUrl => (
                "an address like https://open.feishu.cn, or http:// to loopback",
                "形如 https://open.feishu.cn 的地址；http:// 只限本机回环地址",
            ),
            Self::Listen => {
                ("an address and port like 127.0.0.1:9464, or nothing", "形如 127.0.0.1:9464 的地址和端口，或留空")
            }
            Self::Secret => (
                "{ env = \"NAME\" }, { file = \"PATH\" } or { credential = \"NAME\" }",
                "{ env = \"NAME\" }、{ file = \"PATH\" } 或 { credential = \"NAME\" }",
            ),
            Self::Hash => ("sha256: and 64 hexadecimal digits", "sha256: 加 64 位十六进制数字"),
            Self::Quota => ("a quota like 100/min or 1000/min, 50/s", "形如 100/min 或 1000/min, 50/s 的配额"),
            Self::Command => (
                "a program and its arguments, like [\"/usr/local/bin/token\", \"--for\", \"rabbitmq\"]",
                "程序及其参数，例如 [\"/usr/local/bin/token\", \"--for\", \"rabbitmq\"]",
            ),
            Self::Codes => ("a list of whole numbers like [121004]", "整数的列表，例如 [121004]"),
            Self::Patterns => ("a list of names like [\"hr.*\", \"it\"]", "名称的列表，例如 [\"hr.*\", \"it\"]"),
        };
        match language {
            Language::English => en,
            Language::Chinese => zh,
        }
        .to_owned()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.render(Language::English))
    }
}
