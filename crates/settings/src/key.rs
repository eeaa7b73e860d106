//! What a setting is, and the form in which [`super::table`] writes one down.
//!
//! ```text
//! section! {
//!     HTTP = "http", shown;                  // or `off`: commented out in the file that shows every key
//!     struct Http;                           // left out where a section is read by hand
//!     /// What it does, and why its default is what it is.
//!     "http.pool_idle_ms": Whole(0, 9), default "5", unit Milliseconds, reload NextStart => pool_idle: Duration;
//!     "它做什么，默认值为什么是这样。"
//! }
//! ```
//!
//! A key with `=> field: Type` is read by the section's `read`, as [`Field`](super::field::Field) says for its type; the
//! others by hand. One without a default has an `example` for the file.

use paceline_messages::{Language, Render};

use super::kind::Kind;

/// Keys that stand together in the file that shows every key.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its table, with names as a user may choose them.
    pub header: &'static str,
    /// Whether it stands there as it takes effect; else it is commented out.
    pub is_shown: bool,
    /// What is said above it; empty for nothing.
    pub note: &'static str,
    /// A line of another section's that an example of this one needs; empty for none.
    pub beside: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// One key of the settings.
#[derive(Debug)]
pub struct Key {
    /// Dotted path; `*` stands for a name that the user chooses.
    pub path: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Its value when absent, as text; `None` when absence has its own meaning, which its sentences tell.
    pub default: Option<&'static str>,
    /// The unit of a number.
    pub unit: Option<Unit>,
    /// What the file shows in place of a default; where the user chooses the last name, with that name.
    pub example: Option<&'static str>,
    /// When a running worker takes a change over.
    pub reload: Reload,
    /// What it does and why its default is what it is.
    pub en: &'static str,
    /// The same in Chinese.
    pub zh: &'static str,
}

impl Key {
    /// What it does and why its default is what it is.
    pub const fn meaning(&self, language: Language) -> &'static str {
        match language {
            // A line of documentation begins with a space.
            Language::English => self.en.trim_ascii_start(),
            Language::Chinese => self.zh,
        }
    }

    /// Its name in the manuals.
    pub fn name(&self) -> String {
        self.path.replace(".*.", ".NAME.").replace(".*", ".\"NAME\"")
    }
}

/// When a running worker takes a change over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// When the settings are read again.
    AtOnce,
    /// So, too, but what changed is told by those who know more than the key: the catalog, or all of a publisher.
    Apart,
    /// At the next start alone.
    NextStart,
}

impl Render for Reload {
    fn render(&self, language: Language) -> String {
        match (self, language) {
            (Self::AtOnce | Self::Apart, Language::English) => "at once",
            (Self::AtOnce | Self::Apart, Language::Chinese) => "立即",
            (Self::NextStart, Language::English) => "next start",
            (Self::NextStart, Language::Chinese) => "下次启动",
        }
        .to_owned()
    }
}

macro_rules! units {
    ($($Unit:ident = $en:literal, $zh:literal;)*) => {
        /// What a number counts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Unit {
            $(#[doc = $en] $Unit,)*
        }

        impl Render for Unit {
            fn render(&self, language: Language) -> String {
                match (self, language) {
                    $((Self::$Unit, Language::English) => $en, (Self::$Unit, Language::Chinese) => $zh,)*
                }
                .to_owned()
            }
        }
    };
}

units! {
    Attempts = "attempts", "次尝试";
    Bytes = "bytes", "字节";
    Calls = "calls", "次调用";
    Days = "days", "天";
    Deliveries = "deliveries", "条消息";
    Hours = "hours", "小时";
    Jobs = "jobs", "个任务";
    Milliseconds = "milliseconds", "毫秒";
    Seconds = "seconds", "秒";
    OfEachQuota = "of each quota", "每个配额的";
}

/// Declares a [`Section`], and the struct that it is read into.
macro_rules! section {
    ($NAME:ident = $header:literal, $is_shown:ident $(, note $note:literal)? $(, beside $beside:literal)?;
     struct $Struct:ident $(with { $($(#[$doc:meta])* $more:ident: $more_type:ty),+ $(,)? })?; $($keys:tt)+) => {
        $crate::key::section! { $NAME = $header, $is_shown $(, note $note)? $(, beside $beside)?; $($keys)+ }
        $crate::key::fields! { $header $Struct [$($($(#[$doc])* $more: $more_type),+)?] $($keys)+ }
    };
    ($NAME:ident = $header:literal, $is_shown:ident $(, note $note:literal)? $(, beside $beside:literal)?;
     $($(#[doc = $en:literal])+ $path:literal: $Kind:ident $(($($bound:expr),+))?, $(default $default:literal,)?
       $(unit $Unit:ident,)? $(example $example:literal,)? reload $Reload:ident $(=> $field:ident: $type:ty)?;
       $zh:literal)+) => {
        const $NAME: $crate::key::Section = $crate::key::Section {
            header: $header,
            is_shown: $crate::key::is_shown!($is_shown),
            note: concat!("" $(, $note)?),
            beside: concat!("" $(, $beside)?),
            keys: &[$($crate::key::Key {
                path: $path,
                kind: $crate::kind::Kind::$Kind $(($($bound),+))?,
                default: $crate::key::option!($($default)?),
                unit: $crate::key::option!($($crate::key::Unit::$Unit)?),
                example: $crate::key::option!($($example)?),
                reload: $crate::key::Reload::$Reload,
                en: concat!($($en),+),
                zh: $zh,
            }),+],
        };
    };
}

/// The struct of a section, and how it is read.
macro_rules! fields {
    ($header:literal $Struct:ident [$($(#[$doc:meta])* $more:ident: $more_type:ty),*]
     $($(#[doc = $en:literal])+ $path:literal: $Kind:ident $(($($bound:expr),+))?, $(default $default:literal,)?
       $(unit $Unit:ident,)? $(example $example:literal,)? reload $Reload:ident $(=> $field:ident: $type:ty)?;
       $zh:literal)+) => {
        #[doc = concat!("`[", $header, "]`.")]
        #[derive(Clone, Debug)]
        #[allow(unreachable_pub, reason = "the crate shows some of them")]
        pub struct $Struct {
            $($(#[$doc])* pub $more: $more_type,)*
            $($(#[doc = concat!("`", $path, "`.")] pub $field: $type,)?)+
        }

        impl $Struct {
            /// What its keys say, each by itself.
            pub(super) fn read(draft: &mut $crate::draft::Draft<'_>) -> Self {
                Self {
                    $($more: Default::default(),)*
                    $($($field: $crate::field::Field::read(draft, $path),)?)+
                }
            }
        }
    };
}

macro_rules! is_shown {
    (shown) => {
        true
    };
    (off) => {
        false
    };
}

macro_rules! option {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

pub(crate) use {fields, is_shown, option, section};
