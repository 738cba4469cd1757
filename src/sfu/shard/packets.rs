//! What a shard does with each datagram.

use std::time::Instant;

use super::Shard;
use crate::sfu::bwe::Changed;
use crate::sfu::forward::header::{self, Fixed, Header};
use crate::sfu::forward::red::Red;
use crate::sfu::meters::Dropped;
use crate::sfu::out::Route;
use crate::sfu::publication::{Clock, Incoming, Origin, Publication, Way};
use crate::sfu::rtcp::{self, Report};
use crate::sfu::sdp::tables;
use crate::sfu::transport::ice;
use crate::sfu::up::Manner;
use crate::sfu::{Kind, TransportId};

/// Bytes of an RTP packet as networks carry them. Higher: who sends larger ones is served, and fills the histories, whose buffers
/// are used again and so stay as large; lower: senders on paths with a large MTU are not heard.
const MAX_RTP: usize = 1_500;

impl Shard {
    /// RFC 7983: the first byte tells what a datagram is.
    pub(super) fn datagram(&mut self, route: Route, datagram: &mut [u8], now: Instant) {
        let first = datagram.first().copied().unwrap_or(255);
        if first <= 3 {
            return self.stun(route, datagram, now);
        }
        if !matches!(first, 20..=63 | 128..=191) {
            return self.meters.dropped(Dropped::Unknown);
        }
        let Some(&id) = self.by_address.get(&route.far()) else { return self.meters.dropped(Dropped::Stranger) };
        match (first, datagram.get(1)) {
            (20..=63, _) => self.dtls(id, datagram, now),
            // RFC 5761 section 4: RTCP packet types 192 to 223 are no RTP payload types with marker.
            (_, Some(192..=223)) => self.rtcp(id, datagram, now),
            _ => self.rtp(id, datagram, now),
        }
    }

    fn stun(&mut self, route: Route, datagram: &[u8], now: Instant) {
        // Nothing can be sent there (RFC 768): it must not become anybody's route.
        if route.to.port() == 0 {
            return self.meters.dropped(Dropped::Stun);
        }
        let known = ice::parse(datagram).and_then(|request| {
            let id = *self.by_ufrag.get(&request.ufrag)?;
            let transport = self.transports.get_mut(&id)?;
            let local = transport.credentials().find(|known| known.ufrag == request.ufrag)?;
            let is_current = *local == transport.local;
            let check = request.check(local, route.to, self.identity.provider.crypto())?;
            Some((transport, check, is_current))
        });
        let Some((transport, check, is_current)) = known else { return self.meters.dropped(Dropped::Stun) };
        if let Some(former) = transport.former.take_if(|_| is_current) {
            self.by_ufrag.remove(&former.ufrag);
        }
        self.out.push(route, &check.response);
        if let Some(forgotten) = transport.checked(route, check.nominated, now)
            && self.by_address.get(&forgotten) == Some(&transport.id)
        {
            self.by_address.remove(&forgotten);
            forgotten.1.iter().for_each(|stream| self.out.close_stream(*stream));
        }
        // With every check, so that an address belongs to who was heard from it last.
        self.by_address.insert(route.far(), transport.id);
        transport.start(now);
        transport.flush_dtls(&mut self.out);
    }

    fn dtls(&mut self, id: TransportId, datagram: &[u8], now: Instant) {
        let Some(transport) = self.transports.get_mut(&id) else { return };
        let was_open = transport.is_open();
        let result = transport.dtls(datagram, now);
        transport.flush_dtls(&mut self.out);
        self.settle(id, was_open, result, now);
        if was_open {
            self.data(id, now);
        }
    }

    fn rtp(&mut self, id: TransportId, datagram: &mut [u8], now: Instant) {
        let (Some(transport), Some(up)) = (self.transports.get_mut(&id), self.ups.get_mut(&id)) else {
            return self.meters.dropped(Dropped::Unroutable);
        };
        let Some((media, _)) = transport.media() else { return self.meters.dropped(Dropped::Early) };
        let Ok(length) = media.inbound.open_rtp(datagram) else { return self.meters.dropped(Dropped::Srtp) };
        if length > MAX_RTP {
            return self.meters.dropped(Dropped::Unroutable);
        }
        let packet = &mut datagram[..length];
        let header = if up.renumber(packet) { Header::parse(packet) } else { None };
        let Some(mut header) = header else { return self.meters.dropped(Dropped::Unroutable) };
        // Padding ends here; nobody behind this line has to know of it.
        packet[0] &= !0x20;
        let mut packet = &mut packet[..header.payload.end];
        let repaired = tables::repaired(header.payload_type);
        let repairs = repaired.map(|payload_type| (payload_type, up.repairs(packet, &header)));
        if let Some((_, None)) = repairs {
            up.heard(packet, &header, now);
            return self.meters.dropped(Dropped::Padding);
        }
        if !up.admits(length, now) {
            return self.meters.dropped(Dropped::Rate);
        }
        transport.counts.add(1, length as u64);
        let mut manner = Manner::Sent;
        if let Some((payload_type, Some(ssrc))) = repairs {
            let Some(restored) = header::restore(packet, &header, payload_type, ssrc) else { return };
            let Some(parsed) = Header::parse(restored) else { return };
            (packet, header, manner) = (restored, parsed, Manner::Repaired);
            self.meters.repaired();
        }
        if header.payload_type == tables::RED {
            return self.redundant(id, packet, &header, now);
        }
        self.media(id, packet, &header, manner, now);
    }

