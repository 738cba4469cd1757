//! PROTOCOL.md says what the code does.

use std::collections::BTreeSet;

use crescendo::signal::message::{ClientMessage, ErrorCode, ServerMessage};
use serde_json::Value;

const PAGE: &str = include_str!("../../PROTOCOL.md");

/// The examples of the page that are marked with `side`.
fn examples(side: &str) -> Vec<&'static str> {
    let fence = format!("```json {side}\n");
    PAGE.split(fence.as_str()).skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

/// Parses and writes each example again; gives the `type`s seen.
fn types<M: serde::de::DeserializeOwned + serde::Serialize>(side: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for example in examples(side) {
        let message: M = serde_json::from_str(example).unwrap_or_else(|error| panic!("{example}: {error}"));
        let given: Value = serde_json::from_str(example).expect("JSON");
        let again = serde_json::to_value(&message).expect("JSON");
        assert_eq!(given, again, "the example says something else than the message means");
        seen.insert(given["type"].as_str().expect("a type").to_owned());
    }
    seen
}

/// The `type`s that the generated TypeScript has in a union.
fn declared(union: &str) -> BTreeSet<String> {
    let wire = include_str!("../../web/client/src/wire.ts");
    let (_, body) = wire.split_once(&format!("export type {union} = ")).expect("the union is there");
    let body = body.split("\nexport ").next().expect("a body");
    let tags = body.split("{ \"type\": \"").skip(1);
    tags.map(|tag| tag.split('"').next().expect("a tag").to_owned()).collect()
}

#[test]
fn every_message_has_an_example_that_parses() {
    assert_eq!(types::<ClientMessage>("client"), declared("ClientMessage"));
    assert_eq!(types::<ServerMessage>("server"), declared("ServerMessage"));
    assert!(declared("ClientMessage").len() > 10 && declared("ServerMessage").len() > 15);
}

#[test]
fn every_error_code_is_on_the_page() {
    let wire = include_str!("../../web/client/src/wire.ts");
    let (_, codes) = wire.split_once("export type ErrorCode = ").expect("the union is there");
    let codes = codes.split(';').next().expect("a union");
    for code in codes.split(" | ").map(|code| code.trim().trim_matches('"')) {
        assert!(PAGE.contains(&format!("`{code}`")), "{code} is not explained");
        serde_json::from_value::<ErrorCode>(Value::String(code.to_owned())).expect("a code");
    }
}
