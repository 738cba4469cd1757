//! Trains: packets that leave together need one length, the last excepted, which may be shorter. RTP padding (RFC 3550
//! section 5.1) makes up what is missing. Encoders split a frame into packets that are a byte apart, so that it is little.

/// Most bytes that a packet is made longer by. Higher: longer trains where sizes differ, for more bytes on the wire that mean
/// nothing; lower: more send calls. RTP can say 255.
pub const MAX_PADDING: usize = 100;

/// How many of the packets, from the first on, make one train, and the length that all of them get but a last one that is
/// shorter. `lengths` has at least one.
pub fn train(lengths: impl Iterator<Item = usize>) -> (usize, usize) {
    let (mut count, mut least, mut most) = (0, usize::MAX, 0);
    for length in lengths {
        if count > 0 && length > least + MAX_PADDING {
            break;
        }
        count += 1;
        if length + MAX_PADDING < most {
            break;
        }
        (least, most) = (least.min(length), most.max(length));
    }
    (count, most)
}
