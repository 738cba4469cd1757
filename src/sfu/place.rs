//! Which shard a room lives on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::room::ids::RoomName;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub(super) usize);

impl ShardId {
    /// Counts from 0.
    pub fn number(self) -> usize {
        self.0
    }
}

/// The transports of a shard, as it counts them.
#[derive(Debug, Clone, Default)]
pub(super) struct Load(Arc<AtomicUsize>);

impl Load {
    pub(super) fn set(&self, transports: usize) {
        self.0.store(transports, Ordering::Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// How much a shard has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardLoad {
    pub rooms: usize,
    pub transports: usize,
}

/// Rooms on shards. A room stays where it is until it is released.
#[derive(Debug)]
pub(super) struct Places {
    rooms: BTreeMap<RoomName, ShardId>,
    /// Rooms and transports of each shard.
    shards: Vec<(usize, Load)>,
}

impl Places {
    /// `loads` has one for each shard, at least one.
    pub(super) fn new(loads: Vec<Load>) -> Self {
        Self { rooms: BTreeMap::new(), shards: loads.into_iter().map(|load| (0, load)).collect() }
    }

    /// Where the room is; a new one goes to the shard that has the least to do. A room counts as well, for one that was just
    /// placed has no transports yet.
    pub(super) fn place(&mut self, room: &RoomName) -> ShardId {
        if let Some(shard) = self.rooms.get(room) {
            return *shard;
        }
        let load = |(rooms, load): &(usize, Load)| rooms + load.get();
        let shard = (0..self.shards.len()).min_by_key(|shard| load(&self.shards[*shard])).unwrap_or(0);
        self.shards[shard].0 += 1;
        self.rooms.insert(room.clone(), ShardId(shard));
        ShardId(shard)
    }

    pub(super) fn loads(&self) -> Vec<ShardLoad> {
        self.shards.iter().map(|(rooms, load)| ShardLoad { rooms: *rooms, transports: load.get() }).collect()
    }

    pub(super) fn release(&mut self, room: &RoomName) {
        if let Some(ShardId(shard)) = self.rooms.remove(room) {
            self.shards[shard].0 -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> RoomName {
        text.parse().unwrap()
    }

    #[test]
    fn rooms_stay_where_they_are_and_new_ones_go_where_there_is_least() {
        let mut places = Places::new(vec![Load::default(), Load::default()]);
        assert_eq!(places.place(&name("a")), ShardId(0));
        assert_eq!(places.place(&name("b")), ShardId(1));
        assert_eq!(places.place(&name("a")), ShardId(0));
        places.release(&name("b"));
        places.release(&name("b"));
        assert_eq!(places.place(&name("c")), ShardId(1));
        assert_eq!(places.place(&name("b")), ShardId(0));
    }

    #[test]
    fn a_shard_with_a_large_room_gets_no_other_before_the_rest_has_as_much() {
        let loads = [Load::default(), Load::default()];
        let mut places = Places::new(loads.to_vec());
        assert_eq!(places.place(&name("large")), ShardId(0));
        loads[0].set(10);
        for small in 0..10 {
            assert_eq!(places.place(&name(&format!("small{small}"))), ShardId(1));
        }
        loads[1].set(40);
        let [busy, free] = [(1, 10), (10, 40)].map(|(rooms, transports)| ShardLoad { rooms, transports });
        assert_eq!(places.loads(), [busy, free]);
        assert_eq!(places.place(&name("another")), ShardId(0));
    }
}
