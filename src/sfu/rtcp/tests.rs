//! The webrtc-rs family's RTCP is the independent counterpart.

use rtc_rtcp::packet::unmarshal;
use rtc_rtcp::payload_feedbacks::full_intra_request::{FirEntry, FullIntraRequest};
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::sender_report::SenderReport;
use std::time::{Duration, Instant};

use rtc_rtcp::transport_feedbacks::transport_layer_cc::{
    PacketStatusChunk, RecvDelta, RunLengthChunk, StatusChunkTypeTcc, SymbolTypeTcc, TransportLayerCc,
};
use rtc_rtcp::transport_feedbacks::transport_layer_nack::{TransportLayerNack, nack_pairs_from_sequence_numbers};
use rtc_shared::marshal::Marshal;

use super::super::forward::twcc::Recorder;
use super::*;

fn reports(bytes: &[u8]) -> Vec<Report<'_>> {
    let mut all = Vec::new();
    read(bytes, |report| all.push(report));
    all
}

#[test]
fn what_browsers_send_is_read_and_the_rest_is_passed_over() {
    let mut compound = Vec::new();
    let sender = SenderReport { ssrc: 7, ntp_time: 0x0102_0304_0506_0708, rtp_time: 99, ..Default::default() };
    compound.extend_from_slice(&sender.marshal().unwrap());
    let remb = ReceiverEstimatedMaximumBitrate { sender_ssrc: 1, bitrate: 1e6, ssrcs: vec![5] };
    compound.extend_from_slice(&remb.marshal().unwrap());
    let nacks = nack_pairs_from_sequence_numbers(&[65_534, 65_535, 3, 200]);
    compound.extend_from_slice(&TransportLayerNack { sender_ssrc: 1, media_ssrc: 8, nacks }.marshal().unwrap());
    compound.extend_from_slice(&PictureLossIndication { sender_ssrc: 1, media_ssrc: 9 }.marshal().unwrap());
    let fir = vec![FirEntry { ssrc: 10, sequence_number: 1 }, FirEntry { ssrc: 11, sequence_number: 1 }];
    compound.extend_from_slice(&FullIntraRequest { sender_ssrc: 1, media_ssrc: 0, fir }.marshal().unwrap());
    assert_eq!(
        reports(&compound),
        [
            Report::Sender { ssrc: 7, ntp: 0x0102_0304_0506_0708, rtp: 99 },
            Report::Nack { ssrc: 8, sequences: vec![65_534, 65_535, 3, 200] },
            Report::KeyFrame { ssrc: 9 },
            Report::KeyFrame { ssrc: 10 },
            Report::KeyFrame { ssrc: 11 },
        ]
    );
    // Cut anywhere, it is read up to there.
    for end in 0..compound.len() {
        assert!(reports(&compound[..end]).len() <= 5);
    }
}

#[test]
fn what_a_receiver_says_was_lost_is_read_from_both_kinds_of_report() {
    let mut compound = Vec::new();
    let block = |lost| Block { fraction_lost: 255, cumulative_lost: lost, highest: 1, jitter: 2 };
    let received = |ssrc, lost| Received { ssrc, block: block(lost), last_report: 3, delay: 4 };
    write_receiver_report(&mut compound, [received(6, 0x1_0203), received(7, -5)].into_iter());
    let reports_of = |bytes: &[u8]| reports(bytes).len();
    assert_eq!(reports(&compound), [Report::Lost { ssrc: 6, lost: 0x1_0203 }, Report::Lost { ssrc: 7, lost: 0 }]);
    let report = rtc_rtcp::reception_report::ReceptionReport { ssrc: 8, total_lost: 9, ..Default::default() };
    let sender = SenderReport { ssrc: 5, reports: vec![report], ..Default::default() };
    let sender = sender.marshal().unwrap();
    assert_eq!(reports(&sender)[1..], [Report::Lost { ssrc: 8, lost: 9 }]);
    // A count that promises more than there is.
    compound[0] |= 0x1f;
    assert_eq!(reports_of(&compound), 2);
}

#[test]
fn reports_are_what_others_read() {
    let mut out = Vec::new();
    write_sender_report(&mut out, &Sent { ssrc: 5, ntp: 1 << 40, rtp: 77, packets: 3, octets: 4_000 });
    let block = Block { fraction_lost: 12, cumulative_lost: 34, highest: 0x1_0002, jitter: 56 };
    write_receiver_report(&mut out, [Received { ssrc: 6, block, last_report: 78, delay: 90 }].into_iter());
    let read = unmarshal(&mut &out[..]).unwrap();
    let sender = read[0].as_any().downcast_ref::<SenderReport>().unwrap();
    assert_eq!((sender.ssrc, sender.ntp_time, sender.rtp_time), (5, 1 << 40, 77));
    assert_eq!((sender.packet_count, sender.octet_count), (3, 4_000));
    let report = &read[1].as_any().downcast_ref::<ReceiverReport>().unwrap().reports[0];
    assert_eq!((report.ssrc, report.fraction_lost, report.total_lost), (6, 12, 34));
    assert_eq!((report.last_sequence_number, report.jitter), (0x1_0002, 56));
    assert_eq!((report.last_sender_report, report.delay), (78, 90));
}

