//! An opened compound RTCP packet.
#![no_main]

use crescendo::sfu::rtcp::{self, MAX_TOLD, Report};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|compound: &[u8]| {
    rtcp::read(compound, |report| match report {
        Report::Nack { sequences, .. } => assert!(sequences.len() <= compound.len() * 17 / 4),
        Report::Arrivals(arrivals) => assert!(arrivals.packets().count() <= usize::from(MAX_TOLD)),
        Report::Lost { lost, .. } => assert!(lost < 1 << 23),
        Report::Sender { .. } | Report::KeyFrame { .. } => {}
    });
});
