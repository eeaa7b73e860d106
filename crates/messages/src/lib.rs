//! What people are told, as data: a code with its values. Its sentences, in English and in Chinese, stand beside it.
//!
//! Other crates choose a message and give its values; they write no sentence and read none. `Display` is English, for
//! logs and the command line. The ledger and the API keep `{"code": …, "values": {…}}`, and the dashboard makes its
//! sentences of that and [`table()`].
//!
//! The two languages cannot differ: each message has both sentences in one place, and the compiler refuses one that
//! names a value which is not there, or leaves one out. Decision: docs/decisions/0036-sentences-are-made-at-the-edge.md

mod broker;
mod broker_status;
mod cause;
pub mod command;
mod connect;
mod cure;
mod file;
mod header;
mod holder;
mod limit;
mod names;
mod rule;
mod shown;
mod table;
mod text;
mod timetable;
mod unread;
mod why;

pub use broker::{
    BrokerAddress, BrokerCause, BrokerCure, BrokerFault, BrokerFound, BrokerPart, BrokerStep, BrokerWords,
};
pub use broker_status::{BrokerStatus, IntakeLoad, IntakeState, LinkState, RelayState};
pub use cause::Cause;
pub use connect::Connect;
pub use cure::Cure;
pub use file::{ExposedFile, Exposure, FileNote, FileTrouble};
pub use header::HeaderTrouble;
pub use holder::Holder;
pub use limit::{Limit, Limits};
pub use names::Names;
pub use rule::{Got, Hint, Rule, Spot, Wanted, Wrong};
pub use shown::{Detail, Said, ToDo};
pub use table::table;
pub use text::{Bilingual, Language, Render};
pub use timetable::{HowOften, LessonsShare, TimeForm, TimetableTrouble};
pub use unread::{NamesNotRead, NotRead, RowsCure, RowsNotSent};
pub use why::{
    AttemptCount, BudgetOf, EndedWhen, GoesFirst, Met, MetWords, NextLookUp, PeriodName, Span, StateName,
    SuspensionEnd, Throttled, Throttling, ThrottlingNext, WhyFact,
};

/// Declares an enum of messages: `Variant { value: Type } = "English {value}", "中文 {value}";`.
macro_rules! messages {
    ($(#[$meta:meta])* pub enum $Name:ident {
        $($(#[$doc:meta])* $Variant:ident $({ $($field:ident: $type:ty),* })? = $en:literal, $zh:literal;)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(tag = "code", content = "values", rename_all = "kebab-case")]
        pub enum $Name {
            $(
                $(#[$doc])*
                #[doc = concat!("```text\n", $en, "\n```")]
                $Variant $({ $(#[doc = "A value of the sentence."] $field: $type),* })?,
            )*
        }

        impl crate::Render for $Name {
            fn render(&self, language: crate::Language) -> String {
                match language {
                    crate::Language::English => match self {
                        $(Self::$Variant $({ $($field),* })? => {
                            $($(let $field = crate::Render::render($field, language);)*)?
                            format!($en)
                        })*
                    },
                    crate::Language::Chinese => match self {
                        $(Self::$Variant $({ $($field),* })? => {
                            $($(let $field = crate::Render::render($field, language);)*)?
                            format!($zh)
                        })*
                    },
                }
            }
        }

        impl std::fmt::Display for $Name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(&crate::Render::render(self, crate::Language::English))
            }
        }

        impl $Name {
            /// Every message of this kind: the name of the variant, its English and its Chinese.
            pub(crate) const TABLE: &[(&str, &str, &str)] = &[$((stringify!($Variant), $en, $zh)),*];
        }
    };
}
use messages;
