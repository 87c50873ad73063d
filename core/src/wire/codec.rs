//! The one codec: every message states its fields once, and the codec decides what that does.
//!
//! * A [`Codec`] has a mode (measure, encode, decode, visit, fill) and a version. Fields come to it one by one,
//!   in the order of the specification; it passes over those the version does not have.
//! * Its methods are outlined and not generic: a message adds a call per field to the program, not a copy of
//!   this. What nearly every field is, of this version and not tagged, in a message that is being decoded, encoded or
//!   measured, is done by each type's own [`Value::field`] in a few instructions ([`Quick`]); the rest comes here.
//! * The first fault sticks: after it every call does nothing, so that field lists need no error handling.
//! * In a flexible version a struct with tagged fields is walked again for those, because the wire has them
//!   last: to count and to write them, or once for each tag that is read.

mod primitives;
mod tags;

use super::{Event, Field, Frame, Supplier, TaggedField, Visitor, WireError, WireFault};
use bytes::{BufMut, Bytes};
use std::fmt;
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

/// A type that a field can have.
pub trait Value {
    /// The value of a field that is absent.
    fn initial(field: &Field) -> Self
    where
        Self: Sized;

    /// Whether it is the value of a field that is absent.
    fn is_initial(&self, field: &Field) -> bool;

    /// Does with the value what the codec does: measures, encodes, visits, or replaces it by what it decodes.
    fn code(&mut self, codec: &mut Codec<'_>, field: &'static Field);

    /// One line of a struct's field list: [`code`](Self::code) if the codec's version has the field and now is its
    /// turn.
    fn field(&mut self, codec: &mut Codec<'_>, field: &'static Field)
    where
        Self: Sized,
    {
        match codec.quick(field) {
            Quick::Skip => {}
            Quick::No => codec.field(field, self),
            Quick::Measure | Quick::Encode | Quick::Decode => {
                self.code(codec, field);
                codec.blame(field);
            }
        }
    }
}

/// A message, or a struct in one: a list of fields.
pub trait Struct: fmt::Debug {
    /// Calls [`Value::field`] of every field, in the order of its specification.
    fn walk(&mut self, codec: &mut Codec<'_>);

    /// Whether any of its fields is tagged.
    fn any_tagged(&self) -> bool;

    /// Tagged fields this release has no name for, by rising tag.
    fn unknown_tagged_fields(&mut self) -> &mut Vec<TaggedField>;

    /// How long the broker asks its client to pause, in ms; 0 in structs that don't say.
    fn throttle_time_ms(&self) -> i32;

    /// Has the client pause, where the struct can say so.
    fn set_throttle_time_ms(&mut self, time_ms: i32);
}

/// Measures, encodes, decodes, visits or fills one message in one version.
pub struct Codec<'a> {
    mode: Mode<'a>,
    quick: Quick,
    flexible: bool,
    version: i16,
    /// Decoding: what is left of the frame, or of the tagged field that is being read.
    input: &'a [u8],
    frame: &'a Bytes,
    /// Encoding: all bytes but those of segments.
    output: Vec<u8>,
    /// Encoding: segments, each with its place in the output.
    segments: Vec<(usize, Bytes)>,
    measured: Measured,
    pass: Pass,
    error: Option<Box<WireError>>,
    shape: Shape,
}

enum Mode<'a> {
    Measure,
    Encode,
    Decode,
    Visit(&'a mut dyn Visitor),
    Fill(&'a mut dyn Supplier),
}

/// What a field of the body may do by itself, without asking anything else: all is well and nothing is special.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Quick {
    Measure,
    Encode,
    Decode,
    /// There is nothing to do: the body does not have it, and nothing would be lost.
    Skip,
    /// It has to go through [`Codec::field`].
    No,
}

