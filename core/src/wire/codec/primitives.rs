//! What values are made of: fixed-size numbers, lengths, text, bytes, arrays.

use super::{Codec, Direction, MAX_LENGTH};
use crate::wire::packed::Raw;
use crate::wire::{Event, Field, Str, WireFault, put_uvarint, read_uvarint, uvarint_len};
use bytes::{Buf, BufMut, Bytes};

/// The longest string there may be, in any version: its length is an int16 in the old form, and Kafka keeps
/// to that.
const MAX_STRING: usize = i16::MAX as usize;

/// Bytes below this length are copied into the frame: a segment of their own would cost more. The header of a
/// record batch alone is this long, so record data is never copied.
const MIN_SEGMENT: usize = 61;

/// The most memory an array's announced count reserves, in bytes. Beyond it, the array grows with its
/// elements.
const MAX_RESERVATION: usize = 64 * 1024;

impl Codec<'_> {
    /// A value of a fixed number of bytes, which are replaced when decoding.
    #[inline(never)]
    pub(in crate::wire) fn fixed(&mut self, field: &'static Field, bytes: &mut [u8], event: Event<'_>) {
        match &mut self.direction {
            Direction::Visit(visitor) => visitor.event(field, event),
            Direction::Fill(supplier) => supplier.fixed(field, event, bytes),
            Direction::Decode(decoding) => match decoding.frame[decoding.at..decoding.end].get(..bytes.len())
            {
                Some(input) => {
                    bytes.copy_from_slice(input);
                    decoding.at += bytes.len();
                }
                None => self.fail_truncated(bytes.len()),
            },
            _ => self.put(bytes),
        }
    }

    pub(in crate::wire) fn boolean(&mut self, field: &'static Field, value: &mut bool) {
        let mut byte = [u8::from(*value)];
        self.fixed(field, &mut byte, Event::Bool(*value));
        match byte[0] {
            other @ 2.. => self.fail_before(1, WireFault::InvalidBool(other)),
            byte => *value = byte == 1,
        }
    }

    pub(in crate::wire) fn text(
        &mut self,
        field: &'static Field,
        value: &mut Option<Str>,
        may_be_null: bool,
    ) {
        match &mut self.direction {
            Direction::Visit(visitor) => {
                return visitor.event(field, value.as_deref().map_or(Event::Null, Event::Text));
            }
            Direction::Fill(supplier) => {
                *value = supplier.text(field, may_be_null && field.is_nullable(self.version));
                return;
            }
            _ => {}
        }
        let len = self.length(field, value.as_ref().map(|text| text.len()), may_be_null, MAX_STRING);
        let Direction::Decode(decoding) = &mut self.direction else {
            if let Some(text) = value {
                self.put(text.as_bytes());
            }
            return;
        };
        *value = None;
        let Some(len) = len else { return };
        if len > decoding.end - decoding.at {
            return self.fail_truncated(len);
        }
        match Str::from_utf8(decoding.frame.slice(decoding.at..decoding.at + len)) {
            Ok(text) => {
                *value = Some(text);
                decoding.at += len;
            }
            Err(_) => self.fail(WireFault::InvalidUtf8),
        }
    }

    pub(in crate::wire) fn bytes(
        &mut self,
        field: &'static Field,
        value: &mut Option<Bytes>,
        may_be_null: bool,
    ) {
        match &mut self.direction {
            Direction::Visit(visitor) => {
                return visitor.event(field, value.as_ref().map_or(Event::Null, Event::Bytes));
            }
            Direction::Fill(supplier) => {
                *value = supplier.bytes(field, may_be_null && field.is_nullable(self.version));
                return;
            }
            _ => {}
        }
        let len = self.length(field, value.as_ref().map(Bytes::len), may_be_null, MAX_LENGTH);
        match (&mut self.direction, &*value) {
            (Direction::Decode(_), _) => *value = len.and_then(|len| self.take(len)),
            (Direction::Measure(measured), Some(bytes)) if bytes.len() >= MIN_SEGMENT => {
                measured.len += bytes.len()
            }
            (Direction::Encode(encoding), Some(bytes)) if bytes.len() >= MIN_SEGMENT => {
                encoding.segments.push(encoding.buffer.split().freeze());
                encoding.segments.push(bytes.clone());
            }
            (_, Some(bytes)) => self.put(bytes),
            (_, None) => {}
        }
    }

    /// An array of elements of one size, as its bytes.
    #[inline(never)]
    pub(in crate::wire) fn packed(
        &mut self,
        field: &'static Field,
        value: &mut Option<Raw>,
        size: usize,
        may_be_null: bool,
        event: fn(&[u8]) -> Event<'static>,
    ) {
        let count = value.as_ref().map(|raw| raw.as_slice().len() / size);
        let Some(count) = self.begin_array(field, count, may_be_null) else {
            if self.is_replacing() {
                *value = None;
            }
            return;
        };
        match (&mut self.direction, &*value) {
            (Direction::Decode(decoding), _) => {
                let remaining = decoding.end - decoding.at;
                match count.checked_mul(size).filter(|len| *len <= remaining) {
                    Some(len) => {
                        *value = Some(Raw::slice(decoding.frame, decoding.at, len));
                        decoding.at += len;
                    }
                    None => self.fail(WireFault::ArrayTooLong { count, remaining }),
                }
            }
            (Direction::Fill(supplier), _) => {
                let mut bytes = vec![0; count * size];
                for element in bytes.chunks_exact_mut(size) {
                    supplier.fixed(field, event(element), element);
                }
                *value = Some(bytes.into());
            }
            (Direction::Visit(visitor), Some(raw)) => {
                raw.as_slice().chunks_exact(size).for_each(|element| visitor.event(field, event(element)));
                visitor.event(field, Event::EndArray);
            }
            (_, Some(raw)) => self.put(raw.as_slice()),
            (_, None) => {}
        }
    }

    /// An array's count; `None` if it is null or the codec has failed.
    pub(in crate::wire) fn begin_array(
        &mut self,
        field: &'static Field,
        count: Option<usize>,
        may_be_null: bool,
    ) -> Option<usize> {
        match &mut self.direction {
            Direction::Visit(visitor) => {
                visitor.event(field, count.map_or(Event::Null, Event::BeginArray));
                return count;
            }
            Direction::Fill(supplier) => {
                return supplier.count(field, may_be_null && field.is_nullable(self.version));
            }
            _ => {}
        }
        let count = self.length(field, count, may_be_null, MAX_LENGTH)?;
        if let Direction::Decode(decoding) = &self.direction {
            // No element takes less than a byte.
            let remaining = decoding.end - decoding.at;
            if count > remaining {
                self.fail(WireFault::ArrayTooLong { count, remaining });
                return None;
            }
        }
        Some(count)
    }

    pub(in crate::wire) fn end_array(&mut self, field: &'static Field) {
        if let Direction::Visit(visitor) = &mut self.direction {
            visitor.event(field, Event::EndArray);
        }
    }

    /// Elements to reserve room for at once, of so many bytes in memory, given the count a peer announces.
    pub(in crate::wire) fn reservation(&self, count: usize, element: usize) -> usize {
        count.min(MAX_RESERVATION / element.max(1))
    }

    /// The marker before a nullable struct; whether the struct follows.
    pub(in crate::wire) fn begin_nullable(&mut self, field: &'static Field, present: bool) -> bool {
        match &mut self.direction {
            Direction::Visit(visitor) => {
                if !present {
                    visitor.event(field, Event::Null);
                }
                return present;
            }
            Direction::Fill(supplier) if field.is_nullable(self.version) => {
                return supplier.is_present(field);
            }
            _ => {}
        }
        if !field.is_nullable(self.version) {
            if !present && !self.is_replacing() {
                self.fail(WireFault::UnexpectedNull);
            }
            return self.error.is_none();
        }
        let mut marker = [if present { 1 } else { -1i8 as u8 }];
        self.fixed(field, &mut marker, Event::Null);
        match marker[0] as i8 {
            1 => self.error.is_none(),
            -1 => false,
            other => {
                self.fail_before(1, WireFault::InvalidMarker(other));
                false
            }
        }
    }

    /// The length before a string, bytes or an array; `None` if the value is null or the codec has failed.
    fn length(
        &mut self,
        field: &'static Field,
        len: Option<usize>,
        may_be_null: bool,
        limit: usize,
    ) -> Option<usize> {
        let may_be_null = may_be_null && field.is_nullable(self.version);
        let compact = self.flexible && !field.plain;
        if self.is_replacing() {
            return self.read_length(compact, may_be_null, limit);
        }
        match len {
            None if !may_be_null => self.fail(WireFault::UnexpectedNull),
            Some(length) if length > limit => self.fail(WireFault::TooLong { length, limit }),
            _ if compact => self.put_uvarint(len.map_or(0, |len| len + 1)),
            _ if limit == MAX_STRING => self.put(&len.map_or(-1, |len| len as i16).to_be_bytes()),
            _ => self.put(&len.map_or(-1, |len| len as i32).to_be_bytes()),
        }
        len.filter(|_| self.error.is_none())
    }

    fn read_length(&mut self, compact: bool, may_be_null: bool, limit: usize) -> Option<usize> {
        let start = self.offset();
        let length = if compact {
            i64::from(self.uvarint()) - 1
        } else if limit == MAX_STRING {
            self.read().map_or(-1, i16::from_be_bytes).into()
        } else {
            self.read().map_or(-1, i32::from_be_bytes).into()
        };
        let used = self.offset() - start;
        match usize::try_from(length) {
            _ if self.error.is_some() => None,
            Ok(length) if length <= limit => Some(length),
            Ok(length) => {
                self.fail_before(used, WireFault::TooLong { length, limit });
                None
            }
            Err(_) if length < -1 => {
                self.fail_before(used, WireFault::NegativeLength(length as i32));
                None
            }
            Err(_) if !may_be_null => {
                self.fail_before(used, WireFault::UnexpectedNull);
                None
            }
            Err(_) => None,
        }
    }

    /// Writes bytes, or counts them.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        match &mut self.direction {
            _ if self.error.is_some() => {}
            Direction::Measure(measured) => {
                measured.len += bytes.len();
                measured.copied += bytes.len();
            }
            Direction::Encode(encoding) => encoding.buffer.put_slice(bytes),
            Direction::Decode(_) | Direction::Visit(_) | Direction::Fill(_) => {}
        }
    }

    pub(super) fn put_uvarint(&mut self, value: usize) {
        // Every value is bounded well below 32 bits: tags by their type, lengths by `length`, sizes by the
        // frame.
        let value = value as u32;
        let mut bytes = [0; 5];
        put_uvarint(&mut &mut bytes[..], value);
        self.put(&bytes[..uvarint_len(value)]);
    }

    /// Reads an unsigned varint; 0 if the codec has failed.
    pub(super) fn uvarint(&mut self) -> u32 {
        let Direction::Decode(decoding) = &mut self.direction else { return 0 };
        if self.error.is_some() {
            return 0;
        }
        let mut input = &decoding.frame[decoding.at..decoding.end];
        match read_uvarint(&mut input) {
            Ok(value) => {
                decoding.at = decoding.end - input.remaining();
                value
            }
            Err(_) => {
                self.fail(WireFault::BadVarint);
                0
            }
        }
    }

    fn read<const N: usize>(&mut self) -> Option<[u8; N]> {
        let Direction::Decode(decoding) = &mut self.direction else { return None };
        let bytes = decoding.frame[decoding.at..decoding.end].first_chunk().copied();
        match bytes {
            Some(_) => decoding.at += N,
            None => self.fail_truncated(N),
        }
        bytes
    }

    /// Reads bytes as a slice of the frame.
    pub(super) fn take(&mut self, len: usize) -> Option<Bytes> {
        match &mut self.direction {
            Direction::Decode(decoding) if self.error.is_none() && len <= decoding.end - decoding.at => {
                let start = decoding.at;
                decoding.at += len;
                Some(decoding.frame.slice(start..start + len))
            }
            _ => {
                self.fail_truncated(len);
                None
            }
        }
    }
}
