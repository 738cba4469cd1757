use super::super::chunk;
use super::*;

const LIMITS: Limits =
    Limits { message_bytes: 65_536, channels: 16, queue_bytes: 262_144, messages_per_second: 1_000, max_kbps: 100_000 };
/// First number of the far end.
const FIRST: u32 = u32::MAX - 20;

fn begun() -> Guard {
    let mut guard = Guard::new(LIMITS, 131_072);
    assert_eq!(guard.admit_first(&packet(&[&init(FIRST)])), Verdict::Pass);
    guard
}

fn packet(chunks: &[&[u8]]) -> Vec<u8> {
    let padded = chunks.iter().flat_map(|chunk| {
        let padding = chunk.len().next_multiple_of(4) - chunk.len();
        chunk.iter().copied().chain(std::iter::repeat_n(0, padding))
    });
    std::iter::repeat_n(0, 12).chain(padded).collect()
}

fn init(first: u32) -> Vec<u8> {
    let mut init = vec![0; 20];
    init[..4].copy_from_slice(&[1, 0, 0, 20]);
    init[16..].copy_from_slice(&first.to_be_bytes());
    init
}

/// Flags of a DATA chunk.
const UNORDERED: u8 = 4;
const BEGIN: u8 = 2;
const END: u8 = 1;

/// The far end's `number`th chunk, on stream 0.
fn data(number: u32, flags: u8, sequence: u16, bytes: usize) -> Vec<u8> {
    let length = u16::try_from(16 + bytes).unwrap().to_be_bytes();
    let head = [0, flags].into_iter().chain(length).chain(tsn(number)).chain([0, 0]).chain(sequence.to_be_bytes());
    head.chain([0, 0, 0, 53]).chain(std::iter::repeat_n(7, bytes)).collect()
}

fn tsn(number: u32) -> [u8; 4] {
    FIRST.wrapping_add(number).to_be_bytes()
}

fn given_up(number: u32, streams: &[(u16, u16)]) -> Vec<u8> {
    let length = u16::try_from(8 + 4 * streams.len()).unwrap().to_be_bytes();
    let pairs = streams.iter().flat_map(|(stream, last)| [stream.to_be_bytes(), last.to_be_bytes()]).flatten();
    [192, 0].into_iter().chain(length).chain(tsn(number)).chain(pairs).collect()
}

fn acknowledged(number: u32, gaps: &[[u16; 2]]) -> Vec<u8> {
    let length = u16::try_from(16 + 4 * gaps.len()).unwrap().to_be_bytes();
    let count = u16::try_from(gaps.len()).unwrap().to_be_bytes();
    let blocks = gaps.iter().flatten().flat_map(|number| number.to_be_bytes());
    let head = [3, 0].into_iter().chain(length).chain(tsn(number)).chain([0; 4]).chain(count).chain([0; 2]);
    head.chain(blocks).collect()
}

#[test]
fn a_far_end_cannot_move_the_window_further_than_what_could_be_in_flight() {
    let mut guard = begun();
    assert_eq!(guard.admit(&packet(&[&given_up(5_000, &[])])), Verdict::Drop);
    assert_eq!(guard.admit(&packet(&[&given_up(4_000, &[])])), Verdict::Pass);
    assert_eq!(guard.admit(&packet(&[&given_up(10, &[])])), Verdict::Pass, "what is behind is late");
    assert_eq!(guard.admit(&packet(&[&data(9_000, BEGIN | END, 0, 1)])), Verdict::Drop);
    guard.sent(&packet(&[&acknowledged(6_000, &[])]));
    assert_eq!(guard.admit(&packet(&[&data(9_000, BEGIN | END, 0, 1)])), Verdict::Pass);
    assert_eq!(guard.admit(&packet(&[&init(FIRST)])), Verdict::Drop);
    assert_eq!(guard.admit(&packet(&[&acknowledged(1, &[[2, 9], [11, 700]])])), Verdict::Pass);
    let again_and_again = acknowledged(1, &[[1, 2_000]; 300]);
    assert_eq!(guard.admit(&packet(&[&again_and_again])), Verdict::Drop, "the same again and again");
}

#[test]
fn what_is_no_whole_chunk_is_not_looked_at() {
    let cause = packet(&[&[6, 0, 0, 8, 0, 0, 8, 0]]);
    assert!(!chunk::is_well_formed(&cause), "a cause that is not there");
    for cut in [&b""[..], &[0; 11], &[0; 12], &[0; 15], &packet(&[&[0, 0, 0, 3]]), &packet(&[&[0, 0, 0, 9, 1]])] {
        assert!(!chunk::is_well_formed(cut), "{cut:?}");
    }
}