impl fmt::Debug for Codec<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            Mode::Measure => "Measure",
            Mode::Encode => "Encode",
            Mode::Decode => "Decode",
            Mode::Visit(_) => "Visit",
            Mode::Fill(_) => "Fill",
        };
        write!(f, "Codec({mode} {} version {}, byte {})", self.shape.name, self.version, self.offset())
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
    let mut codec = Codec::new(Mode::Measure, shape, version);
    codec.message(message)?;
    Ok(codec.measured)
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
    let mut codec = Codec::new(Mode::Decode, shape, version);
    codec.frame = frame;
    codec.input = &frame[at.min(frame.len())..];
    codec.message(message)?;
    Ok(codec.offset())
}

/// Tells a visitor every field that the message has in `version`; nothing if there is no such version.
pub fn visit(message: &mut dyn Struct, shape: Shape, version: i16, visitor: &mut dyn Visitor) {
    // The only fault there can be is a version that is not there.
    let _ = Codec::new(Mode::Visit(visitor), shape, version).message(message);
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
    Codec::new(Mode::Fill(supplier), shape, version).message(message)
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
    let mut output = Vec::with_capacity(total.copied + if prefixed { size_of::<i32>() } else { 0 });
    if prefixed {
        output.put_i32(total.len as i32);
    }
    let mut segments = Vec::new();
    for (message, shape, version) in messages.iter_mut() {
        let mut codec = Codec::new(Mode::Encode, *shape, *version);
        (codec.output, codec.segments) = (output, segments);
        codec.message(*message)?;
        (output, segments) = (codec.output, codec.segments);
    }
    let output = Bytes::from(output);
    let mut all = Vec::with_capacity(2 * segments.len() + 1);
    let mut written = 0;
    for (at, segment) in segments {
        all.extend([output.slice(written..at), segment]);
        written = at;
    }
    if written < output.len() {
        all.push(output.slice(written..));
    }
    Ok(all)
}

static NO_FRAME: Bytes = Bytes::new();

impl<'a> Codec<'a> {
    #[inline]
    fn new(mode: Mode<'a>, shape: Shape, version: i16) -> Self {
        let mut codec = Self {
            mode,
            quick: Quick::No,
            flexible: version >= shape.flexible,
            version,
            input: &[],
            frame: &NO_FRAME,
            output: Vec::new(),
            segments: Vec::new(),
            measured: Measured::default(),
            pass: Pass::Body,
            error: None,
            shape,
        };
        codec.settle();
        codec
    }

    /// The message as a whole, if it has the version.
    fn message(&mut self, message: &mut dyn Struct) -> Result<(), WireError> {
        let known = self.shape.first..=self.shape.last;
        if known.contains(&self.version) {
            self.structure(Field::MESSAGE, message);
        } else {
            self.fail(WireFault::UnknownVersion { known });
        }
        match self.error.take() {
            None => Ok(()),
            Some(error) => Err(*error),
        }
    }

    /// Renews what follows from mode, pass and error.
    fn settle(&mut self) {
        self.quick = match (&self.mode, &self.pass, &self.error) {
            (Mode::Measure, Pass::Body, None) => Quick::Measure,
            (Mode::Encode, Pass::Body, None) => Quick::Encode,
            (Mode::Decode, Pass::Body, None) => Quick::Decode,
            _ => Quick::No,
        };
    }

    fn enter(&mut self, pass: Pass) -> Pass {
        let outer = mem::replace(&mut self.pass, pass);
        self.settle();
        outer
    }

    /// What the field may do by itself.
    #[inline(always)]
    pub(super) fn quick(&self, field: &'static Field) -> Quick {
        match self.quick {
            quick if field.body.contain(self.version) => quick,
            Quick::Decode => Quick::Skip,
            // Tagged fields have their turn behind the body.
            Quick::Measure | Quick::Encode if field.tag.is_some() && field.versions.contain(self.version) => {
                Quick::Skip
            }
            _ => Quick::No,
        }
    }

    /// One line of a message's field list: codes the value if this version has the field, and now is its
    /// turn.
    #[inline(never)]
    pub(super) fn field(&mut self, field: &'static Field, value: &mut dyn Value) {
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
        self.blame(field);
    }

