//! The one codec: every message states its fields once, and the codec decides what that does.
//!
//! * A [`Codec`] has a direction (measure, encode, decode, visit, fill) and a version. Fields come to it one by one,
//!   in the order of the specification; it passes over those the version does not have.
//! * Its methods are outlined and not generic: a message adds a call per field to the program, not a copy of
//!   this.
//! * The first fault sticks: after it every call does nothing, so that field lists need no error handling.
//! * In a flexible version a struct with tagged fields is walked again for those, because the wire has them
//!   last: to count and to write them, or once for each tag that is read.

mod primitives;
mod tags;

use super::{Event, Field, Frame, Struct, Supplier, TaggedField, Value, Visitor, WireError, WireFault};
use bytes::{BufMut, Bytes, BytesMut};
use std::mem;

/// The longest bytes and arrays there may be: their length is an int32 in the old form.
const MAX_LENGTH: usize = i32::MAX as usize;

/// The version in which a visitor is told every field there is, for what prints a message without knowing its
/// version.
const EVERY_VERSION: i16 = i16::MIN;

/// What a codec needs to know of a message: its name and its versions.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The message's name, for errors.
    pub name: &'static str,
    /// The oldest version.
    pub first: i16,
    /// The newest version.
    pub last: i16,
    /// The first version with compact lengths and tagged fields.
    pub flexible: i16,
}

/// Measures, encodes, decodes, visits or fills one message in one version.
#[derive(Debug)]
pub struct Codec<'a> {
    direction: Direction<'a>,
    shape: Shape,
    version: i16,
    flexible: bool,
    pass: Pass,
    error: Option<WireError>,
}

enum Direction<'a> {
    Measure(Measured),
    Encode(Encoding),
    Decode(Decoding<'a>),
    Visit(&'a mut dyn Visitor),
    Fill(&'a mut dyn Supplier),
}

impl std::fmt::Debug for Direction<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Measure(_) => "Measure",
            Self::Encode(_) => "Encode",
            Self::Decode(_) => "Decode",
            Self::Visit(_) => "Visit",
            Self::Fill(_) => "Fill",
        })
    }
}

/// What [`measure`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Bytes in all.
    pub len: usize,
    /// Bytes that are not segments of their own.
    pub copied: usize,
}

#[derive(Default)]
struct Encoding {
    segments: Vec<Bytes>,
    buffer: BytesMut,
}

struct Decoding<'a> {
    frame: &'a Bytes,
    at: usize,
    /// Where the tagged field ends that is being read, or else the frame.
    end: usize,
}

/// Which of a struct's fields the codec is after.
#[derive(Debug)]
enum Pass {
    /// All that are not tagged.
    Body,
    /// How many tagged fields there are to write.
    Count(usize),
    /// The tagged fields, with the unknown ones merged in.
    Write { unknown: Vec<TaggedField>, next: usize, previous: Option<u32> },
    /// The tagged field of this tag.
    Read { tag: u32, found: bool },
}

/// What to do with a field.
#[derive(PartialEq)]
enum Step {
    Skip,
    Code,
    /// It depends on whether the field has its default value.
    Ask,
    CodeTagged,
}

/// Bytes a message takes in `version`, without a header.
///
/// # Errors
///
/// Those of encoding it.
pub fn measure(message: &mut dyn Struct, shape: Shape, version: i16) -> Result<Measured, WireError> {
    let mut codec = Codec::new(Direction::Measure(Measured::default()), shape, version)?;
    codec.structure(Field::MESSAGE, message);
    match (codec.error, codec.direction) {
        (Some(error), _) => Err(error),
        (None, Direction::Measure(measured)) => Ok(measured),
        (None, _) => unreachable!("a codec keeps its direction"),
    }
}

/// A message's bytes, without a header: segments to be written one after the other.
///
/// # Errors
///
/// A value that `version` cannot say.
pub fn encode(message: &mut dyn Struct, shape: Shape, version: i16) -> Result<Vec<Bytes>, WireError> {
    encode_all(&mut [(message, shape, version)], false)
}

/// Replaces `message`, which must be a fresh default, by what `frame` holds from byte `at`, and tells where
/// it ends.
///
/// # Errors
///
/// The bytes are not this message.
pub fn decode(
    message: &mut dyn Struct,
    shape: Shape,
    version: i16,
    frame: &Bytes,
    at: usize,
) -> Result<usize, WireError> {
    let decoding = Decoding { frame, at: at.min(frame.len()), end: frame.len() };
    let mut codec = Codec::new(Direction::Decode(decoding), shape, version)?;
    codec.structure(Field::MESSAGE, message);
    match (codec.error, codec.direction) {
        (Some(error), _) => Err(error),
        (None, Direction::Decode(decoding)) => Ok(decoding.at),
        (None, _) => unreachable!("a codec keeps its direction"),
    }
}