#[test]
fn pieces_of_a_message_that_never_ends_end_the_association() {
    for flags in [0, UNORDERED] {
        let mut guard = begun();
        let mut number = 0;
        while guard.admit(&packet(&[&data(number, if number == 0 { BEGIN } else { 0 } | flags, 0, 1_000)]))
            == Verdict::Pass
        {
            guard.sent(&packet(&[&acknowledged(number, &[])]));
            number += 1;
        }
        assert!((200..300).contains(&number), "{number} pieces");
    }
}

#[test]
fn what_comes_again_is_not_counted_again() {
    let mut guard = begun();
    for _ in 0..1_000 {
        assert_eq!(guard.admit(&packet(&[&data(1, UNORDERED | BEGIN, 0, 1_000)])), Verdict::Pass);
        assert_eq!(guard.admit(&packet(&[&data(3, UNORDERED | BEGIN | END, 0, 1_000)])), Verdict::Pass);
        guard.sent(&packet(&[&acknowledged(u32::MAX, &[[2, 2], [4, 4]])]));
    }
    assert_eq!(guard.held.piece_bytes(), 1_016 + 256);
    assert_eq!(guard.held.untaken_bytes(), 1_016 + 256);
    // It is complete, and its pieces come again.
    guard.admit(&packet(&[&data(2, UNORDERED | END, 0, 10)]));
    guard.sent(&packet(&[&acknowledged(u32::MAX, &[[2, 4]])]));
    assert_eq!(guard.held.piece_bytes(), 0);
    guard.admit(&packet(&[&data(2, UNORDERED | END, 0, 10)]));
    guard.emptied(0);
    assert_eq!((guard.held.piece_bytes(), guard.held.untaken_bytes()), (0, 0));
}

#[test]
fn what_the_far_end_gives_up_is_not_held() {
    let mut guard = begun();
    guard.admit(&packet(&[&data(1, UNORDERED | BEGIN, 0, 1_000), &data(3, 0, 0, 1_000), &data(5, BEGIN, 1, 1_000)]));
    guard.sent(&packet(&[&acknowledged(u32::MAX, &[[2, 2], [4, 4], [6, 6]])]));
    assert_eq!(guard.held.piece_bytes(), 3 * (1_016 + 256));
    // What keeps order goes with its stream alone.
    guard.admit(&packet(&[&given_up(2, &[])]));
    assert_eq!(guard.held.piece_bytes(), 2 * (1_016 + 256));
    guard.admit(&packet(&[&given_up(4, &[(0, 0)])]));
    assert_eq!(guard.held.piece_bytes(), 1_016 + 256);
    guard.admit(&packet(&[&given_up(6, &[(0, 1)])]));
    assert_eq!(guard.held.piece_bytes(), 0);
}

#[test]
fn giving_up_what_has_come_changes_nothing() {
    let mut guard = begun();
    guard.admit(&packet(&[&data(0, UNORDERED | BEGIN, 0, 1_000), &given_up(0, &[])]));
    assert_eq!(guard.held.piece_bytes(), 1_016 + 256, "the library keeps it, too");
}

#[test]
fn what_the_library_refused_is_not_held() {
    let mut guard = begun();
    guard.admit(&packet(&[&data(0, UNORDERED | BEGIN, 0, 1_000), &data(1, UNORDERED | END, 0, 1_000)]));
    guard.sent(&packet(&[&acknowledged(0, &[])]));
    assert_eq!(guard.held.piece_bytes(), 1_016 + 256, "half a message");
    guard.admit(&packet(&[&data(1, UNORDERED | END, 0, 1_000)]));
    guard.sent(&packet(&[&acknowledged(1, &[])]));
    assert_eq!(guard.held.piece_bytes(), 0);
}

#[test]
fn messages_that_nobody_takes_are_held_up_and_those_behind_a_gap_count() {
    let mut guard = begun();
    // The stream's first is missing.
    let mut number = 1;
    while guard.admit(&packet(&[&data(number, BEGIN | END, u16::try_from(number).unwrap(), 100)])) == Verdict::Pass {
        // Nothing of it can be read.
        guard.emptied(0);
        number += 1;
    }
    assert!((500..1_500).contains(&number), "{number} messages");
    assert_eq!(guard.admit(&packet(&[&acknowledged(1, &[])])), Verdict::Pass, "other packets go on");
    guard.reset(0);
    assert_eq!(guard.held.untaken_bytes(), 0);
}
