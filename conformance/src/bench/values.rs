//! What is written.

/// Values of random capital letters, as Kafka's own producer bench writes them: codecs can do a little with them.
pub(crate) struct Values {
    letters: Vec<u8>,
    size: usize,
}

/// Bytes before the values repeat: about a batch.
const PERIOD: usize = 1 << 20;

impl Values {
    pub(crate) fn new(size: usize) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let letters = std::iter::repeat_with(|| {
            // Xorshift with Marsaglia's numbers.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            b'A' + (state >> 32) as u8 % 26
        });
        Values { letters: letters.take(PERIOD + size).collect(), size }
    }

    pub(crate) fn at(&self, index: usize) -> &[u8] {
        let start = index.wrapping_mul(self.size) % PERIOD;
        &self.letters[start..start + self.size]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_differ_and_have_their_size() {
        let values = Values::new(100);
        assert_ne!(values.at(0), values.at(1));
        assert!([0, 1, 10_485, 10_486, usize::MAX].iter().all(|i| values.at(*i).len() == 100));
        assert_eq!(Values::new(0).at(7), b"");
    }
}
