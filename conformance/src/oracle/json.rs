//! Messages as JSON, in the form of Java's converters.

use data_encoding::BASE64;
use milena_core::protocol::AnyMessage;
use milena_core::wire::{Event, Field, Visitor};
use serde_json::{Map, Value, json};

/// What becomes of values that may be passwords or keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// They are as all others: for comparing.
    Shown,
    /// They become the text `<secret>`: for all that is logged or stored.
    Hidden,
}

/// A message as JSON: names with a small first letter, bytes as base64, uuids as base64url, unknown tagged fields as
/// `_unknownTaggedFields`. Null if the message has no such version.
#[must_use]
pub fn to_json(message: &mut AnyMessage, version: i16, secrets: Secrets) -> Value {
    let mut builder = Builder { open: Vec::new(), done: Value::Null, secrets };
    message.visit(version, &mut builder);
    builder.done
}

struct Builder {
    /// The structs and arrays that have begun, outermost first.
    open: Vec<Value>,
    done: Value,
    secrets: Secrets,
}

impl Builder {
    fn put(&mut self, field: &Field, value: Value) {
        match self.open.last_mut() {
            Some(Value::Array(items)) => items.push(value),
            Some(Value::Object(fields)) => {
                let name = match field.name() {
                    "unknown_tagged_fields" => "_unknownTaggedFields".to_owned(),
                    name => camel(name),
                };
                fields.insert(name, value);
            }
            _ => self.done = value,
        }
    }
}

impl Visitor for Builder {
    fn event(&mut self, field: &'static Field, event: Event<'_>) {
        let value = match event {
            Event::BeginStruct => return self.open.push(Value::Object(Map::new())),
            Event::BeginArray(count) => return self.open.push(Value::Array(Vec::with_capacity(count))),
            Event::EndStruct | Event::EndArray => self.open.pop().unwrap_or_default(),
            Event::Null => Value::Null,
            _ if field.is_secret() && self.secrets == Secrets::Hidden => "<secret>".into(),
            Event::Bool(bool) => bool.into(),
            Event::Int(number) => number.into(),
            Event::Float(number) => number.into(),
            Event::Text(text) => text.into(),
            Event::Bytes(bytes) => BASE64.encode(bytes).into(),
            Event::Uuid(uuid) => uuid.to_string().into(),
            Event::Tags(fields) => {
                let tags = fields
                    .iter()
                    .map(|field| json!({ "tag": field.tag, "data": BASE64.encode(&field.data) }));
                tags.collect()
            }
        };
        self.put(field, value);
    }
}

/// `topic_data` to `topicData`.
fn camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for letter in name.chars() {
        match letter {
            '_' => upper = true,
            letter if upper => {
                camel.push(letter.to_ascii_uppercase());
                upper = false;
            }
            letter => camel.push(letter),
        }
    }
    camel
}

/// The first field in which two values differ, and how; `None` if they are the same.
///
/// The order of an object's fields does not count; a number is compared by its value, floats by every bit.
#[must_use]
pub fn difference(ours: &Value, theirs: &Value) -> Option<String> {
    let (path, ours, theirs) = first_difference(ours, theirs)?;
    let path = if path.is_empty() { "the message".to_owned() } else { format!("field {path}") };
    Some(format!("{path}: Milena has {}, Java has {}", brief(&ours), brief(&theirs)))
}

fn first_difference(ours: &Value, theirs: &Value) -> Option<(String, Value, Value)> {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let missing = theirs.keys().filter(|name| !ours.contains_key(*name));
            ours.keys().chain(missing).find_map(|name| {
                let absent = Value::String("no such field".to_owned());
                let (own, other) = (ours.get(name).unwrap_or(&absent), theirs.get(name).unwrap_or(&absent));
                let (path, own, other) = first_difference(own, other)?;
                let separator = if path.is_empty() || path.starts_with('[') { "" } else { "." };
                Some((format!("{name}{separator}{path}"), own, other))
            })
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            ours.iter().zip(theirs).enumerate().find_map(|(index, (own, other))| {
                let (path, own, other) = first_difference(own, other)?;
                let separator = if path.is_empty() { "" } else { "." };
                Some((format!("[{index}]{separator}{path}"), own, other))
            })
        }
        (Value::Number(own), Value::Number(other)) => {
            let bits = |number: &serde_json::Number| number.as_f64().map(f64::to_bits);
            let same = match (own.as_i64(), other.as_i64()) {
                (Some(own), Some(other)) => own == other,
                _ => bits(own) == bits(other),
            };
            (!same).then(|| (String::new(), ours.clone(), theirs.clone()))
        }
        _ => (ours != theirs).then(|| (String::new(), ours.clone(), theirs.clone())),
    }
}

/// A value that fits on a line.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named_by_its_path() {
        let ours = json!({ "a": [{ "b": 1, "c": null }], "d": "x" });
        assert_eq!(difference(&ours, &ours), None);
        let told = |theirs| difference(&ours, &theirs).unwrap_or_default();
        assert_eq!(
            told(json!({ "d": "x", "a": [{ "c": null, "b": 2 }] })),
            "field a[0].b: Milena has 1, Java has 2"
        );
        assert_eq!(
            told(json!({ "a": [{ "b": 1 }], "d": "x" })),
            r#"field a[0].c: Milena has null, Java has "no such field""#
        );
        assert_eq!(
            told(json!({ "a": [], "d": "x" })),
            r#"field a: Milena has [{"b":1,"c":null}], Java has []"#
        );
        assert_eq!(told(json!(7)), format!("the message: Milena has {ours}, Java has 7"));
    }

    #[test]
    fn numbers_are_compared_by_value() {
        let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(difference(&json!(5e-324), &parsed("4.9E-324")), None);
        assert_eq!(difference(&json!(0.0), &parsed("0")), None);
        assert!(difference(&json!(-0.0), &parsed("0.0")).is_some());
        assert!(difference(&json!(i64::MAX), &parsed("9223372036854775806")).is_some());
    }
}
