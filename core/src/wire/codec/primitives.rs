//! What values are made of: fixed-size numbers, lengths, text, bytes, arrays.

use super::{Codec, MAX_LENGTH, Mode, Quick};
use crate::wire::packed::Raw;
use crate::wire::{Event, Field, Str, WireFault, put_uvarint, read_uvarint, uvarint_len};
use bytes::Bytes;

/// The longest string there may be, in any version: its length is an int16 in the old form, and Kafka keeps
/// to that.
const MAX_STRING: usize = i16::MAX as usize;

/// Bytes below this length are copied into the frame: a segment of their own would cost more. The header of a
/// record batch alone is this long, so record data is never copied.
const MIN_SEGMENT: usize = 61;

/// The most memory an array's announced count reserves, in bytes, beside what the input has proven. Beyond it, the
/// array grows with its elements.
const MAX_RESERVATION: usize = 64 * 1024;

/// Bytes that an array may reserve for each byte of input that is left: structs take about four times their bytes
/// on the wire, and a large array is to be allocated once.
const PROVEN: usize = 8;

impl<'a> Codec<'a> {
    /// Takes so many bytes off the input, if they are there.
    #[inline(always)]
    pub(in crate::wire) fn quick_read<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.input.split_first_chunk()?;
        self.input = rest;
        Some(*bytes)
    }

    /// Writes bytes that are known to be few.
    #[inline(always)]
    pub(in crate::wire) fn quick_write<const N: usize>(&mut self, bytes: [u8; N]) {
        self.output.extend_from_slice(&bytes);
    }

    /// Counts bytes that are copied.
    #[inline(always)]
    pub(in crate::wire) fn quick_measure(&mut self, len: usize) {
        self.measured.len += len;
        self.measured.copied += len;
    }

    /// A value of a fixed number of bytes, which are replaced when decoding.
    #[inline(never)]
    pub(in crate::wire) fn fixed(&mut self, field: &'static Field, bytes: &mut [u8], event: Event<'_>) {
        match &mut self.mode {
            Mode::Visit(visitor) => visitor.event(field, event),
            Mode::Fill(supplier) => supplier.fixed(field, event, bytes),
            Mode::Decode => match self.input.split_at_checked(bytes.len()) {
                Some((input, rest)) => {
                    bytes.copy_from_slice(input);
                    self.input = rest;
                }
                None => self.fail_truncated(bytes.len()),
            },
            Mode::Measure | Mode::Encode => self.put(bytes),
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
        match &mut self.mode {
            Mode::Visit(visitor) => {
                return visitor.event(field, value.as_deref().map_or(Event::Null, Event::Text));
            }
            Mode::Fill(supplier) => {
                *value = supplier.text(field, may_be_null && field.is_nullable(self.version));
                return;
            }
            _ => {}
        }
        let len = self.length(field, value.as_ref().map(|text| text.len()), may_be_null, MAX_STRING);
        if !self.is_replacing() {
            if let Some(text) = value {
                self.put(text.as_bytes());
            }
            return;
        }
        *value = len.and_then(|len| match self.taken(len).map(|bytes| Str::from_utf8(self.share(bytes))) {
            Some(Ok(text)) => Some(text),
            Some(Err(_)) => {
                self.fail_before(len, WireFault::InvalidUtf8);
                None
            }
            None => None,
        });
    }

    pub(in crate::wire) fn bytes(
        &mut self,
        field: &'static Field,
        value: &mut Option<Bytes>,
        may_be_null: bool,
    ) {
        match &mut self.mode {
            Mode::Visit(visitor) => {
                return visitor.event(field, value.as_ref().map_or(Event::Null, Event::Bytes));
            }
            Mode::Fill(supplier) => {
                *value = supplier.bytes(field, may_be_null && field.is_nullable(self.version));
                return;
            }
            _ => {}
        }
        let len = self.length(field, value.as_ref().map(Bytes::len), may_be_null, MAX_LENGTH);
        match (&mut self.mode, &*value) {
            (Mode::Decode, _) => *value = len.and_then(|len| self.take(len)),
            (Mode::Measure, Some(bytes)) if bytes.len() >= MIN_SEGMENT => self.measured.len += bytes.len(),
            (Mode::Encode, Some(bytes)) if bytes.len() >= MIN_SEGMENT => {
                self.segments.push((self.output.len(), bytes.clone()));
            }
            (_, Some(bytes)) => self.put(bytes),
            (_, None) => {}
        }
    }

    /// An array of elements of one size, as its bytes.
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
        match (&mut self.mode, &*value) {
            (Mode::Decode, _) => {
                let remaining = self.input.len();
                match count.checked_mul(size).and_then(|len| self.input.split_at_checked(len)) {
                    Some((own, rest)) => {
                        *value = Some(Raw::read(self.frame, own));
                        self.input = rest;
                    }
                    None => self.fail(WireFault::ArrayTooLong { count, remaining }),
                }
            }
            (Mode::Fill(supplier), _) => {
                let mut bytes = vec![0; count * size];
                for element in bytes.chunks_exact_mut(size) {
                    supplier.fixed(field, event(element), element);
                }
                *value = Some(bytes.into());
            }
            (Mode::Visit(visitor), Some(raw)) => {
                raw.as_slice().chunks_exact(size).for_each(|element| visitor.event(field, event(element)));
                visitor.event(field, Event::EndArray);
            }
            (_, Some(raw)) => self.put(raw.as_slice()),
            (_, None) => {}
        }
    }

    /// A length below 127 in a flexible version, where it takes one byte; whether it was one.
    #[inline(always)]
    pub(in crate::wire) fn quick_bytes(&mut self, field: &'static Field, len: usize, bytes: &[u8]) -> bool {
        if !self.flexible || field.plain || len >= 127 {
            return false;
        }
        match self.quick {
            Quick::Encode => {
                self.output.push(len as u8 + 1);
                self.output.extend_from_slice(bytes);
                true
            }
            Quick::Measure => {
                self.quick_measure(1 + bytes.len());
                true
            }
            _ => false,
        }
    }

    /// Reads a short array of elements of one size into its place, in a flexible version, where its length takes
    /// one byte; whether it was one.
    #[inline(always)]
    pub(in crate::wire) fn quick_packed(&mut self, size: usize, place: &mut Raw) -> bool {
        let [length @ 1..0x80, ref rest @ ..] = *self.input else { return false };
        let len = usize::from(length - 1) * size;
        if !self.flexible || !place.read_in_place(rest, len) {
            return false;
        }
        self.input = &rest[len..];
        true
    }

    /// An array's count; `None` if it is null or the codec has failed.
    pub(in crate::wire) fn begin_array(
        &mut self,
        field: &'static Field,
        count: Option<usize>,
        may_be_null: bool,
    ) -> Option<usize> {
        match &mut self.mode {
            Mode::Visit(visitor) => {
                visitor.event(field, count.map_or(Event::Null, Event::BeginArray));
                return count;
            }
            Mode::Fill(supplier) => {
                return supplier.count(field, may_be_null && field.is_nullable(self.version));
            }
            _ => {}
        }
        let count = self.length(field, count, may_be_null, MAX_LENGTH)?;
        // No element takes less than a byte.
        if matches!(self.mode, Mode::Decode) && count > self.input.len() {
            let remaining = self.input.len();
            self.fail(WireFault::ArrayTooLong { count, remaining });
            return None;
        }
        Some(count)
    }

    pub(in crate::wire) fn end_array(&mut self, field: &'static Field) {
        if let Mode::Visit(visitor) = &mut self.mode {
            visitor.event(field, Event::EndArray);
        }
    }

    /// Elements to reserve room for at once, of so many bytes in memory, given the count a peer announces.
    pub(in crate::wire) fn reservation(&self, count: usize, element: usize) -> usize {
        count.min((MAX_RESERVATION + PROVEN * self.input.len()) / element.max(1))
    }

    /// The marker before a nullable struct; whether the struct follows.
    pub(in crate::wire) fn begin_nullable(&mut self, field: &'static Field, present: bool) -> bool {
        match &mut self.mode {
            Mode::Visit(visitor) => {
                if !present {
                    visitor.event(field, Event::Null);
                }
                return present;
            }
            Mode::Fill(supplier) if field.is_nullable(self.version) => return supplier.is_present(field),
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
        let before = self.input.len();
        let length = if compact {
            i64::from(self.uvarint()) - 1
        } else if limit == MAX_STRING {
            self.read().map_or(-1, i16::from_be_bytes).into()
        } else {
            self.read().map_or(-1, i32::from_be_bytes).into()
        };
        let used = before - self.input.len();
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
        match &mut self.mode {
            _ if self.error.is_some() => {}
            Mode::Measure => self.quick_measure(bytes.len()),
            Mode::Encode => self.output.extend_from_slice(bytes),
            Mode::Decode | Mode::Visit(_) | Mode::Fill(_) => {}
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
    #[inline]
    pub(super) fn uvarint(&mut self) -> u32 {
        match *self.input {
            [byte @ 0..0x80, ref rest @ ..] if self.error.is_none() => {
                self.input = rest;
                byte.into()
            }
            _ => self.long_uvarint(),
        }
    }

    fn long_uvarint(&mut self) -> u32 {
        if self.error.is_some() {
            return 0;
        }
        let mut input = self.input;
        match read_uvarint(&mut input) {
            Ok(value) => {
                self.input = input;
                value
            }
            Err(_) => {
                self.fail(WireFault::BadVarint);
                0
            }
        }
    }

    fn read<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.quick_read();
        if bytes.is_none() {
            self.fail_truncated(N);
        }
        bytes
    }

    /// Takes bytes off the input.
    fn taken(&mut self, len: usize) -> Option<&'a [u8]> {
        match self.input.split_at_checked(len) {
            Some((bytes, rest)) if self.error.is_none() => {
                self.input = rest;
                Some(bytes)
            }
            _ => {
                self.fail_truncated(len);
                None
            }
        }
    }

    /// Bytes of the input as a slice of the frame.
    fn share(&self, bytes: &'a [u8]) -> Bytes {
        self.frame.slice_ref(bytes)
    }

    /// Reads bytes as a slice of the frame.
    pub(super) fn take(&mut self, len: usize) -> Option<Bytes> {
        self.taken(len).map(|bytes| self.share(bytes))
    }
}
