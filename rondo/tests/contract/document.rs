//! The served OpenAPI documents against the table.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use testkit::Client;
use uuid::Uuid;

use crate::table::{INTERNAL, PUBLIC, Row};
use crate::{ALL, shape, whole_system};

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

pub(crate) async fn document(client: &Client) -> Value {
    let answer = client.get("/openapi.json").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/json");
    answer.body
}

/// Every operation of a document, by its name.
pub(crate) fn operations(document: &Value) -> BTreeMap<String, &Value> {
    let mut found = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            if let Some(operation) = item.get(method) {
                found.insert(format!("{} {path}", method.to_uppercase()), operation);
            }
        }
    }
    found
}

fn agrees_with(document: &Value, rows: &[Row]) {
    let operations = operations(document);
    let (served, promised): (BTreeSet<_>, BTreeSet<_>) =
        (operations.keys().cloned().collect(), rows.iter().map(Row::name).collect());
    assert_eq!(served, promised, "the document and the contract have the same operations");
    for row in rows {
        let operation = operations[&row.name()];
        agrees(document, operation, row);
    }
    is_well_made(document, &operations);
}

fn agrees(document: &Value, operation: &Value, row: &Row) {
    let name = row.name();
    let responses = operation["responses"].as_object().unwrap();
    let statuses: BTreeSet<u16> = responses.keys().map(|status| status.parse().unwrap()).collect();
    assert_eq!(statuses, row.statuses(), "{name}");
    for (status, response) in responses {
        if status == "204" {
            assert!(response.get("content").is_none(), "{name}: {status} has no body");
            continue;
        }
        let content =
            response["content"].as_object().unwrap_or_else(|| panic!("{name}: {status} has a body"));
        let media_types: Vec<&str> = content.keys().map(String::as_str).collect();
        let schema = &content.values().next().unwrap()["schema"];
        if status.starts_with('2') {
            assert_eq!(media_types, [row.media_type()], "{name}: {status}");
            assert_eq!(shape::of_schema(document, schema), shape::of_words(row.fields), "{name}: {status}");
        } else {
            assert_eq!(media_types, ["application/problem+json"], "{name}: {status}");
            assert_eq!(schema["$ref"], "#/components/schemas/Problem", "{name}: {status}");
        }
    }
    let expected = if row.needs_token() { json!([{ "bearer": [] }]) } else { Value::Null };
    assert_eq!(operation["security"], expected, "{name}");
}

/// What tools that read the document rely on.
fn is_well_made(document: &Value, operations: &BTreeMap<String, &Value>) {
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    let mut ids: Vec<&str> =
        operations.values().map(|operation| operation["operationId"].as_str().unwrap()).collect();
    ids.sort_unstable();
    let repeated: Vec<_> = ids.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    assert_eq!(repeated, [""; 0], "an operation's id is its own");
    for (name, operation) in operations {
        assert!(
            operation["summary"].as_str().is_some_and(|text| !text.is_empty()),
            "{name} says what it does"
        );
    }
    refers_to_what_is_there(document, document);
}

fn refers_to_what_is_there(document: &Value, part: &Value) {
    if part.get("$ref").is_some() {
        shape::resolve(document, part);
    }
    let members = part.as_object().into_iter().flat_map(|object| object.values());
    for inner in members.chain(part.as_array().into_iter().flatten()) {
        refers_to_what_is_there(document, inner);
    }
}

#[tokio::test]
async fn the_documents_are_the_contract() {
    let mut system = whole_system().await;
    let public = document(&system.client(ALL, Uuid::now_v7())).await;
    agrees_with(&public, &PUBLIC);
    let internal = document(&system.operator(ALL)).await;
    agrees_with(&internal, &INTERNAL);
    system.put_gateway_in_front().await;
    let behind = document(&system.client(ALL, Uuid::now_v7())).await;
    assert_eq!(behind, public, "the gateway has the document of all services together");
    // What every problem has.
    let problem = &public["components"]["schemas"]["Problem"];
    let members: BTreeSet<&str> =
        problem["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    for member in ["type", "title", "status", "detail", "instance", "code", "errors", "trace_id"] {
        assert!(members.contains(member), "{member}");
    }
}
