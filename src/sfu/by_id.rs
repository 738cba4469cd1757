//! Maps whose keys are numbers that the server itself gives out, one after the other. Nobody else can choose them, so that
//! hashing them needs no secret and takes one multiplication.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

pub(super) type ById<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        // The golden ratio: what follows one another ends up far apart. The map looks at the highest and at the lowest bits.
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}
