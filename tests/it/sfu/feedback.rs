//! What a receiver tells of when packets came (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use std::time::Instant;

use rtc_rtcp::transport_feedbacks::transport_layer_cc::{
    PacketStatusChunk, RecvDelta, RunLengthChunk, StatusChunkTypeTcc, SymbolTypeTcc, TransportLayerCc,
};

/// `told`: (transport-wide number, when it came) in order, nothing for what is lost; `epoch`: when the receiver's clock began.
pub(crate) fn arrivals(epoch: Instant, told: &[(u16, Option<Instant>)], count: u8) -> TransportLayerCc {
    let us = |at: Instant| at.saturating_duration_since(epoch).as_micros() as i64;
    let first = told.iter().find_map(|(_, at)| *at).map_or(0, us);
    let mut before = first / 64_000 * 64_000;
    let (reference_time, mut packet_chunks, mut recv_deltas) = ((before / 64_000) as u32, Vec::new(), Vec::new());
    for (_, at) in told {
        let symbol = match at {
            None => SymbolTypeTcc::PacketNotReceived,
            Some(at) => {
                let delta = (us(*at) - before) / 250 * 250;
                before += delta;
                let small = (0..=255 * 250).contains(&delta);
                let symbol = if small {
                    SymbolTypeTcc::PacketReceivedSmallDelta
                } else {
                    SymbolTypeTcc::PacketReceivedLargeDelta
                };
                recv_deltas.push(RecvDelta { type_tcc_packet: symbol, delta });
                symbol
            }
        };
        packet_chunks.push(PacketStatusChunk::RunLengthChunk(RunLengthChunk {
            type_tcc: StatusChunkTypeTcc::RunLengthChunk,
            packet_status_symbol: symbol,
            run_length: 1,
        }));
    }
    TransportLayerCc {
        sender_ssrc: 1,
        media_ssrc: 0,
        base_sequence_number: told[0].0,
        packet_status_count: told.len() as u16,
        reference_time,
        fb_pkt_count: count,
        packet_chunks,
        recv_deltas,
    }
}
