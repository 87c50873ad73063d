use super::codec::Quick;
use super::{Codec, Event, Field, Initial, Uuid, Value};
use bytes::Bytes;
use std::fmt;
use std::marker::PhantomData;

/// Bytes that are kept in place: five `i32`, so that a partition's replicas neither allocate nor keep a frame
/// alive.
const INLINE: usize = 23;

/// An array of elements of one size, such as a partition's replicas: kept as it is on the wire, and decoded
/// element by element when it is looked at.
///
/// A short one is stored in place, a long one is a slice of the frame it came in. A message of ten thousand
/// partitions has some ten thousand such arrays, and none of them allocates.
///
/// ```
/// use milena_core::wire::Packed;
///
/// let partitions: Packed<i32> = (0..3).collect();
/// assert_eq!(partitions, Packed::from([0, 1, 2]));
/// assert_eq!((partitions.len(), partitions.get(2), partitions.iter().sum::<i32>()), (3, Some(2), 3));
/// ```
#[derive(Clone)]
pub struct Packed<T> {
    bytes: Raw,
    elements: PhantomData<fn() -> T>,
}

/// A [`Packed`]'s bytes on the wire, whatever they mean.
#[derive(Clone)]
pub(super) enum Raw {
    Inline { len: u8, bytes: [u8; INLINE] },
    Shared(Bytes),
}

impl Raw {
    const EMPTY: Self = Self::Inline { len: 0, bytes: [0; INLINE] };

    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Self::Shared(bytes) => bytes,
        }
    }

    /// Takes the first `len` bytes of `input`, if they are few and others follow: what lies behind `len` is never
    /// looked at, and a copy of one size is a few instructions.
    #[inline(always)]
    pub(super) fn read_in_place(&mut self, input: &[u8], len: usize) -> bool {
        match (self, input.first_chunk()) {
            (Self::Inline { len: own, bytes }, Some(chunk)) if len <= INLINE => {
                *own = len as u8;
                *bytes = *chunk;
                true
            }
            _ => false,
        }
    }

    /// All of `input`, which is a part of `frame`.
    pub(super) fn read(frame: &Bytes, input: &[u8]) -> Self {
        let mut bytes = [0; INLINE];
        match bytes.get_mut(..input.len()) {
            Some(own) => {
                own.copy_from_slice(input);
                Self::Inline { len: input.len() as u8, bytes }
            }
            None => Self::Shared(frame.slice_ref(input)),
        }
    }
}

impl From<Vec<u8>> for Raw {
    fn from(bytes: Vec<u8>) -> Self {
        match bytes.len() {
            0..=INLINE => Self::read(&Bytes::new(), &bytes),
            _ => Self::Shared(bytes.into()),
        }
    }
}

/// An element of a [`Packed`]: a number, or what wraps one.
pub trait Element: Copy {
    /// Its bytes on the wire.
    const SIZE: usize;

    /// Reads it from exactly [`SIZE`](Self::SIZE) bytes.
    fn from_wire(bytes: &[u8]) -> Self;

    /// Writes it into exactly [`SIZE`](Self::SIZE) bytes.
    fn to_wire(self, bytes: &mut [u8]);

    /// As a visitor is told of it.
    fn event(self) -> Event<'static>;
}

macro_rules! elements {
    ($($type:ty)*) => { $(
        impl Element for $type {
            const SIZE: usize = size_of::<Self>();

            #[inline]
            fn from_wire(bytes: &[u8]) -> Self {
                let mut own = [0; size_of::<Self>()];
                own.copy_from_slice(bytes);
                Self::from_be_bytes(own)
            }

            #[inline]
            fn to_wire(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_be_bytes());
            }

            fn event(self) -> Event<'static> {
                Event::Int(self.into())
            }
        }
    )* };
}

elements!(i8 i16 i32 i64);

impl Element for Uuid {
    const SIZE: usize = size_of::<Self>();

    #[inline]
    fn from_wire(bytes: &[u8]) -> Self {
        let mut own = [0; size_of::<Self>()];
        own.copy_from_slice(bytes);
        Self(own)
    }

    #[inline]
    fn to_wire(self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0);
    }

    fn event(self) -> Event<'static> {
        Event::Uuid(self)
    }
}

impl<T: Element> Packed<T> {
    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.bytes.as_slice().len() / T::SIZE
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.as_slice().is_empty()
    }

    /// The elements, in order.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { rest: self.bytes.as_slice(), elements: PhantomData }
    }

    /// The element at `index`, from 0.
    pub fn get(&self, index: usize) -> Option<T> {
        self.iter().nth(index)
    }

    /// Whether one of the elements is `element`.
    pub fn contains(&self, element: T) -> bool
    where
        T: PartialEq,
    {
        self.iter().any(|own| own == element)
    }
}

impl<T> Default for Packed<T> {
    fn default() -> Self {
        Self { bytes: Raw::EMPTY, elements: PhantomData }
    }
}

impl<T> PartialEq for Packed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes.as_slice() == other.bytes.as_slice()
    }
}

impl<T> Eq for Packed<T> {}

