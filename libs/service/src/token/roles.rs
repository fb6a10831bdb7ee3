//! What a user may do besides ordering.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// A role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everybody who registered.
    User,
    /// Delivers.
    Courier,
    /// Operates: internal listener, stock by hand.
    Operator,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::User, Self::Courier, Self::Operator];

    /// The name in tokens and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Courier => "courier",
            Self::Operator => "operator",
        }
    }
}

/// A set of roles; a list of names in tokens. Names that are not known here (a newer release knows
/// them) are passed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    /// Whether the role is in the set.
    pub const fn has(self, role: Role) -> bool {
        self.0 & (1 << role as u8) != 0
    }

    /// The set with the role in it.
    #[must_use]
    pub const fn with(self, role: Role) -> Self {
        Self(self.0 | (1 << role as u8))
    }

    /// The roles of the set.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.has(*role))
    }

    /// The names of the roles in the set.
    pub fn names(self) -> Vec<String> {
        self.iter().map(|role| role.as_str().to_owned()).collect()
    }
}

impl<S: AsRef<str>> FromIterator<S> for Roles {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        let role = |name: S| Role::ALL.into_iter().find(|role| role.as_str() == name.as_ref());
        names.into_iter().filter_map(role).fold(Self::default(), Self::with)
    }
}

impl Serialize for Roles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<String>::deserialize(deserializer).map(|names| names.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_roles_are_passed_over() {
        let roles: Roles = serde_json::from_str(r#"["operator", "auditor"]"#).unwrap();
        assert!(roles.has(Role::Operator) && !roles.has(Role::User));
        assert_eq!(serde_json::to_string(&roles).unwrap(), r#"["operator"]"#);
    }
}
