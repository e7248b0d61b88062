//! The two shapes every resource is made of: a message with optional fields, and an enum of upper-case names.

/// True when `value` is what an absent field means; such a field is not written out again.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Declares messages: camelCase names, every field optional, absent fields not serialized.
///
/// With the feature `schemars` each has a JSON Schema; the type of a field then needs one, see `schema/types.rs`.
macro_rules! spec {
    ($($(#[$meta:meta])* pub struct $name:ident { $($(#[$fmeta:meta])* pub $field:ident: $ty:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
        #[serde(rename_all = "camelCase", default)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$fmeta])* #[serde(skip_serializing_if = "crate::macros::is_default")] pub $field: $ty,)*
        }
    )*};
}

/// Declares an enum whose members are spelt in YAML as the given text.
macro_rules! spec_enum {
    ($($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vmeta])* #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// The name as written in YAML.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}

/// A function for `deserialize_with`: a text that may be left out, and must say something when it is not.
macro_rules! not_empty_text {
    ($name:ident, $code:literal) => {
        fn $name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
            let text = <String as serde::Deserialize>::deserialize(deserializer)?;
            if text.is_empty() {
                let message = concat!($code, ": the text is empty\nremove the field, or fill it in");
                return Err(serde::de::Error::custom(message));
            }
            Ok(text)
        }
    };
}

/// A function for `deserialize_with`: a list that may be left out, and must have an item when it is not.
macro_rules! not_empty_list {
    ($name:ident, $code:literal, $help:literal) => {
        fn $name<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
        where
            D: serde::Deserializer<'de>,
            T: serde::Deserialize<'de>,
        {
            let list = <Vec<T> as serde::Deserialize>::deserialize(deserializer)?;
            if list.is_empty() {
                let message = concat!($code, ": the list is present but empty\n", $help);
                return Err(serde::de::Error::custom(message));
            }
            Ok(list)
        }
    };
}

pub(crate) use {not_empty_list, not_empty_text, spec, spec_enum};
