//! Rooms in which only the loudest are heard.

use std::collections::HashMap;
use std::time::Instant;

use crate::sfu::PublicationId;
use crate::sfu::by_id::ById;
use crate::sfu::data::HubId;
use crate::sfu::forward::header::Header;
use crate::sfu::forward::voices::Voices;
use crate::sfu::sdp::tables;

#[derive(Debug, Default)]
pub(super) struct Rooms {
    rooms: HashMap<HubId, Voices<PublicationId>>,
    /// Which of them a microphone is of.
    of: ById<PublicationId, HubId>,
}

impl Rooms {
    /// Of a room's microphones the `most` loudest are heard; all when there are none `among` which to choose.
    pub(super) fn set(&mut self, room: HubId, most: usize, among: &[PublicationId]) {
        self.of.retain(|_, known| *known != room);
        if among.is_empty() {
            self.rooms.remove(&room);
            return;
        }
        self.of.extend(among.iter().map(|microphone| (*microphone, room)));
        let voices = self.rooms.entry(room).or_insert_with(|| Voices::new(most));
        voices.set_most(most);
        let of = &self.of;
        voices.retain(|microphone| of.get(microphone) == Some(&room));
    }

    /// Is this packet to be heard? What does not tell its level always is.
    pub(super) fn hear(&mut self, publication: PublicationId, packet: &[u8], header: &Header, now: Instant) -> bool {
        // The way of most packets: few rooms are so large.
        if self.rooms.is_empty() {
            return true;
        }
        let room = self.of.get(&publication).and_then(|room| self.rooms.get_mut(room));
        match (room, header.extension(packet, tables::AUDIO_LEVEL)) {
            // The upper bit says that it is speech, where a sender looks into that.
            (Some(voices), Some(&[level])) => voices.hear(publication, level & 0x7f, now),
            (Some(_), _) | (None, _) => true,
        }
    }
}