#[test]
fn requests_are_what_others_read() {
    let lost = [65_530, 65_531, 4, 11, 400];
    let mut out = Vec::new();
    write_nacks(&mut out, 5, &lost);
    write_pli(&mut out, 6);
    let read = unmarshal(&mut &out[..]).unwrap();
    let nack = read[0].as_any().downcast_ref::<TransportLayerNack>().unwrap();
    assert_eq!(nack.media_ssrc, 5);
    assert_eq!(nack.nacks.len(), 3);
    assert_eq!(nack.nacks.iter().flat_map(|pair| pair.packet_list()).collect::<Vec<_>>(), lost);
    assert_eq!(read[1].as_any().downcast_ref::<PictureLossIndication>().unwrap().media_ssrc, 6);
}

#[test]
fn no_compound_is_larger_than_a_datagram() {
    let lost: Vec<u16> = (0..512u16).map(|n| (n * 17).wrapping_add(60_000)).collect();
    let mut out = Vec::new();
    write_nacks(&mut out, 5, &lost);
    write_twcc(&mut out, 5, &[0; 1_152]);
    write_pli(&mut out, 5);
    assert!(compounds(&out).all(|compound| compound.len() <= MAX_COMPOUND));
    assert_eq!(compounds(&out).collect::<Vec<_>>().concat(), out);
    let mut asked = Vec::new();
    for compound in compounds(&out) {
        read(compound, |report| match report {
            Report::Nack { sequences, .. } => asked.extend(sequences),
            Report::KeyFrame { .. } | Report::Sender { .. } => {}
            Report::Lost { lost, .. } => assert!(lost < 1 << 23),
            Report::Arrivals(arrivals) => assert!(arrivals.packets().count() <= usize::from(MAX_TOLD)),
        });
    }
    assert_eq!(asked, lost);
    assert_eq!(compounds(&[]).count(), 0);
}

#[test]
fn arrivals_are_read_as_the_own_recorder_and_the_family_write_them() {
    let epoch = Instant::now();
    let mut recorder = Recorder::new(epoch);
    let sent: [(u16, u64); 5] = [(65_533, 100_000), (65_534, 100_250), (1, 180_000), (0, 190_000), (3, 190_250)];
    for (sequence, us) in &sent {
        recorder.arrived(*sequence, epoch + Duration::from_micros(*us));
    }
    let (mut information, mut compound) = (Vec::new(), Vec::new());
    assert!(recorder.feedback(&mut information));
    write_twcc(&mut compound, 5, &information);
    let all = reports(&compound);
    let [Report::Arrivals(arrivals)] = all[..] else { panic!("{all:?}") };
    let at = |us: Option<i64>| us.map(|us| us + arrivals.reference_us());
    let told: Vec<_> = arrivals.packets().map(|told| (told.sequence, at(told.arrived_us))).collect();
    let expected = [
        (65_533, Some(100_000)),
        (65_534, Some(100_250)),
        (65_535, None),
        (0, Some(190_000)),
        (1, Some(180_000)),
        (2, None),
        (3, Some(190_250)),
    ];
    assert_eq!(told, expected);

    let run = |symbol, n| {
        PacketStatusChunk::RunLengthChunk(RunLengthChunk {
            type_tcc: StatusChunkTypeTcc::RunLengthChunk,
            packet_status_symbol: symbol,
            run_length: n,
        })
    };
    let delta = |type_tcc_packet, delta| RecvDelta { type_tcc_packet, delta };
    let family = TransportLayerCc {
        sender_ssrc: 1,
        media_ssrc: 2,
        base_sequence_number: 10,
        packet_status_count: 5,
        reference_time: 2,
        fb_pkt_count: 1,
        packet_chunks: vec![
            run(SymbolTypeTcc::PacketReceivedSmallDelta, 2),
            run(SymbolTypeTcc::PacketNotReceived, 2),
            run(SymbolTypeTcc::PacketReceivedLargeDelta, 1),
        ],
        recv_deltas: vec![
            delta(SymbolTypeTcc::PacketReceivedSmallDelta, 1_000),
            delta(SymbolTypeTcc::PacketReceivedSmallDelta, 250),
            delta(SymbolTypeTcc::PacketReceivedLargeDelta, -500),
        ],
    };
    let bytes = family.marshal().unwrap();
    let all = reports(&bytes);
    let [Report::Arrivals(arrivals)] = all[..] else { panic!("{all:?}") };
    assert_eq!(arrivals.reference_us(), 128_000);
    let told: Vec<_> = arrivals.packets().map(|told| (told.sequence, told.arrived_us)).collect();
    assert_eq!(told, [(10, Some(1_000)), (11, Some(1_250)), (12, None), (13, None), (14, Some(750))]);
}

#[test]
fn a_feedback_that_claims_more_than_it_has_ends_where_it_ends() {
    let packet = |count: u16, body: &[u8]| {
        let mut out = Vec::new();
        let information = [&[0, 5][..], &count.to_be_bytes(), &[0, 0, 1, 0], body].concat();
        write_twcc(&mut out, 1, &information);
        out
    };
    // A run of 8,191 with small deltas, of which there are two.
    let bytes = packet(4_000, &[0x3f, 0xff, 4, 8]);
    let all = reports(&bytes);
    let [Report::Arrivals(arrivals)] = all[..] else { panic!("{all:?}") };
    assert_eq!(arrivals.packets().count(), 2);
    assert_eq!(reports(&packet(u16::MAX, &[0x3f, 0xff, 4, 8])), []);
    assert_eq!(reports(&packet(1, &[])).len(), 1);
}
