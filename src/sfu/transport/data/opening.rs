//! Channels come to be: agreed on beforehand, or in-band by a message of either side (RFC 8832).

use std::time::Instant;

use bytes::BytesMut;
use rtc_datachannel::message::Message as Dcep;
use rtc_datachannel::message::message_channel_ack::DataChannelAck;
use rtc_datachannel::message::message_channel_open::{CHANNEL_PRIORITY_NORMAL, ChannelType, DataChannelOpen};
use rtc_sctp::{PayloadProtocolIdentifier as Protocol, ReliabilityType};
use rtc_shared::marshal::{Marshal, Unmarshal};

use super::{AGREED, Channel, Channels, Dropped, Message, Opening, State};

/// DATA_CHANNEL_OPEN (RFC 8832 section 8.2.1).
const OPEN: u8 = 3;

impl Channels {
    /// The association is up: the channels of this side.
    pub(super) fn open(&mut self, now: Instant) {
        let State::Live { association, .. } = &mut self.state else { return };
        match &self.opening {
            Opening::Theirs => {}
            Opening::Agreed => {
                // What has come already has made the stream.
                let _ = association.open_stream(AGREED, Protocol::Binary);
                if let Ok(mut stream) = association.stream(AGREED) {
                    let _ = stream.set_reliability_params(true, ReliabilityType::Rexmit, 0);
                    self.channels.insert(AGREED, Channel { reliable: false });
                }
            }
            Opening::Ours(label) => {
                // RFC 8832 section 6: even for the DTLS client. One that is the other's is never used here.
                let id = if self.connects { 0 } else { 1 };
                let open = Dcep::DataChannelOpen(DataChannelOpen {
                    channel_type: ChannelType::Reliable,
                    priority: CHANNEL_PRIORITY_NORMAL,
                    reliability_parameter: 0,
                    label: label.as_bytes().to_vec(),
                    protocol: Vec::new(),
                });
                let _ = association.open_stream(id, Protocol::Binary);
                if let (Ok(mut stream), Ok(open)) = (association.stream(id), open.marshal())
                    && stream.write_chunk_with_ppi(now, &open.freeze(), Protocol::Dcep).is_ok()
                {
                    self.channels.insert(id, Channel { reliable: true });
                }
            }
        }
        self.send_waiting(now);
    }

    /// A message about a channel (RFC 8832 section 5).
    pub(super) fn control(&mut self, id: u16, bytes: BytesMut, now: Instant) {
        let State::Live { association, .. } = &mut self.state else { return };
        // An acknowledgement changes nothing: messages may follow the opening at once. There are no other messages, but the
        // library has some for itself, which it reads without a look at their length.
        if bytes.first() != Some(&OPEN) {
            return;
        }
        let Ok(Dcep::DataChannelOpen(open)) = Dcep::unmarshal(&mut bytes.freeze()) else {
            return self.count(Dropped::Malformed);
        };
        if self.channels.contains_key(&id) || self.opening == Opening::Agreed {
            return self.count(Dropped::Malformed);
        }
        let (unordered, reliability) = match open.channel_type {
            ChannelType::Reliable => (false, ReliabilityType::Reliable),
            ChannelType::ReliableUnordered => (true, ReliabilityType::Reliable),
            ChannelType::PartialReliableRexmit => (false, ReliabilityType::Rexmit),
            ChannelType::PartialReliableRexmitUnordered => (true, ReliabilityType::Rexmit),
            ChannelType::PartialReliableTimed => (false, ReliabilityType::Timed),
            ChannelType::PartialReliableTimedUnordered => (true, ReliabilityType::Timed),
            _ => return self.count(Dropped::Malformed),
        };
        let Ok(mut stream) = association.stream(id) else { return };
        let _ = stream.set_reliability_params(unordered, reliability, open.reliability_parameter);
        if let Ok(ack) = Dcep::DataChannelAck(DataChannelAck).marshal() {
            let _ = stream.write_chunk_with_ppi(now, &ack.freeze(), Protocol::Dcep);
        }
        self.channels.insert(id, Channel { reliable: reliability == ReliabilityType::Reliable });
        self.send_waiting(now);
    }

    fn send_waiting(&mut self, now: Instant) {
        while !self.channels.is_empty()
            && let Some(Message { kind, bytes }) = self.waiting.pop_front()
        {
            self.waiting_bytes -= bytes.len();
            self.send(kind, &bytes, now);
        }
    }
}