impl<T: Element + PartialEq> PartialEq<[T]> for Packed<T> {
    fn eq(&self, other: &[T]) -> bool {
        self.iter().eq(other.iter().copied())
    }
}

impl<T: Element + PartialEq, const N: usize> PartialEq<[T; N]> for Packed<T> {
    fn eq(&self, other: &[T; N]) -> bool {
        *self == other[..]
    }
}

impl<T: Element + fmt::Debug> fmt::Debug for Packed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl<T: Element> FromIterator<T> for Packed<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        let mut bytes = Vec::new();
        for element in elements {
            let at = bytes.len();
            bytes.resize(at + T::SIZE, 0);
            element.to_wire(&mut bytes[at..]);
        }
        Self { bytes: bytes.into(), elements: PhantomData }
    }
}

impl<T: Element> From<Vec<T>> for Packed<T> {
    fn from(elements: Vec<T>) -> Self {
        elements.into_iter().collect()
    }
}

impl<T: Element> From<&[T]> for Packed<T> {
    fn from(elements: &[T]) -> Self {
        elements.iter().copied().collect()
    }
}

impl<T: Element, const N: usize> From<[T; N]> for Packed<T> {
    fn from(elements: [T; N]) -> Self {
        elements.into_iter().collect()
    }
}

impl<'a, T: Element> IntoIterator for &'a Packed<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// The elements of a [`Packed`], decoded as they come.
#[derive(Clone, Debug)]
pub struct Iter<'a, T> {
    rest: &'a [u8],
    elements: PhantomData<fn() -> T>,
}

impl<T: Element> Iterator for Iter<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        let (element, rest) = self.rest.split_at_checked(T::SIZE)?;
        self.rest = rest;
        Some(T::from_wire(element))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = self.rest.len() / T::SIZE;
        (count, Some(count))
    }
}

impl<T: Element> ExactSizeIterator for Iter<'_, T> {}

impl<T: Element> Value for Packed<T> {
    fn initial(_: &Field) -> Self {
        Self::default()
    }

    fn is_initial(&self, _: &Field) -> bool {
        self.is_empty()
    }

    fn field(&mut self, codec: &mut Codec<'_>, field: &'static Field) {
        match codec.quick(field) {
            Quick::Skip => {}
            Quick::Decode if codec.quick_packed(T::SIZE, &mut self.bytes) => {}
            Quick::Measure | Quick::Encode if codec.quick_bytes(field, self.len(), self.bytes.as_slice()) => {
            }
            _ => codec.field(field, self),
        }
    }

    fn code(&mut self, codec: &mut Codec<'_>, field: &'static Field) {
        let mut bytes = Some(std::mem::replace(&mut self.bytes, Raw::EMPTY));
        codec.packed(field, &mut bytes, T::SIZE, false, |bytes| T::from_wire(bytes).event());
        self.bytes = bytes.unwrap_or(Raw::EMPTY);
    }
}

impl<T: Element> Value for Option<Packed<T>> {
    fn initial(field: &Field) -> Self {
        (field.initial() != Initial::Null).then(Packed::default)
    }

    fn is_initial(&self, field: &Field) -> bool {
        *self == Self::initial(field)
    }

    fn code(&mut self, codec: &mut Codec<'_>, field: &'static Field) {
        let mut bytes = self.take().map(|packed| packed.bytes);
        codec.packed(field, &mut bytes, T::SIZE, true, |bytes| T::from_wire(bytes).event());
        *self = bytes.map(|bytes| Packed { bytes, elements: PhantomData });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_ones_are_in_place_and_long_ones_are_slices() {
        assert_eq!(size_of::<Packed<i32>>(), size_of::<Bytes>());
        let frame =
            Bytes::from_static(&[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6]);
        for len in (0..=frame.len()).step_by(4) {
            let raw = Raw::read(&frame, &frame[..len]);
            let mut in_place = Raw::EMPTY;
            assert_eq!(in_place.read_in_place(&frame, len), len < 24);
            assert!(in_place.as_slice() == if len < 24 { &frame[..len] } else { &[] });
            assert_eq!(matches!(raw, Raw::Shared(_)), len == 24, "{len}");
            let packed = Packed { bytes: raw, elements: PhantomData::<fn() -> i32> };
            let expected: Vec<i32> = (1..=len as i32 / 4).collect();
            assert_eq!(packed.iter().collect::<Vec<_>>(), expected);
            assert_eq!(packed, Packed::from(expected), "however it is held");
        }
    }

    #[test]
    fn elements_of_every_size() {
        assert_eq!(Packed::from([-1i8, 2]).iter().collect::<Vec<_>>(), [-1, 2]);
        assert_eq!(Packed::from([i16::MIN, 7]).get(0), Some(i16::MIN));
        assert_eq!(Packed::from([i64::MAX]).iter().len(), 1);
        let ids = Packed::from([Uuid([7; 16]), Uuid::ZERO]);
        assert!(ids.contains(Uuid::ZERO) && !ids.contains(Uuid([1; 16])) && ids.get(2).is_none());
        assert_eq!(format!("{:?}", Packed::from([3i32, -4])), "[3, -4]");
    }
}
