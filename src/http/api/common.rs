//! What the description says of all operations, said once.

use serde_json::{Value, json};
use utoipa::openapi::OpenApi;

/// As `room::ids::RoomName` has it.
const ROOM_NAME: &str = r"^(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}$";

/// The whole description: of what back ends may ask, and of what everybody may.
pub(super) fn describe(guarded: OpenApi, open: OpenApi, has_keys: bool, max_ttl_s: u32) -> Value {
    let mut guarded = value(&guarded);
    for operation in operations(&mut guarded) {
        if has_keys {
            operation["security"] = json!([{ "bearer": [] }]);
            operation["responses"]["401"] = problem("No API key and no token, or one that is not taken");
            operation["responses"]["403"] = problem("The token does not grant it");
        } else {
            operation["responses"]["403"] = problem("There are no keys, and this is another machine");
        }
    }
    if has_keys {
        let text = "An API key as in `id.secret`, or a token that grants `admin` of the room that the path names";
        guarded["components"]["securitySchemes"] =
            json!({ "bearer": { "type": "http", "scheme": "bearer", "description": text } });
    }
    guarded["components"]["schemas"]["NewToken"]["properties"]["ttlS"]["maximum"] = max_ttl_s.into();
    let mut open = value(&open);
    for (path, item) in object(&mut open["paths"]) {
        guarded["paths"][path] = item.take();
    }
    for (name, schema) in object(&mut open["components"]["schemas"]) {
        guarded["components"]["schemas"][name] = schema.take();
    }
    for operation in operations(&mut guarded) {
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            if ["room", "cursor"].iter().any(|name| parameter["name"] == **name) {
                parameter["schema"]["pattern"] = ROOM_NAME.into();
            }
        }
    }
    widen(&mut guarded);
    guarded
}

/// Formats of OpenAPI are of signed numbers: `int32` would end at half of what 32 bits without a sign take. So numbers without a sign
/// have a maximum in place of a format.
fn widen(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(widen),
        Value::Object(members) => {
            let unsigned = members.get("minimum").and_then(Value::as_f64).is_some_and(|minimum| minimum >= 0.0);
            let most = match members.get("format").and_then(Value::as_str) {
                Some("int32") => u64::from(u32::MAX),
                Some("int64") => u64::MAX,
                _ => 0,
            };
            if unsigned && most > 0 {
                members.remove("format");
                members.entry("maximum").or_insert(most.into());
            }
            members.values_mut().for_each(widen);
        }
        _ => {}
    }
}

fn value(description: &OpenApi) -> Value {
    serde_json::to_value(description).expect("a description is JSON")
}

fn object(value: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    value.as_object_mut().into_iter().flatten()
}

fn operations(description: &mut Value) -> impl Iterator<Item = &mut Value> {
    object(&mut description["paths"]).flat_map(|(_, item)| object(item).map(|(_, operation)| operation))
}

fn problem(description: &str) -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    json!({ "description": description, "content": { "application/problem+json": { "schema": schema } } })
}
