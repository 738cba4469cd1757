use std::collections::BTreeSet;

use super::*;

/// (path, method) of every operation in a description.
fn operations(shown: &serde_json::Value) -> BTreeSet<(String, String)> {
    let paths = shown["paths"].as_object().unwrap();
    let methods = |path: &serde_json::Value| path.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    paths.iter().flat_map(|(path, of)| methods(of).into_iter().map(|method| (path.clone(), method))).collect()
}

#[test]
fn the_description_has_every_operation_once_and_refers_to_what_is_there() {
    let shown = common::describe(guarded().split_for_parts().1, open().split_for_parts().1, true, 86_400);
    let operations = operations(&shown);
    assert_eq!(operations.len(), 21);
    let mut ids = BTreeSet::new();
    for (path, method) in &operations {
        let operation = &shown["paths"][path][method];
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{path} {method}");
        assert!(operation["summary"].is_string(), "{path} {method} has no summary");
        let is_open = path == "/api/v1/capabilities";
        assert_eq!(operation["responses"]["401"].is_null(), is_open, "{path} {method}");
        for parameter in operation["parameters"].as_array().unwrap_or(&Vec::new()) {
            let is_room = parameter["name"] == "room";
            assert_eq!(parameter["schema"]["pattern"].is_string(), is_room || parameter["name"] == "cursor", "{path}");
        }
    }
    let text = shown.to_string();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(shown["components"]["schemas"][name].is_object(), "{name} is not described");
    }
}

#[test]
fn a_server_without_keys_asks_for_none() {
    let shown = common::describe(guarded().split_for_parts().1, open().split_for_parts().1, false, 86_400);
    let text = shown.to_string();
    assert!(!text.contains("\"security\"") && !text.contains("securitySchemes") && !text.contains("\"401\""));
    assert!(shown["paths"]["/api/v1/node"]["get"]["responses"]["403"].is_object());
}

#[test]
fn no_route_of_the_api_is_outside_the_description() {
    // Plain routes are the reference's own and the answer to what is not there.
    let source = include_str!("../api.rs");
    let plain: Vec<_> = source.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let own = ["/api", "/api/", "/api/reference.js", "/api/reference.css", "/api/openapi.json", "/api/{*path}"];
    assert_eq!(plain, own);
}
