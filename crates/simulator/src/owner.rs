//! Who an object belongs to. Feishu keeps a list of calendars for the app and one for each user: the access token decides.

use std::sync::Arc;

/// One identity of an app or corp.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Owner {
    /// App id or corp id; empty for what everybody sees.
    pub account: Arc<str>,
    /// A store app's customer; empty for a custom app.
    pub tenant: Arc<str>,
    /// The user; empty for the app itself.
    pub user: Arc<str>,
}

impl Owner {
    /// The app or corp itself.
    pub(crate) fn of_account(account: &str) -> Self {
        Self { account: Arc::from(account), ..Self::default() }
    }

    /// Whether everybody sees what belongs to it.
    pub(crate) fn is_everybody(&self) -> bool {
        self.account.is_empty()
    }
}
