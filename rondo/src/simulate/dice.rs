//! Chance that can be repeated: every roll is a hash of the seed and of what is rolled for, so that one more
//! or one less elsewhere changes nothing here.

/// A seed, and what is rolled with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Evenly among all numbers.
    pub(super) fn roll(self, what: &str, about: u64) -> u64 {
        mix(mix(self.0, digest(what.as_bytes())), about)
    }

    /// Evenly among `0..below`.
    pub(super) fn below(self, below: u64, what: &str, about: u64) -> u64 {
        self.roll(what, about) % below.max(1)
    }

    /// True so many times in a hundred.
    pub(super) fn percent(self, percent: u64, what: &str, about: u64) -> bool {
        self.below(100, what, about) < percent
    }
}

/// One number of two, with every bit of both in every bit (splitmix64).
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a ^ b.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A number that stands for some bytes (FNV-1a).
pub(super) fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}
