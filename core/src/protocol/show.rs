//! How a message is printed: its fields that are not at their default, without secrets and without data.

use super::ErrorCode;
use crate::wire::{self, Event, Field, Struct, Visitor};
use std::fmt::{self, Write};

/// Prints a message or a struct for `Debug`, on one line.
///
/// Fields at their default are left out, bytes and records are told by their length, and what may be a password
/// or a key is not told at all.
pub(crate) fn show(name: &str, value: &mut dyn Struct, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{name} ")?;
    let mut printer = Printer { f, open: Vec::new(), result: Ok(()) };
    wire::visit_all(value, &mut printer);
    printer.result
}

struct Printer<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    /// The structs and arrays that are open, outermost first.
    open: Vec<Open>,
    result: fmt::Result,
}

struct Open {
    is_array: bool,
    is_empty: bool,
}

impl Printer<'_, '_> {
    fn print(&mut self, field: &'static Field, event: Event<'_>) -> fmt::Result {
        if let Event::EndStruct | Event::EndArray = event {
            return match self.open.pop() {
                Some(Open { is_array: true, .. }) => self.f.write_char(']'),
                Some(Open { is_empty: true, .. }) => self.f.write_str("{}"),
                _ => self.f.write_str(" }"),
            };
        }
        if let Some(open) = self.open.last_mut() {
            self.f.write_str(match (open.is_empty, open.is_array) {
                (true, true) => "",
                (true, false) => "{ ",
                (false, _) => ", ",
            })?;
            open.is_empty = false;
            if !open.is_array {
                write!(self.f, "{}: ", field.name())?;
            }
        }
        match event {
            Event::BeginStruct => self.open.push(Open { is_array: false, is_empty: true }),
            Event::BeginArray(_) => {
                self.open.push(Open { is_array: true, is_empty: true });
                self.f.write_char('[')?;
            }
            Event::EndStruct | Event::EndArray => {}
            _ if field.is_secret() => self.f.write_str("<secret>")?,
            Event::Null => self.f.write_str("null")?,
            Event::Bool(value) => write!(self.f, "{value}")?,
            Event::Int(value) => match i16::try_from(value) {
                Ok(code) if field.name().ends_with("error_code") => write!(self.f, "{}", ErrorCode(code))?,
                _ => write!(self.f, "{value}")?,
            },
            Event::Float(value) => write!(self.f, "{value:?}")?,
            Event::Text(text) => write!(self.f, "{text:?}")?,
            Event::Bytes(bytes) => write!(self.f, "<{} bytes>", bytes.len())?,
            Event::Uuid(uuid) => write!(self.f, "{uuid}")?,
            Event::Tags(fields) => {
                self.f.write_char('[')?;
                for (index, field) in fields.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(self.f, "{comma}{}: <{} bytes>", field.tag, field.data.len())?;
                }
                self.f.write_char(']')?;
            }
        }
        Ok(())
    }
}

impl Visitor for Printer<'_, '_> {
    fn event(&mut self, field: &'static Field, event: Event<'_>) {
        if self.result.is_ok() {
            self.result = self.print(field, event);
        }
    }
}
