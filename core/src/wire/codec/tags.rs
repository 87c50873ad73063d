//! Tagged fields: behind a struct's other fields, known and unknown ones in one rising order.

use super::{Codec, Measured, Mode, Pass, Struct, Value};
use crate::wire::{Field, TaggedField, WireFault};
use std::mem;

impl Codec<'_> {
    /// Writes a tagged field. Its size comes before it, so it is measured first.
    pub(super) fn tagged(&mut self, field: &'static Field, value: &mut dyn Value) {
        let Some(tag) = field.tag else { return };
        let start = self.offset();
        let outer = mem::replace(&mut self.mode, Mode::Measure);
        let before = mem::replace(&mut self.measured, Measured { len: start, copied: 0 });
        value.code(self, field);
        let size = self.measured.len - start;
        (self.mode, self.measured) = (outer, before);
        self.put_unknown_tags(Some(tag));
        self.put_tag(tag, size);
        value.code(self, field);
    }

    pub(super) fn write_tags(&mut self, value: &mut dyn Struct) {
        let mut count = value.unknown_tagged_fields().len();
        if value.any_tagged() {
            self.enter(Pass::Count(0));
            value.walk(self);
            if let Pass::Count(known) = self.enter(Pass::Body) {
                count += known;
            }
        }
        self.put_uvarint(count);
        if count == 0 {
            return;
        }
        let unknown = mem::take(value.unknown_tagged_fields());
        self.enter(Pass::Write { unknown, next: 0, previous: None });
        if value.any_tagged() {
            value.walk(self);
        }
        self.put_unknown_tags(None);
        if let Pass::Write { unknown, .. } = self.enter(Pass::Body) {
            *value.unknown_tagged_fields() = unknown;
        }
    }

    /// Writes those unknown tagged fields that come before a known one, or all that are left.
    fn put_unknown_tags(&mut self, before: Option<u32>) {
        loop {
            let Pass::Write { unknown, next, .. } = &mut self.pass else { return };
            let Some(field) = unknown.get(*next).filter(|field| before.is_none_or(|tag| field.tag < tag))
            else {
                return;
            };
            let (tag, data) = (field.tag, field.data.clone());
            *next += 1;
            self.put_tag(tag, data.len());
            self.put(&data);
        }
    }

    fn put_tag(&mut self, tag: u32, size: usize) {
        if let Pass::Write { previous, .. } = &mut self.pass {
            match previous.replace(tag) {
                Some(previous) if tag <= previous => self.fail_tags(WireFault::TagOrder { tag, previous }),
                _ => {}
            }
        }
        self.put_uvarint(tag as usize);
        self.put_uvarint(size);
    }

    pub(super) fn read_tags(&mut self, value: &mut dyn Struct) {
        let mut previous = None;
        for _ in 0..self.uvarint() {
            let tag = self.uvarint();
            if let Some(previous) = previous
                && tag <= previous
            {
                self.fail_tags(WireFault::TagOrder { tag, previous });
            }
            previous = Some(tag);
            let size = self.uvarint() as usize;
            self.read_tag(value, tag, size);
            if self.error.is_some() {
                break;
            }
        }
        self.blame_tags();
    }

    fn read_tag(&mut self, value: &mut dyn Struct, tag: u32, size: usize) {
        let Some((own, behind)) = self.input.split_at_checked(size) else {
            return self.fail_truncated(size);
        };
        self.input = own;
        let mut known = false;
        if value.any_tagged() {
            self.enter(Pass::Read { tag, found: false });
            value.walk(self);
            known = matches!(self.enter(Pass::Body), Pass::Read { found: true, .. });
        }
        if self.error.is_none() && known {
            let used = size - self.input.len();
            if used != size {
                self.fail_tags(WireFault::TagSize { tag, size, used });
            }
        } else if let Some(data) = self.take(size) {
            value.unknown_tagged_fields().push(TaggedField { tag, data });
        }
        self.input = behind;
    }

    /// Fails at a struct's tagged fields.
    pub(super) fn fail_tags(&mut self, fault: WireFault) {
        self.fail(fault);
        self.blame_tags();
    }

    /// Puts the tagged fields' name to an error that has none.
    fn blame_tags(&mut self) {
        if let Some(error) = &mut self.error
            && error.field.is_empty()
        {
            error.field = "unknown_tagged_fields".to_owned();
        }
    }
}
