//! What is known of a user outside the user service.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Event;

/// The language of a user's letters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Locale {
    /// Russian.
    #[default]
    Ru,
    /// English.
    En,
}

impl Locale {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ru => "ru",
            Self::En => "en",
        }
    }
}

/// A user finished registration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserRegistered {
    /// The user.
    pub user_id: Uuid,
    /// Where letters go.
    pub email: String,
    /// How to address the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// In which language.
    pub locale: Locale,
}

/// A user changed the profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfileChanged {
    /// The user.
    pub user_id: Uuid,
    /// In which language letters are written from now on.
    pub locale: Locale,
    /// The postal address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

impl Event for UserRegistered {
    const TYPE: &'static str = "user.user_registered.v1";
    fn about(&self) -> Uuid {
        self.user_id
    }
}

impl Event for ProfileChanged {
    const TYPE: &'static str = "user.profile_changed.v1";
    fn about(&self) -> Uuid {
        self.user_id
    }
}
