//! Random inputs for unit tests: a seeded generator, and rounds of a test for a while.
//!
//! FUZZ_SECONDS is how long each test goes on (0.2), and asks for seeds that are new each time; without it the
//! first ones are the same in every run. A round that fails names its seed; FUZZ_SEED begins with that one. Not
//! for security: the numbers are those of a plain generator.
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant, SystemTime};

pub(crate) struct Random(u64);

impl Random {
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

    /// Fewer than `bound` bytes, mostly few: of `special` ones, and of any.
    pub(crate) fn bytes(&mut self, bound: usize, special: &[u8]) -> Vec<u8> {
        let bound = 1 + self.below(bound);
        let len = self.below(bound);
        let rare = 1 + self.below(20);
        (0..len)
            .map(|_| match self.below(rare) {
                0 => self.pick(special),
                1 => self.below(256) as u8,
                _ => b'a' + self.below(26) as u8,
            })
            .collect()
    }
}

/// Runs `round` again and again, each time from a seed of its own.
pub(crate) fn rounds(mut round: impl FnMut(&mut Random)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<f64>().ok());
    let end = Instant::now() + Duration::from_secs_f64(number("FUZZ_SECONDS").unwrap_or(0.2));
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut seed = match (number("FUZZ_SEED"), number("FUZZ_SECONDS")) {
        (Some(seed), _) => seed as u64,
        (None, Some(_)) => now().as_micros() as u64,
        (None, None) => 1,
    };
    loop {
        // Far apart, also for seeds that follow each other.
        let state = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let result = catch_unwind(AssertUnwindSafe(|| round(&mut Random(state))));
        if let Err(panic) = result {
            eprintln!("FUZZ_SEED={seed} fails");
            resume_unwind(panic);
        }
        seed = seed.wrapping_add(1);
        if Instant::now() > end {
            return;
        }
    }
}