/// Tells a visitor every field that the message has in `version`; nothing if there is no such version.
pub fn visit(message: &mut dyn Struct, shape: Shape, version: i16, visitor: &mut dyn Visitor) {
    if let Ok(mut codec) = Codec::new(Direction::Visit(visitor), shape, version) {
        codec.structure(Field::MESSAGE, message);
    }
}

/// Tells a visitor every field of a message or a struct that is not at its default, whichever versions have it.
pub fn visit_all(value: &mut dyn Struct, visitor: &mut dyn Visitor) {
    let shape = Shape { name: "", first: EVERY_VERSION, last: EVERY_VERSION, flexible: EVERY_VERSION };
    visit(value, shape, EVERY_VERSION, visitor);
}

/// Gives `message`, which must be a fresh default, the values of a supplier for what it has in `version`.
///
/// # Errors
///
/// There is no such version.
pub fn fill(
    message: &mut dyn Struct,
    shape: Shape,
    version: i16,
    supplier: &mut dyn Supplier,
) -> Result<(), WireError> {
    let mut codec = Codec::new(Direction::Fill(supplier), shape, version)?;
    codec.structure(Field::MESSAGE, message);
    codec.error.map_or(Ok(()), Err)
}

impl Frame {
    /// Encodes messages, each with its shape and version, into one frame.
    pub(crate) fn of(messages: &mut [(&mut dyn Struct, Shape, i16)]) -> Result<Self, WireError> {
        encode_all(messages, true).map(Self::new)
    }
}

fn encode_all(
    messages: &mut [(&mut dyn Struct, Shape, i16)],
    prefixed: bool,
) -> Result<Vec<Bytes>, WireError> {
    let mut total = Measured::default();
    for (message, shape, version) in messages.iter_mut() {
        let measured = measure(*message, *shape, *version)?;
        total.len += measured.len;
        total.copied += measured.copied;
        if total.len > MAX_LENGTH {
            let fault = WireFault::TooLong { length: total.len, limit: MAX_LENGTH };
            let (message, version) = (shape.name, *version);
            return Err(WireError { message, version, field: String::new(), offset: 0, fault });
        }
    }
    let mut encoding = Encoding::default();
    if prefixed {
        encoding.buffer.reserve(size_of::<i32>() + total.copied);
        encoding.buffer.put_i32(total.len as i32);
    } else {
        encoding.buffer.reserve(total.copied);
    }
    for (message, shape, version) in messages.iter_mut() {
        let mut codec = Codec::new(Direction::Encode(encoding), *shape, *version)?;
        codec.structure(Field::MESSAGE, *message);
        encoding = match (codec.error, codec.direction) {
            (Some(error), _) => return Err(error),
            (None, Direction::Encode(encoding)) => encoding,
            (None, _) => unreachable!("a codec keeps its direction"),
        };
    }
    if !encoding.buffer.is_empty() {
        encoding.segments.push(encoding.buffer.freeze());
    }
    Ok(encoding.segments)
}

impl<'a> Codec<'a> {
    fn new(direction: Direction<'a>, shape: Shape, version: i16) -> Result<Self, WireError> {
        let known = shape.first..=shape.last;
        let flexible = version >= shape.flexible;
        let mut codec = Self { direction, shape, version, flexible, pass: Pass::Body, error: None };
        if !known.contains(&version) {
            codec.fail(WireFault::UnknownVersion { known });
        }
        match codec.error.take() {
            Some(error) => Err(error),
            None => Ok(codec),
        }
    }

    /// One line of a message's field list: codes the value if this version has the field, and now is its
    /// turn.
    #[inline(never)]
    pub fn field(&mut self, field: &'static Field, value: &mut dyn Value) {
        if self.error.is_some() {
            return;
        }
        let mut step = self.step(field);
        if step == Step::Ask {
            step = self.asked(field, value.is_initial(field));
        }
        match step {
            Step::Code => value.code(self, field),
            Step::CodeTagged => self.tagged(field, value),
            Step::Skip | Step::Ask => {}
        }
        if let Some(error) = &mut self.error {
            let separator = if error.field.is_empty() || error.field.starts_with('[') { "" } else { "." };
            error.field = format!("{}{separator}{}", field.name, error.field);
        }
    }