    /// Sound that brings what was before once more (RFC 2198): what is missing of that goes on its way, and then its own. Behind here
    /// sound is plain.
    fn redundant(&mut self, id: TransportId, packet: &mut [u8], header: &Header, now: Instant) {
        let Some(red) = Red::parse(&packet[header.payload.clone()]) else {
            return self.meters.dropped(Dropped::Unroutable);
        };
        let begins = header.payload.start;
        for (by, behind, range) in red.earlier() {
            let sequence = header.sequence.wrapping_sub(by);
            if !self.ups.get(&id).is_some_and(|up| up.lacks(header.ssrc, sequence)) {
                continue;
            }
            let timestamp = header.timestamp.wrapping_sub(behind);
            let fixed = Fixed { marker: false, payload_type: tables::OPUS, sequence, timestamp, ssrc: header.ssrc };
            // How loud it was is not said again.
            let level = header.extension(packet, tables::AUDIO_LEVEL).map(|level| (tables::AUDIO_LEVEL, level));
            let mut missing = std::mem::take(&mut self.missing);
            missing.clear();
            let payload = &packet[begins + range.start..begins + range.end];
            header::write(&mut missing, fixed, level.into_iter(), payload);
            if let Some(parsed) = Header::parse(&missing) {
                self.meters.repaired();
                self.media(id, &missing, &parsed, Manner::Repaired, now);
            }
            self.missing = missing;
        }
        // In its place, with its header right before it.
        let at = red.own.start;
        packet.copy_within(..begins, at);
        packet[at + 1] = packet[at + 1] & 0x80 | tables::OPUS;
        if let Some(parsed) = Header::parse(&packet[at..]) {
            self.media(id, &packet[at..], &parsed, Manner::Sent, now);
        }
    }

    /// A packet of one of the codecs.
    fn media(&mut self, id: TransportId, packet: &[u8], header: &Header, manner: Manner, now: Instant) {
        let Some(up) = self.ups.get_mut(&id) else { return };
        let found = tables::codec(header.payload_type)
            .and_then(|codec| Some((codec, up.found(packet, header, codec, manner, now)?)));
        let Some((codec, found)) = found else { return self.meters.dropped(Dropped::Unroutable) };

        let (origin, layer) = (Origin { transport: id, ssrc: header.ssrc }, found.layer);
        let publication =
            self.publications.entry(found.publication).or_insert_with(|| Publication::new(found.publication));
        let Self { transports, out, meters, lagging, .. } = self;
        let way = &mut Way { transports, out, meters, lagging, now };
        if found.first {
            publication.set_source(layer, origin, now, self.settings.publication, way);
        } else if publication.source(layer) != Some(origin) {
            return self.meters.dropped(Dropped::Stale);
        }
        let heard = codec.kind() == Kind::Video || self.voices.hear(found.publication, packet, header, now);
        let incoming = Incoming { packet, header, codec, layer, index: found.index, heard, now };
        let accepted = publication.accept(&incoming, self.settings.publication, way);
        if let Some(at) = accepted.departs {
            self.departures.push_back((at, found.publication, layer));
        }
        if (found.first || accepted.changed)
            && let Some(transport) = self.transports.get_mut(&id)
        {
            transport.tell_media(found.publication, codec);
        }
    }

    fn rtcp(&mut self, id: TransportId, datagram: &mut [u8], now: Instant) {
        let Some(transport) = self.transports.get_mut(&id) else { return };
        let Some((media, _)) = transport.media() else { return self.meters.dropped(Dropped::Early) };
        let Ok(length) = media.inbound.open_rtcp(datagram) else { return self.meters.dropped(Dropped::Srtp) };
        rtcp::read(&datagram[..length], |report| match report {
            Report::Sender { ssrc, ntp, rtp } => {
                let clock = Clock { ntp, rtp, at: now };
                let origin = Some(Origin { transport: id, ssrc });
                // A stream that another one has taken the place of says nothing about that one's clock.
                if let Some((publication, layer)) = self.ups.get_mut(&id).and_then(|up| up.reported(ssrc, clock))
                    && let Some(publication) = self.publications.get_mut(&publication)
                    && publication.source(layer) == origin
                {
                    publication.reported(layer, clock);
                }
            }
            Report::Nack { ssrc, sequences } => {
                let taken = transport.take_resends(sequences.len());
                let publication = self.downs.get(&id).and_then(|sends| sends.get(&ssrc));
                if let Some(publication) = publication.and_then(|p| self.publications.get_mut(p)) {
                    publication.resend(transport, ssrc, &sequences[..taken], now, &mut self.out, &self.meters);
                }
            }
            Report::Arrivals(arrivals) => {
                let changed = transport.bandwidth().map(|bandwidth| bandwidth.feedback(&arrivals, now));
                match changed {
                    Some(Changed::Less | Changed::More) => self.divide = true,
                    Some(Changed::Little) | None => {}
                }
            }
            Report::Lost { ssrc, lost } => {
                let publication = self.downs.get(&id).and_then(|sends| sends.get(&ssrc));
                if let Some(publication) = publication.and_then(|p| self.publications.get_mut(p)) {
                    transport.counts.lost += publication.lost(id, ssrc, lost, now);
                }
            }
            Report::KeyFrame { ssrc } => {
                let publication = self.downs.get(&id).and_then(|sends| sends.get(&ssrc));
                let Some(publication) = publication.and_then(|p| self.publications.get_mut(p)) else { return };
                let begun = publication.begun_with(id, ssrc, now, self.settings.publication.key_frame_reuse);
                if !begun.is_empty() && transport.take_resends(begun.len()) == begun.len() {
                    publication.resend(transport, ssrc, &begun, now, &mut self.out, &self.meters);
                } else {
                    publication.wish_key_frame(id, ssrc, now);
                }
            }
        });
    }
}
