//! What a parser says, in words of the API: clients know neither Rust nor its types.

/// What is wrong with a field, to be read behind its name. What our own types say of their values stays.
pub(super) fn in_plain_words(message: &str) -> String {
    let message = message.rfind(" at line ").map_or(message, |at| &message[..at]);
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    if what.starts_with("missing field ") {
        return "is missing".to_owned();
    }
    if what.starts_with("duplicate field ") {
        return "must be given once".to_owned();
    }
    if what.starts_with("unknown field ") {
        return match names(expected).as_slice() {
            [] => "is not known here".to_owned(),
            known => format!("is not known here; known: {}", known.join(", ")),
        };
    }
    if what.starts_with("unknown variant ") {
        return format!("must be one of: {}", names(expected).join(", "));
    }
    if what.starts_with("invalid value: integer ") && is_whole_number(expected) {
        return "is out of range".to_owned();
    }
    if what.starts_with("invalid type: ") || what.starts_with("invalid value: ") {
        return kind(expected).to_owned();
    }
    told_by_value(message).map_or_else(|| message.to_owned(), str::to_owned)
}

/// The names between backticks.
fn names(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn is_whole_number(expected: &str) -> bool {
    ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "usize"].contains(&expected)
}

/// What a value has to be, by what a parser expects.
fn kind(expected: &str) -> &'static str {
    match expected {
        _ if is_whole_number(expected) => "must be a whole number",
        "f32" | "f64" => "must be a number",
        // Of one of some words.
        "map with a single key" => "must be text",
        "a boolean" => "must be true or false",
        _ if expected.contains("UUID") => "must be a UUID",
        _ if expected.contains("date and time") => A_TIME,
        _ if expected.contains("string") => "must be text",
        _ if expected.starts_with("a sequence") => "must be a list",
        _ if expected.starts_with("struct ") || expected.contains("map") => "must be an object",
        _ => "is of the wrong type",
    }
}

const A_TIME: &str = "must be a time such as 2026-01-31T12:00:00Z";

/// Of those that tell what they did not like in a text.
fn told_by_value(message: &str) -> Option<&'static str> {
    Some(match message {
        // No JSON at all was refused before; here it is one of some words.
        "expected value" => "must be text",
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            "must be a whole number"
        }
        "number too large to fit in target type" | "number too small to fit in target type" => {
            "is out of range"
        }
        "provided string was not `true` or `false`" => "must be true or false",
        "input is out of range"
        | "no possible date and time matching input"
        | "input is not enough for unique date and time"
        | "input contains invalid characters"
        | "premature end of input"
        | "trailing input" => A_TIME,
        _ if message.starts_with("UUID parsing failed") => "must be a UUID",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use serde::Deserialize;
    use uuid::Uuid;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only what cannot be read is looked at")]
    struct Everything {
        whole: Option<i64>,
        count: Option<u32>,
        text: Option<String>,
        flag: Option<bool>,
        id: Option<Uuid>,
        at: Option<DateTime<Utc>>,
        list: Option<Vec<Uuid>>,
        part: Option<Part>,
        word: Option<Word>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only what cannot be read is looked at")]
    struct Part {
        name: String,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        Yes,
        No,
    }

    fn told(field: &str, value: &str) -> String {
        let body = format!("{{\"{field}\": {value}}}");
        in_plain_words(&serde_json::from_str::<Everything>(&body).unwrap_err().to_string())
    }

    #[test]
    fn a_wrong_value_is_told_in_words_of_the_api() {
        for (field, value, words) in [
            ("whole", "\"5\"", "must be a whole number"),
            ("whole", "1.5", "must be a whole number"),
            ("whole", "18446744073709551615", "is out of range"),
            ("count", "-1", "is out of range"),
            ("count", "{}", "must be a whole number"),
            ("text", "5", "must be text"),
            ("flag", "\"yes\"", "must be true or false"),
            ("id", "5", "must be a UUID"),
            ("id", "\"5\"", "must be a UUID"),
            ("at", "5", A_TIME),
            ("at", "\"tomorrow\"", A_TIME),
            ("at", "\"2026-01-31\"", A_TIME),
            ("at", "\"2026-13-31T00:00:00Z\"", A_TIME),
            ("at", "\"2026-01-31T00:00:00Z and more\"", A_TIME),
            ("list", "5", "must be a list"),
            ("part", "5", "must be an object"),
            ("part", "{}", "is missing"),
            ("word", "\"perhaps\"", "must be one of: yes, no"),
            ("word", "5", "must be text"),
            ("word", "{}", "must be text"),
            ("text", "{}", "must be text"),
        ] {
            assert_eq!(told(field, value), words, "{field}: {value}");
        }
        assert!(told("colour", "1").starts_with("is not known here; known: whole, count, "));
    }

    #[test]
    fn a_wrong_parameter_is_told_in_words_of_the_api() {
        for (query, words) in [
            ("whole=x", "must be a whole number"),
            ("count=", "must be a whole number"),
            ("count=-1", "must be a whole number"),
            ("count=99999999999", "is out of range"),
            ("flag=perhaps", "must be true or false"),
            ("id=1", "must be a UUID"),
            ("word=perhaps", "must be one of: yes, no"),
            ("text=a&text=b", "must be given once"),
        ] {
            let error = serde_urlencoded::from_str::<Everything>(query).unwrap_err();
            assert_eq!(in_plain_words(&error.to_string()), words, "{query}");
        }
    }

    #[test]
    fn what_our_own_types_say_stays() {
        assert_eq!(
            in_plain_words("must be an e-mail address at line 1 column 9"),
            "must be an e-mail address"
        );
    }
}