    /// Puts a field's name before the way to the fault, if there is one.
    #[inline]
    pub(super) fn blame(&mut self, field: &'static Field) {
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
            (Pass::Body, Some(_)) if present => match &mut self.mode {
                Mode::Visit(_) => Step::Ask,
                Mode::Fill(supplier) => match supplier.is_present(field) {
                    true => Step::Code,
                    false => Step::Skip,
                },
                _ => Step::Skip,
            },
            (Pass::Body, _) => match self.mode {
                Mode::Measure | Mode::Encode if !field.ignorable => Step::Ask,
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
        if let Mode::Visit(visitor) = &mut self.mode {
            visitor.event(field, Event::BeginStruct);
        }
        let outer = self.enter(Pass::Body);
        value.walk(self);
        self.end_structure(field, value);
        self.enter(outer);
    }

    /// What comes behind a struct's fields if that is no tagged fields; whether it was.
    #[inline(always)]
    pub(super) fn quick_end(&mut self, any_tagged: bool, unknown: &[TaggedField]) -> bool {
        match self.quick {
            Quick::Decode if !self.flexible => true,
            Quick::Decode => match *self.input {
                [0, ref rest @ ..] => {
                    self.input = rest;
                    true
                }
                _ => false,
            },
            Quick::Encode | Quick::Measure if any_tagged || !unknown.is_empty() => false,
            Quick::Encode if self.flexible => {
                self.quick_write([0]);
                true
            }
            Quick::Measure if self.flexible => {
                self.quick_measure(1);
                true
            }
            Quick::Encode | Quick::Measure => true,
            Quick::Skip | Quick::No => false,
        }
    }

    /// What comes behind a struct's fields; the pass is the body's, before and after.
    #[inline(never)]
    pub(super) fn end_structure(&mut self, field: &'static Field, value: &mut dyn Struct) {
        if self.error.is_some() {
            return;
        }
        match &mut self.mode {
            Mode::Visit(visitor) => {
                let unknown = value.unknown_tagged_fields();
                if self.flexible && !unknown.is_empty() {
                    visitor.event(Field::UNKNOWN_TAGGED_FIELDS, Event::Tags(unknown));
                }
                visitor.event(field, Event::EndStruct);
            }
            Mode::Fill(supplier) if self.flexible => {
                *value.unknown_tagged_fields() = supplier.unknown_tagged_fields();
            }
            Mode::Decode if self.flexible => self.read_tags(value),
            Mode::Decode | Mode::Fill(_) => {}
            _ if self.flexible => self.write_tags(value),
            _ if !value.unknown_tagged_fields().is_empty() => self.fail_tags(WireFault::NotInVersion),
            _ => {}
        }
    }

    /// Whether values are replaced, by what is decoded or supplied.
    pub(super) fn is_replacing(&self) -> bool {
        matches!(self.mode, Mode::Decode | Mode::Fill(_))
    }

    /// Whether an array's element has failed, and if so puts its index into the error.
    #[inline]
    pub(super) fn failed_in_element(&mut self, index: usize) -> bool {
        if let Some(error) = &mut self.error {
            let separator = if error.field.is_empty() { "" } else { "." };
            error.field = format!("[{index}]{separator}{}", error.field);
        }
        self.error.is_some()
    }

    fn offset(&self) -> usize {
        match &self.mode {
            Mode::Measure => self.measured.len,
            Mode::Encode => {
                self.segments.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() + self.output.len()
            }
            Mode::Decode => self.input.as_ptr() as usize - self.frame.as_ptr() as usize,
            Mode::Visit(_) | Mode::Fill(_) => 0,
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
            self.error = Some(Box::new(WireError { message, version, field: String::new(), offset, fault }));
            self.settle();
        }
    }

    #[cold]
    fn fail_truncated(&mut self, needed: usize) {
        let remaining = self.input.len();
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
