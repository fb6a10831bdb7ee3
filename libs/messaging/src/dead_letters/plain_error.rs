//! A parser's error without what it read: that may tell of people, and an error is logged.

/// What a parser of values says of one comes before what it expected.
const EXPECTED: &str = ", expected ";

/// `invalid type: string "Ann", expected u64 at line 1 column 5` keeps all but `"Ann"`.
pub(crate) fn without_values(error: &str) -> String {
    let told = error.rfind(EXPECTED).and_then(|at| {
        let (found, expected) = error.split_at(at);
        let value = found.find(['"', '`'])?;
        Some(format!("{}{expected}", found[..value].trim_end()))
    });
    told.unwrap_or_else(|| error.to_owned())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Locale {
        Ru,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct User {
        #[expect(dead_code, reason = "only its type matters")]
        age: u8,
        #[expect(dead_code, reason = "only its type matters")]
        locale: Option<Locale>,
    }

    fn of(json: &str) -> String {
        without_values(&format!("data: {}", serde_json::from_str::<User>(json).unwrap_err()))
    }

    #[test]
    fn an_error_says_what_was_wrong_and_not_with_what() {
        assert_eq!(
            of(r#"{"age":"Ann, expected \" ,"}"#),
            "data: invalid type: string, expected u8 at line 1 column 27"
        );
        assert_eq!(of(r#"{"age":300}"#), "data: invalid value: integer, expected u8 at line 1 column 10");
        assert_eq!(
            of(r#"{"age":1,"locale":"Ann"}"#),
            "data: unknown variant, expected `ru` at line 1 column 23"
        );
        assert_eq!(of(r#"{"Ann":1}"#), "data: unknown field, expected `age` or `locale` at line 1 column 6");
        assert_eq!(of(r#""Ann""#), "data: invalid type: string, expected struct User at line 1 column 5");
        assert_eq!(of("{}"), "data: missing field `age` at line 1 column 2", "what it expected is no secret");
        assert_eq!(without_values("unknown type x"), "unknown type x");
    }
}
