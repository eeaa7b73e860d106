//! Who makes a request, for whatever records what was done and by whom.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::domain::activity::{By, Via};
use crate::settings::Role;
use crate::user;

/// The name of the token that has none of its own; no other can be called so.
pub const SOLE_TOKEN: &str = "admin.token";

/// Who makes a request: every handler may take it as an argument. A change is always made by somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    /// Whoever showed the token of this name, with its role: its name in the settings, or [`SOLE_TOKEN`].
    Token(Arc<str>, Role),
    /// Somebody who showed no token, where none is needed.
    Nobody,
}

impl Actor {
    /// Them, about to make one change.
    pub(crate) fn by(&self) -> By {
        user::coming(Via::Http, self.to_string())
    }

    /// The token's name.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Token(name, _) => Some(name),
            Self::Nobody => None,
        }
    }

    /// What the token's holder may do.
    pub(crate) const fn role(&self) -> Option<Role> {
        match self {
            Self::Token(_, role) => Some(*role),
            Self::Nobody => None,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name().unwrap_or("nobody"))
    }
}

impl<S: Sync> FromRequestParts<S> for Actor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or(Self::Nobody))
    }
}
