//! The shape of a body: the paths of its fields, `items.order_id`, with `?` where they may be absent. Of the
//! contract's words, of a schema, and of an answer.

use std::collections::BTreeSet;

use serde_json::Value;

pub(crate) type Shape = BTreeSet<String>;

/// Reads `a b? c[d e?]`.
pub(crate) fn of_words(words: &str) -> Shape {
    let (mut shape, mut parents, mut word) = (Shape::new(), Vec::new(), String::new());
    for character in words.chars().chain([' ']) {
        match character {
            ' ' | '[' | ']' => {
                if !word.is_empty() {
                    shape.insert(path(&parents, &word));
                }
                match character {
                    '[' => parents.push(word.trim_end_matches('?').to_owned()),
                    ']' => drop(parents.pop()),
                    _ => {}
                }
                word.clear();
            }
            letter => word.push(letter),
        }
    }
    shape
}

fn path(parents: &[String], word: &str) -> String {
    parents.iter().map(String::as_str).chain([word]).collect::<Vec<_>>().join(".")
}

/// Reads a schema of this document.
pub(crate) fn of_schema(document: &Value, schema: &Value) -> Shape {
    let mut shape = Shape::new();
    walk_schema(document, schema, &[], &mut shape);
    shape
}

fn walk_schema(document: &Value, schema: &Value, parents: &[String], shape: &mut Shape) {
    let schema = resolve(document, schema);
    if let Some(items) = schema.get("items") {
        return walk_schema(document, items, parents, shape);
    }
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let mark = if required.contains(&name.as_str()) { "" } else { "?" };
        shape.insert(format!("{}{mark}", path(parents, name)));
        let below: Vec<String> = parents.iter().chain([name]).cloned().collect();
        walk_schema(document, property, &below, shape);
    }
}

/// What a reference refers to.
pub(crate) fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').expect("references are within the document");
            let found = document.pointer(pointer).unwrap_or_else(|| panic!("{reference} refers to nothing"));
            resolve(document, found)
        }
        None => schema,
    }
}

/// What of an answer is not of this shape: fields that nobody promised, and promised ones that are missing.
pub(crate) fn differences(shape: &Shape, answer: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    walk_answer(shape, answer, &[], &mut differences);
    differences
}

fn walk_answer(shape: &Shape, answer: &Value, parents: &[String], differences: &mut Vec<String>) {
    if let Value::Array(elements) = answer {
        return elements.iter().for_each(|element| walk_answer(shape, element, parents, differences));
    }
    let Value::Object(members) = answer else { return };
    let below = path(parents, "");
    let promised =
        shape.iter().filter_map(|field| field.strip_prefix(&below)).filter(|rest| !rest.contains('.'));
    let promised: Vec<&str> = promised.collect();
    // What is inside of a field that the contract does not look into.
    if promised.is_empty() {
        return;
    }
    for name in promised.iter().filter(|name| !name.ends_with('?') && !members.contains_key(**name)) {
        differences.push(format!("{below}{name} is missing"));
    }
    for (name, member) in members {
        if !promised.iter().any(|field| field.trim_end_matches('?') == name) {
            differences.push(format!("{below}{name} is not in the contract"));
        }
        let deeper: Vec<String> = parents.iter().chain([name]).cloned().collect();
        walk_answer(shape, member, &deeper, differences);
    }
}

#[test]
fn words_and_schemas_are_the_same_shape() {
    let words = of_words("id name? items[id lines?[price?]] next");
    let expected = ["id", "name?", "items", "items.id", "items.lines?", "items.lines.price?", "next"];
    assert_eq!(words, expected.map(str::to_owned).into());
    let line = serde_json::json!({ "type": "object", "properties": { "price": {} } });
    let item = serde_json::json!({
        "required": ["id"],
        "properties": { "id": {}, "lines": { "type": "array", "items": line } }
    });
    let document = serde_json::json!({ "components": { "schemas": { "Item": item } } });
    let schema = serde_json::json!({
        "required": ["id", "items", "next"],
        "properties": {
            "id": {}, "name": {}, "next": {},
            "items": { "type": "array", "items": { "$ref": "#/components/schemas/Item" } }
        }
    });
    assert_eq!(of_schema(&document, &schema), words);
}

#[test]
fn an_answer_with_less_or_more_is_seen() {
    let shape = of_words("id name? items[id price?] free");
    let differs = |answer: Value| differences(&shape, &answer);
    let all =
        serde_json::json!({ "id": 1, "items": [{ "id": 1 }, { "id": 2, "price": 3 }], "free": { "any": 1 } });
    assert_eq!(differs(all), [""; 0]);
    let less = serde_json::json!({ "id": 1, "items": [{ "price": 1 }], "free": null });
    assert_eq!(differs(less), ["items.id is missing"]);
    let more = serde_json::json!({ "id": 1, "items": [{ "id": 1, "colour": 1 }], "free": null });
    assert_eq!(differs(more), ["items.colour is not in the contract"]);
}
