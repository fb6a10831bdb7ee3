//! The one line that registers a command with a participant.

/// Declares the commands of a participant: each lives in a module of its own with
/// `fn touches(&C, &mut Keys)` (the rows it needs) and `fn decide(&mut Set, &C, Timestamp) -> Reply<C>`
/// (its rule). The enum gets `decode`, `touches`, `decide` and `TYPES`.
///
/// ```ignore
/// messaging::commands! {
///     /// What billing is asked for over the wire.
///     pub enum Command(Set, Keys) {
///         ReserveFunds(contracts::billing::ReserveFunds) => commands::reserve_funds,
///     }
/// }
/// ```
#[macro_export]
macro_rules! commands {
    ($(#[$meta:meta])* $vis:vis enum $name:ident($set:ty, $keys:ty) {
        $($variant:ident($command:ty) => $($module:ident)::+),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        $vis enum $name {
            $(#[doc = concat!("`", stringify!($variant), "`")] $variant($command)),+
        }

        impl $name {
            /// Every type that is answered.
            pub const TYPES: &'static [&'static str] = &[$(<$command as contracts::Command>::TYPE),+];

            /// The command that an item carries.
            ///
            /// # Errors
            /// Its type is not known here, or its payload is not of the type.
            pub fn decode(item: &$crate::Item<'_>) -> Result<Self, $crate::DecodeError> {
                match &*item.item_type {
                    $(<$command as contracts::Command>::TYPE => {
                        Ok(Self::$variant(serde_json::from_str(item.data.get())?))
                    })+
                    other => Err($crate::DecodeError::UnknownType(other.to_owned())),
                }
            }

            /// Notes the keys of the rows that this command needs.
            pub fn touches(&self, keys: &mut $keys) {
                match self {
                    $(Self::$variant(command) => $($module)::+::touches(command, keys)),+
                }
            }

            /// Applies the command's rule.
            pub fn decide(&self, set: &mut $set, now: contracts::Timestamp) -> contracts::ReplyData {
                match self {
                    $(Self::$variant(command) => $($module)::+::decide(set, command, now).into()),+
                }
            }
        }
    };
}
