//! What the application says, which the server passes on and looks at no closer.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// Any JSON, as text: read as values it takes many times its length in memory, and every copy as much again.
#[derive(Debug, Clone)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// Without spaces, however it came.
    pub fn text(&self) -> &str {
        self.0.get()
    }

    pub fn value(&self) -> Value {
        serde_json::from_str(self.text()).expect("it was written from a value")
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Self(to_raw_value(&value).expect("keys of values are text").into())
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Value::from(text).into()
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Value::from(text).into()
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Json {
    /// By way of values: raw text cannot be read where a tag says which type the rest is of.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Value::deserialize(from).map(Self::from)
    }
}
