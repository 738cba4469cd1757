//! One WebSocket text frame of a client. What parses must also survive being written and read again.
#![no_main]

use crescendo::signal::message::ClientMessage;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    let Ok(message) = serde_json::from_slice::<ClientMessage>(frame) else { return };
    let text = serde_json::to_string(&message).expect("a message that was read can be written");
    let again: ClientMessage = serde_json::from_str(&text).expect("a message that was written can be read");
    // Not equal to the last bit: a number in an app's own data may lose digits.
    assert_eq!(std::mem::discriminant(&message), std::mem::discriminant(&again));
});
