//! Whom a letter goes to and in which language, as far as events have told.
//!
//! Events are heard in any order and more than once: what a contact is in the end depends only on which
//! events happened, not on when they came.

use contracts::Timestamp;
use contracts::user::{Locale, ProfileChanged, UserRegistered};
use messaging::{record, word_column};
use uuid::Uuid;

/// The language of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Russian.
    Ru,
    /// English.
    En,
}

word_column!(Language { Ru => "ru", En => "en" });

impl From<Locale> for Language {
    fn from(locale: Locale) -> Self {
        match locale {
            Locale::Ru => Self::Ru,
            Locale::En => Self::En,
        }
    }
}

impl Default for Language {
    fn default() -> Self {
        Locale::default().into()
    }
}

record! {
    /// A row of `contacts`.
    #[derive(PartialEq)]
    pub struct Contact in "contacts" {
        /// The user.
        user_id: Uuid,
        changing {
            /// Where letters would go; unknown until the registration is heard.
            email: Option<String>,
            /// How to address the user.
            name: Option<String>,
            /// In which language letters are written from now on.
            locale: Language,
            /// The postal address.
            address: Option<String>,
            /// When the youngest event happened that is heard so far.
            profile_at: Timestamp,
        }
    }
}

impl Contact {
    /// A user of whom nothing was heard before `at`.
    pub fn unheard(user_id: Uuid, at: Timestamp) -> Self {
        Self { user_id, email: None, name: None, locale: Language::default(), address: None, profile_at: at }
    }

    /// Learns of the registration, which happened at `at`. E-mail and name are told by it alone.
    pub fn registered(&mut self, event: &UserRegistered, at: Timestamp) {
        self.email = Some(event.email.clone());
        self.name.clone_from(&event.name);
        if at >= self.profile_at {
            self.locale = event.locale.into();
            self.profile_at = at;
        }
    }

    /// Learns of a change, which happened at `at`, unless a younger event was heard.
    pub fn changed(&mut self, event: &ProfileChanged, at: Timestamp) {
        if at >= self.profile_at {
            self.locale = event.locale.into();
            self.address.clone_from(&event.address);
            self.profile_at = at;
        }
    }
}
