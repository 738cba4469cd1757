//! The webrtc-rs family's SRTP is the independent counterpart.

use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;

use super::*;

fn keys(profile: ProtectionProfile) -> Keys {
    let (key, salt) = ((1..17).collect(), (101..101 + profile.salt_len() as u8).collect());
    Keys { profile, key, salt }
}

fn rtp(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x90, 96, 0, 0, 0, 0, 0, 9, 0, 0, 0, 7, 0xbe, 0xde, 0, 1, 0x10, b'1', 0, 0];
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(format!("payload {sequence}").as_bytes());
    packet
}

const PROFILES: [ProtectionProfile; 2] = [ProtectionProfile::AeadAes128Gcm, ProtectionProfile::Aes128CmHmacSha1_80];

/// RFC 3711 appendix B.3.
#[test]
fn session_keys_are_those_of_the_rfc() {
    let master = [0xe1, 0xf9, 0x7a, 0x0d, 0x3e, 0x01, 0x8b, 0xe0, 0xd6, 0x4f, 0xa3, 0x2c, 0x06, 0xde, 0x41, 0x39];
    let salt = [0x0e, 0xc6, 0x75, 0xad, 0x49, 0x8a, 0xfe, 0xeb, 0xb6, 0x96, 0x0b, 0x3a, 0xab, 0xe6];
    let key = [0xc6, 0x1e, 0x7a, 0x93, 0x74, 0x4f, 0x39, 0xee, 0x10, 0x73, 0x4a, 0xfe, 0x3f, 0xf7, 0xa0, 0x87];
    let session_salt = [0x30, 0xcb, 0xbc, 0x08, 0x86, 0x3d, 0x8c, 0x85, 0xd4, 0x9d, 0xb3, 0x4a, 0x9a, 0xe1];
    assert_eq!(derive::<16>(&master, &salt, 0), Ok(key));
    assert_eq!(derive::<14>(&master, &salt, 2), Ok(session_salt));
}

/// RFC 7714 section 16.1.1, whose session key and salt are given.
#[test]
fn a_sealed_packet_is_that_of_the_rfc() {
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    let key = UnboundKey::new(&AES_128_GCM, &(0..16).collect::<Vec<u8>>()).unwrap();
    let salt = hex("517569642070726f2071756f").try_into().unwrap();
    let gcm = Gcm { key: LessSafeKey::new(key), salt };
    let header = hex("8040f17b8041f8d35501a0b2");
    let mut packet = hex(concat!("47616c6c696120657374206f6d6e6973206469766973612069", "6e207061727465732074726573"));
    let tag = gcm.seal(gcm.rtp_nonce(0x5501_a0b2, 0xf17b), &header, &mut packet).unwrap();
    packet.extend_from_slice(&tag);
    let sealed = concat!(
        "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b",
        "36de3adf8833899d7f27beb16a9152cf765ee4390cce"
    );
    assert_eq!(packet, hex(sealed));
}

#[test]
fn packets_of_another_implementation_are_opened_across_a_roll_over() {
    let provider = AwsLcRsProvider::default();
    for profile in PROFILES {
        let mut other = context(&keys(profile), provider.crypto()).unwrap();
        let mut inbound = Inbound::new(&keys(profile), provider.crypto()).unwrap();
        for sequence in (65_400..=65_535).chain(0..200) {
            let mut sealed = other.encrypt_rtp(&rtp(sequence)).unwrap();
            let length = inbound.open_rtp(&mut sealed).unwrap();
            assert_eq!(sealed[..length], rtp(sequence));
        }
    }
}

#[test]
fn packets_are_opened_by_another_implementation_across_a_roll_over() {
    let provider = AwsLcRsProvider::default();
    for profile in PROFILES {
        let mut outbound = Outbound::new(&keys(profile), provider.crypto()).unwrap();
        let mut other = context(&keys(profile), provider.crypto()).unwrap();
        for index in 32_000..66_000_u64 {
            let mut buffer = b"before".to_vec();
            buffer.extend_from_slice(&rtp(index as u16));
            outbound.seal_rtp(index, &mut buffer, 6).unwrap();
            if index % 100 == 0 || index > 65_500 {
                assert_eq!(other.decrypt_rtp(&buffer[6..]).unwrap()[..], rtp(index as u16));
            }
        }
    }
}

#[test]
fn rtcp_goes_both_ways() {
    let provider = AwsLcRsProvider::default();
    let report = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 9];
    for profile in PROFILES {
        let mut other = context(&keys(profile), provider.crypto()).unwrap();
        let mut inbound = Inbound::new(&keys(profile), provider.crypto()).unwrap();
        let mut sealed = other.encrypt_rtcp(&report).unwrap();
        let mut again = sealed.clone();
        let length = inbound.open_rtcp(&mut sealed).unwrap();
        assert_eq!(sealed[..length], report);
        assert!(inbound.open_rtcp(&mut again).is_err());

        let mut outbound = Outbound::new(&keys(profile), provider.crypto()).unwrap();
        for _ in 0..3 {
            let mut buffer = report.to_vec();
            outbound.seal_rtcp(&mut buffer, 0).unwrap();
            assert_eq!(other.decrypt_rtcp(&buffer).unwrap()[..], report);
        }
    }
}

#[test]
fn late_packets_are_opened_once_and_forged_ones_never() {
    let provider = AwsLcRsProvider::default();
    let keys = keys(ProtectionProfile::AeadAes128Gcm);
    let mut outbound = Outbound::new(&keys, provider.crypto()).unwrap();
    let mut inbound = Inbound::new(&keys, provider.crypto()).unwrap();
    let mut sealed = |index: u64| {
        let mut buffer = rtp(index as u16);
        outbound.seal_rtp(index, &mut buffer, 0).unwrap();
        buffer
    };
    let packets: Vec<Vec<u8>> = (0..3_000).map(&mut sealed).collect();
    let mut open = |index: usize| inbound.open_rtp(&mut packets[index].clone());
    assert!(open(0).is_ok());
    assert!(open(1_000).is_ok());
    assert!(open(500).is_ok());
    assert_eq!(open(500), Err(SrtpError::Replayed));
    assert_eq!(open(1_000), Err(SrtpError::Replayed));
    assert!(open(2_000).is_ok());
    assert_eq!(open(900), Err(SrtpError::Replayed));
    assert!(open(2_999).is_ok());
    assert!(open(1_999).is_ok(), "a slot that was passed over is free");
    let mut forged = packets[1_998].clone();
    forged[20] ^= 1;
    assert_eq!(inbound.open_rtp(&mut forged), Err(SrtpError::Authentication));
    assert_eq!(inbound.open_rtp(&mut [0x80; 5]), Err(SrtpError::Malformed));
    assert_eq!(inbound.open_rtcp(&mut [0x80; 20]), Err(SrtpError::Malformed));
}
