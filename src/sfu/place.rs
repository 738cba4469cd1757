//! Which shard a room lives on.

use std::collections::BTreeMap;

use crate::room::ids::RoomName;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub(super) usize);

/// Rooms on shards. A room stays where it is until it is released.
#[derive(Debug)]
pub(super) struct Places {
    rooms: BTreeMap<RoomName, ShardId>,
    /// Rooms of each shard.
    load: Vec<usize>,
}

impl Places {
    /// `shards` is at least 1.
    pub(super) fn new(shards: usize) -> Self {
        Self { rooms: BTreeMap::new(), load: vec![0; shards] }
    }

    /// Where the room is; a new one goes to the shard with the fewest.
    pub(super) fn place(&mut self, room: &RoomName) -> ShardId {
        if let Some(shard) = self.rooms.get(room) {
            return *shard;
        }
        let shard = (0..self.load.len()).min_by_key(|shard| self.load[*shard]).unwrap_or(0);
        self.load[shard] += 1;
        self.rooms.insert(room.clone(), ShardId(shard));
        ShardId(shard)
    }

    pub(super) fn release(&mut self, room: &RoomName) {
        if let Some(ShardId(shard)) = self.rooms.remove(room) {
            self.load[shard] -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_stay_where_they_are_and_new_ones_go_where_there_is_least() {
        let name = |text: &str| text.parse::<RoomName>().unwrap();
        let mut places = Places::new(2);
        assert_eq!(places.place(&name("a")), ShardId(0));
        assert_eq!(places.place(&name("b")), ShardId(1));
        assert_eq!(places.place(&name("a")), ShardId(0));
        places.release(&name("b"));
        places.release(&name("b"));
        assert_eq!(places.place(&name("c")), ShardId(1));
        assert_eq!(places.place(&name("b")), ShardId(0));
    }
}