    fn step(&mut self, field: &'static Field) -> Step {
        let present = field.versions.contain(self.version) || self.version == EVERY_VERSION;
        match (&mut self.pass, field.tag) {
            (Pass::Body, _) if self.version == EVERY_VERSION => Step::Ask,
            (Pass::Body, None) if present => Step::Code,
            (Pass::Body, Some(_)) if present => match &mut self.direction {
                Direction::Visit(_) => Step::Ask,
                Direction::Fill(supplier) => match supplier.is_present(field) {
                    true => Step::Code,
                    false => Step::Skip,
                },
                _ => Step::Skip,
            },
            (Pass::Body, _) => match self.direction {
                Direction::Measure(_) | Direction::Encode(_) if !field.ignorable => Step::Ask,
                _ => Step::Skip,
            },
            (Pass::Read { tag, found }, Some(known)) if present && known == *tag => {
                *found = true;
                Step::Code
            }
            (Pass::Count(_) | Pass::Write { .. }, Some(_)) if present => Step::Ask,
            _ => Step::Skip,
        }
    }

    fn asked(&mut self, field: &Field, initial: bool) -> Step {
        if initial {
            return Step::Skip;
        }
        if !field.versions.contain(self.version) && self.version != EVERY_VERSION {
            self.fail(WireFault::NotInVersion);
            return Step::Skip;
        }
        match &mut self.pass {
            Pass::Count(count) => {
                *count += 1;
                Step::Skip
            }
            Pass::Write { .. } => Step::CodeTagged,
            Pass::Body | Pass::Read { .. } => Step::Code,
        }
    }

    /// A struct: its fields and, in flexible versions, its tagged fields.
    #[inline(never)]
    pub(super) fn structure(&mut self, field: &'static Field, value: &mut dyn Struct) {
        if let Direction::Visit(visitor) = &mut self.direction {
            visitor.event(field, Event::BeginStruct);
        }
        let outer = mem::replace(&mut self.pass, Pass::Body);
        value.walk(self);
        if self.error.is_none() {
            match &mut self.direction {
                Direction::Visit(visitor) => {
                    let unknown = value.unknown_tagged_fields();
                    if self.flexible && !unknown.is_empty() {
                        visitor.event(Field::UNKNOWN_TAGGED_FIELDS, Event::Tags(unknown));
                    }
                    visitor.event(field, Event::EndStruct);
                }
                Direction::Fill(supplier) if self.flexible => {
                    *value.unknown_tagged_fields() = supplier.unknown_tagged_fields();
                }
                Direction::Decode(_) if self.flexible => self.read_tags(value),
                Direction::Decode(_) | Direction::Fill(_) => {}
                _ if self.flexible => self.write_tags(value),
                _ if !value.unknown_tagged_fields().is_empty() => self.fail_tags(WireFault::NotInVersion),
                _ => {}
            }
        }
        self.pass = outer;
    }

    /// Whether values are replaced, by what is decoded or supplied.
    pub(super) fn is_replacing(&self) -> bool {
        matches!(self.direction, Direction::Decode(_) | Direction::Fill(_))
    }

    /// Whether an array's element has failed, and if so puts its index into the error.
    pub(super) fn failed_in_element(&mut self, index: usize) -> bool {
        if let Some(error) = &mut self.error {
            let separator = if error.field.is_empty() { "" } else { "." };
            error.field = format!("[{index}]{separator}{}", error.field);
        }
        self.error.is_some()
    }

    fn offset(&self) -> usize {
        match &self.direction {
            Direction::Measure(measured) => measured.len,
            Direction::Encode(encoding) => {
                encoding.segments.iter().map(Bytes::len).sum::<usize>() + encoding.buffer.len()
            }
            Direction::Decode(decoding) => decoding.at,
            Direction::Visit(_) | Direction::Fill(_) => 0,
        }
    }

    fn fail(&mut self, fault: WireFault) {
        self.fail_before(0, fault);
    }

    /// Fails at a value that has just been read in so many bytes.
    #[cold]
    fn fail_before(&mut self, bytes: usize, fault: WireFault) {
        if self.error.is_none() {
            let (message, version) = (self.shape.name, self.version);
            let offset = self.offset().saturating_sub(bytes);
            self.error = Some(WireError { message, version, field: String::new(), offset, fault });
        }
    }

    fn fail_truncated(&mut self, needed: usize) {
        let remaining = match &self.direction {
            Direction::Decode(decoding) => decoding.end - decoding.at,
            _ => 0,
        };
        self.fail(WireFault::Truncated { needed, remaining });
    }
}

/// Fails if bytes are left over after a message that ends at `end`.
///
/// # Errors
///
/// [`WireFault::TrailingBytes`].
pub(crate) fn finish(shape: Shape, version: i16, frame: &Bytes, end: usize) -> Result<(), WireError> {
    match frame.len() - end {
        0 => Ok(()),
        count => {
            let fault = WireFault::TrailingBytes { count };
            Err(WireError { message: shape.name, version, field: String::new(), offset: end, fault })
        }
    }
}
