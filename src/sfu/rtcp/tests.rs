//! The webrtc-rs family's RTCP is the independent counterpart.

use rtc_rtcp::packet::unmarshal;
use rtc_rtcp::payload_feedbacks::full_intra_request::{FirEntry, FullIntraRequest};
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::{TransportLayerNack, nack_pairs_from_sequence_numbers};
use rtc_shared::marshal::Marshal;

use super::*;

fn reports(bytes: &[u8]) -> Vec<Report> {
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
        });
    }
    assert_eq!(asked, lost);
    assert_eq!(compounds(&[]).count(), 0);
}
