//! What a TCP connection to the TURN server brings: STUN messages and padded ChannelData, one after the other.
#![no_main]

use crescendo::turn::trial::Trial;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| Trial::default().stream(bytes));
