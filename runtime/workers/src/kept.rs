//! Side inputs that are kept for the next chains, so that each is sent to a worker once and not once
//! for each task. Both ends keep the same ones by the same rule, and need not tell each other.

use std::collections::VecDeque;

/// So many, and bytes, but for the last one. What is large all processes share.
const MOST: usize = 8;
const BYTES: usize = 1 << 30;

/// What was kept last, by number.
pub struct Kept<T>(VecDeque<(u64, usize, T)>);

impl<T> Default for Kept<T> {
    fn default() -> Kept<T> {
        Kept(VecDeque::new())
    }
}

impl<T> Kept<T> {
    /// What has this number.
    pub fn get(&self, number: u64) -> Option<&T> {
        self.0.iter().find(|(known, ..)| *known == number).map(|(.., kept)| kept)
    }

    /// What is like this, and its number.
    pub fn find(&self, like: impl Fn(&T) -> bool) -> Option<(u64, &T)> {
        self.0.iter().find(|(.., kept)| like(kept)).map(|(number, _, kept)| (*number, kept))
    }

    /// Keeps something of so many bytes, and forgets what is too much.
    pub fn put(&mut self, number: u64, bytes: usize, kept: T) {
        self.0.push_back((number, bytes, kept));
        while self.0.len() > MOST || (self.0.len() > 1 && self.bytes() > BYTES) {
            self.0.pop_front();
        }
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|(_, bytes, _)| bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first() {
        let mut kept = Kept::default();
        (0..=MOST as u64).for_each(|number| kept.put(number, 1, number * 10));
        assert_eq!((kept.get(0), kept.get(1)), (None, Some(&10)));
        kept.put(100, 2 * BYTES, 7);
        assert_eq!((kept.get(MOST as u64), kept.find(|it| *it == 7)), (None, Some((100, &7))));
    }
}
