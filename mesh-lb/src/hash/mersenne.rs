//! The generator that orders the alternatives of bounded loads (LB-BND-03).

/// MT19937 with 32-bit words, as published by Matsumoto and Nishimura. 2.5 KB, kept on the stack.
pub(crate) struct Mt19937 {
    state: [u32; Self::SIZE],
    next: usize,
}

impl Mt19937 {
    const SIZE: usize = 624;
    const SHIFT: usize = 397;

    pub(crate) fn new(seed: u32) -> Self {
        let mut state = [0; Self::SIZE];
        let mut previous = seed;
        for (i, word) in (0_u32..).zip(state.iter_mut()) {
            if i > 0 {
                previous = (previous ^ (previous >> 30)).wrapping_mul(1_812_433_253).wrapping_add(i);
            }
            *word = previous;
        }
        Self { state, next: Self::SIZE }
    }

    fn word(&self, at: usize) -> u32 {
        self.state.get(at % Self::SIZE).copied().unwrap_or_default()
    }

    fn refill(&mut self) {
        for at in 0..Self::SIZE {
            let mixed = (self.word(at) & 0x8000_0000) | (self.word(at + 1) & 0x7fff_ffff);
            let twist = if mixed & 1 == 1 { 0x9908_b0df } else { 0 };
            let word = self.word(at + Self::SHIFT) ^ (mixed >> 1) ^ twist;
            if let Some(slot) = self.state.get_mut(at) {
                *slot = word;
            }
        }
        self.next = 0;
    }

    pub(crate) fn next_u32(&mut self) -> u32 {
        if self.next >= Self::SIZE {
            self.refill();
        }
        let mut word = self.word(self.next);
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    /// LB-BND-03: a number below `n`, which is at least 1 and fits in 32 bits.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        let scale = (1_u64 << 32).checked_div(n as u64).unwrap_or(1).max(1);
        loop {
            let value = usize::try_from(u64::from(self.next_u32()) / scale).unwrap_or(usize::MAX);
            if value < n || n == 0 {
                return value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_check_value() {
        // The C++ standard gives the 10,000th value of the default seed.
        let mut generator = Mt19937::new(5489);
        let last = (0..10_000).map(|_| generator.next_u32()).last();
        assert_eq!(last, Some(4_123_659_995));
    }
}
