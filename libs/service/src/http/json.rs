//! Strict JSON in, JSON out.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::plain_words::in_plain_words;
use super::{FieldErrors, Problem, Validate, body};

/// A JSON body, in and out.
///
/// As an extractor it answers 415 (not JSON), 413 (too large), 400 (malformed, too deep) or 422 (wrong
/// types, unknown fields, rules of [`Validate`]). Request types say `#[serde(deny_unknown_fields)]`.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + Validate, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = read_json(request).await?;
        parse(&bytes).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => {
                let json = HeaderValue::from_static("application/json");
                ([(CONTENT_TYPE, json)], body).into_response()
            }
            Err(error) => Problem::internal(&error).into_response(),
        }
    }
}

/// The bytes of a body that says it is JSON.
pub(super) async fn read_json(request: Request) -> Result<Bytes, Problem> {
    if !is_json(request.headers()) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "the body must be application/json in UTF-8",
        ));
    }
    body::read(request.into_body()).await
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let mut parts = value.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    let suffix = media_type.len().checked_sub(5).and_then(|at| media_type.get(at..));
    let is_json = media_type.eq_ignore_ascii_case("application/json")
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("+json"));
    is_json && parts.all(is_utf8)
}

/// Whether a parameter of the media type leaves the text in UTF-8, as JSON between systems is (RFC 8259).
fn is_utf8(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let charset = value.trim().trim_matches('"');
    !name.trim().eq_ignore_ascii_case("charset")
        || ["utf-8", "utf8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known))
}

/// A value of `T` that keeps its rules.
pub(super) fn parse<T: DeserializeOwned + Validate>(bytes: &[u8]) -> Result<T, Problem> {
    // serde takes a list of the right values for a struct; our clients write objects.
    let is_object = bytes.trim_ascii_start().starts_with(b"{");
    let parsed = if is_object { serde_json::from_slice(bytes).ok() } else { None };
    let value: T = parsed.ok_or_else(|| explain::<T>(bytes, is_object))?;
    let mut errors = FieldErrors::default();
    value.validate(&mut errors);
    if errors.is_empty() { Ok(value) } else { Err(Problem::invalid(errors)) }
}

/// Reads once more to learn what is wrong, and where: only errors pay for it.
fn explain<T: DeserializeOwned>(bytes: &[u8], is_object: bool) -> Problem {
    // Well-formed as a whole, and not too deep? A wrong type may come before either is seen.
    if let Err(error) = serde_json::from_slice::<serde_json::Value>(bytes) {
        return Problem::malformed(format!("the body is not JSON: {error}"));
    }
    if !is_object {
        return Problem::invalid_field("body", "must be an object");
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Ok(_) => Problem::malformed("the body is not JSON"),
        Err(error) => {
            let path = error.path().to_string();
            let message = error.into_inner().to_string();
            Problem::invalid_field(field(&path, &message), in_plain_words(&message))
        }
    }
}

/// The path of the field; what is missing is named by the message alone.
fn field(path: &str, message: &str) -> String {
    let parent = if path == "." { "" } else { path };
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    match (parent, missing) {
        ("", Some(name)) => name.to_owned(),
        (parent, Some(name)) => format!("{parent}.{name}"),
        ("", None) => "body".to_owned(),
        (parent, None) => parent.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[serde(default)]
        items: Vec<Item>,
        #[serde(rename = "price")]
        _price: Option<i64>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Item {
        quantity: i64,
    }

    impl Validate for Order {
        fn validate(&self, errors: &mut FieldErrors) {
            for (at, item) in self.items.iter().enumerate() {
                errors.number(format!("items[{at}].quantity"), item.quantity, 1..=10);
            }
        }
    }

    async fn refusal(body: &str) -> (u16, Value) {
        let response = parse::<Order>(body.as_bytes()).unwrap_err().into_response();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 100_000).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn wrong_field(body: &str) -> (String, String) {
        let (status, body) = refusal(body).await;
        assert_eq!(status, 422, "{body}");
        let error = &body["errors"][0];
        (error["field"].as_str().unwrap().to_owned(), error["message"].as_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn what_is_not_json_is_malformed() {
        for body in ["", "{", "{\"price\": 1} more", "{\"price\": }", "nothing"] {
            assert_eq!(refusal(body).await.0, 400, "{body}");
        }
    }

    #[tokio::test]
    async fn too_deep_is_malformed_wherever_it_is() {
        let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
        assert_eq!(refusal(&deep).await.0, 400);
        assert_eq!(refusal(&format!("{{\"unknown\": {deep}}}")).await.0, 400);
        assert_eq!(refusal(&format!("{{\"items\": {deep}}}")).await.0, 400);
    }

    #[tokio::test]
    async fn wrong_types_unknown_and_missing_fields_are_named() {
        assert_eq!(wrong_field(r#"{"price": "5"}"#).await.0, "price");
        assert_eq!(wrong_field(r#"{"price": 1.5}"#).await.0, "price");
        assert_eq!(wrong_field(r#"{"prise": 5}"#).await.0, "prise");
        let (field, message) = wrong_field(r#"{"items": [{"quantity": 1}, {}]}"#).await;
        assert_eq!((field.as_str(), message.as_str()), ("items[1].quantity", "is missing"));
        for no_object in ["[[], 5]", "null", "7"] {
            assert_eq!(wrong_field(no_object).await.0, "body");
        }
    }

    #[tokio::test]
    async fn rules_are_checked_and_all_named() {
        let (status, body) =
            refusal(r#"{"items": [{"quantity": 0}, {"quantity": 5}, {"quantity": 11}]}"#).await;
        assert_eq!(status, 422);
        assert_eq!(body["code"], "validation_failed");
        let fields: Vec<_> = body["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
        assert_eq!(fields, [&json!("items[0].quantity"), &json!("items[2].quantity")]);
    }

    #[test]
    fn media_types() {
        let is = |value: &'static str| {
            is_json(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]))
        };
        assert!(is("application/json"));
        assert!(is("Application/JSON; charset=utf-8"));
        assert!(is("application/cloudevents+json"));
        assert!(is("application/json;charset=\"UTF-8\"; profile=x"));
        assert!(!is("application/json; charset=utf-16"));
        assert!(!is("application/json; profile=x; Charset = ISO-8859-1"));
        assert!(!is("text/plain"));
        assert!(!is("json"));
        assert!(!is_json(&HeaderMap::new()));
    }
}
