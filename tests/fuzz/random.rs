//! A seeded generator; not for security.

pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The generator of the program `number` of a seed: it depends on nothing that ran before.
    pub(crate) fn of_program(seed: u64, number: u64) -> Self {
        let mut mixed = seed ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93);
        mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let mut random = Self::new(mixed ^ (mixed >> 32));
        random.below(2);
        random
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % bound
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// One of these, each as often as its weight says.
    pub(crate) fn weighted<'a, T>(&mut self, from: &'a [(usize, T)]) -> &'a T {
        let sum = from.iter().map(|(weight, _)| weight).sum();
        let mut at = self.below(sum);
        for (weight, item) in from {
            if at < *weight {
                return item;
            }
            at -= weight;
        }
        &from[0].1
    }

    /// Whether one of `n` times came out.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// Fewer than `bound` bytes of these.
    pub(crate) fn bytes(&mut self, bound: usize, of: &[u8]) -> Vec<u8> {
        (0..self.below(bound)).map(|_| self.pick(of)).collect()
    }
}
