//! A message to the TURN server: from a stranger, from a client, and as if it had the right password.
#![no_main]

use crescendo::turn::trial::Trial;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    let mut trial = Trial::default();
    trial.message(message);
    trial.authentic(message);
});
