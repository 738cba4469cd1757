//! Forwarding allocates nothing. A binary of its own, since its allocator counts.

#![allow(unsafe_code, reason = "an allocator cannot be written without")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test says where")]
#![allow(dead_code, reason = "the client does more for other tests")]

#[path = "../it/sfu/client.rs"]
mod client;
#[path = "../it/sfu/feedback.rs"]
mod feedback;
#[path = "../it/sfu/sctp.rs"]
mod sctp;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use client::{Client, Dtls};
use crescendo::config;
use crescendo::sfu::sdp::{Down, Up};
use crescendo::sfu::{Command, Direction, PublicationId, Sfu, ShardId, Source, VideoCodec, Wish};
use feedback::arrivals;
use rtc_rtp::header::{Extension, Header};
use rtc_rtp::packet::Packet;
use tokio::sync::mpsc;

/// Counts what one thread allocates.
struct Counting;

/// The kernel's number of that thread; 0 for none.
static WATCHED: AtomicI32 = AtomicI32::new(0);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

impl Counting {
    fn count(&self) {
        let watched = WATCHED.load(Ordering::Relaxed);
        // SAFETY: gettid takes nothing and only answers.
        if watched != 0 && unsafe { libc::gettid() } == watched {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
    }
}

// SAFETY: everything is left to the system's allocator, and counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.count();
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PUBLICATION: PublicationId = PublicationId(1);
const CODECS: [VideoCodec; 1] = [VideoCodec::Vp8];
const RECEIVERS: usize = 3;
/// Packets that are kept: few, so that they fill the ring within a second, which is how long it keeps them, on a slow machine too.
const RING: usize = 64;
/// Frames before anything is counted, and while it is.
const FRAMES: u16 = 200;
const PACKETS: u16 = 6;
const FIRST: u16 = 65_000;
/// Frames between two feedbacks of a receiver.
const FRAMES_TOLD: u16 = 10;
const TRANSPORT_CC: u8 = 4;
const BETWEEN_FRAMES: Duration = Duration::from_millis(8);

/// The kernel's number of the one media thread.
fn media_thread() -> i32 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap());
    let media: Vec<i32> = tasks
        .filter(|task| std::fs::read_to_string(task.path().join("comm")).unwrap().starts_with("media-"))
        .map(|task| task.file_name().to_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(media.len(), 1);
    media[0]
}

fn video(sequence: u16, key: bool, length: usize) -> Packet {
    let mut payload = vec![7; length];
    payload[..2].copy_from_slice(&[if key { 0x10 } else { 0 }, 0]);
    let extension = |id, payload: &[u8]| Extension { id, payload: Bytes::copy_from_slice(payload) };
    let header = Header {
        version: 2,
        payload_type: 96,
        sequence_number: sequence,
        timestamp: u32::from(sequence) * 3_000,
        ssrc: 5,
        extension: true,
        extension_profile: 0xbede,
        extensions: vec![extension(1, b"1"), extension(4, &sequence.to_be_bytes())],
        ..Default::default()
    };
    Packet { header, payload: Bytes::from(payload) }
}

struct Plane {
    sfu: Sfu,
    shard: ShardId,
    /// Kept, so that the shard does not complain that nobody listens.
    events: Vec<mpsc::Receiver<crescendo::sfu::Event>>,
}

impl Plane {
    fn start(estimates: bool) -> Self {
        let listen = "127.0.0.1:0".parse().unwrap();
        let config = config::Sfu {
            listen,
            pin: false,
            history_packets: RING,
            bandwidth_estimation: estimates,
            down_start_kbps: 50_000,
            ..Default::default()
        };
        let sfu = Sfu::start(&config).unwrap();
        let shard = sfu.place(&"room".parse().unwrap());
        Self { sfu, shard, events: Vec::new() }
    }

    fn send(&self, command: Command) {
        self.sfu.send(self.shard, command).unwrap();
    }

    async fn sender(&mut self) -> Client {
        let (transport, local) = (self.sfu.next_transport_id(), self.sfu.local(self.shard));
        let (events, from) = mpsc::channel(64);
        self.events.push(from);
        self.send(Command::Open { transport, direction: Direction::Up, local: local.ice.clone(), events });
        let mut client = Client::new(&local, Dtls::Passive).await;
        let mut description = Up::new(local, &CODECS, 1_500);
        let answer = client.answer(&description.offer());
        let remote = description.answer(&answer, |_| PUBLICATION).unwrap();
        self.send(Command::SetRemote { transport, remote });
        client.connect().await;
        client
    }

    async fn receiver(&mut self) -> Client {
        let (transport, local) = (self.sfu.next_transport_id(), self.sfu.local(self.shard));
        let (events, from) = mpsc::channel(64);
        self.events.push(from);
        self.send(Command::Open { transport, direction: Direction::Down, local: local.ice.clone(), events });
        let mut client = Client::new(&local, Dtls::Passive).await;
        client.rtx = true;
        let mut description = Down::new(local, &CODECS, 1);
        description.assign(PUBLICATION, Source::Camera);
        let answer = client.answer(&description.offer().unwrap());
        let (remote, sends) = description.answer(&answer).unwrap();
        self.send(Command::SetRemote { transport, remote });
        sends.into_iter().for_each(|send| self.send(Command::Subscribe { transport, send, wish: Wish::default() }));
        client.connect().await;
        client
    }
}

/// Tells when packets came, those after the first `told`.
async fn feed_back(receiver: &mut Client, told: &mut usize) {
    let number = |packet: &Packet| {
        let number = packet.header.extensions.iter().find(|extension| extension.id == TRANSPORT_CC).unwrap();
        u16::from_be_bytes([number.payload[0], number.payload[1]])
    };
    let all = receiver.rtp.iter().zip(&receiver.came).map(|(packet, came)| (number(packet), Some(*came)));
    let new: Vec<_> = all.skip(std::mem::replace(told, receiver.rtp.len())).collect();
    let feedback = arrivals(receiver.came[0], &new, 0);
    receiver.send_rtcp(&feedback).await;
}

/// How often the media thread allocated, and how many RTCP packets the sender got meanwhile.
async fn allocations(estimates: bool) -> (u64, usize) {
    let mut plane = Plane::start(estimates);
    let mut sender = plane.sender().await;
    let mut receivers = Vec::new();
    for _ in 0..RECEIVERS {
        receivers.push((plane.receiver().await, 0));
    }

    let mut sequence = FIRST;
    for watched in [false, true] {
        // Answering ICE checks is no forwarding, and allocates.
        sender.checks = !watched;
        receivers.iter_mut().for_each(|(receiver, _)| receiver.checks = !watched);
        WATCHED.store(if watched { media_thread() } else { 0 }, Ordering::Relaxed);
        for frame in 0..FRAMES {
            for part in 0..PACKETS {
                sender.send(&video(sequence, !watched && frame == 0 && part == 0, 1_000 + usize::from(part % 3))).await;
                sequence = sequence.wrapping_add(1);
            }
            let all = usize::from(sequence.wrapping_sub(FIRST));
            for (receiver, told) in &mut receivers {
                receiver.until("the frame is there", |receiver| receiver.rtp.len() == all).await;
                if estimates && frame % FRAMES_TOLD == 0 {
                    feed_back(receiver, told).await;
                }
            }
            sender.run_for(BETWEEN_FRAMES).await;
        }
    }
    WATCHED.store(0, Ordering::Relaxed);
    plane.sfu.stop();
    (ALLOCATIONS.swap(0, Ordering::Relaxed), sender.rtcp.len())
}

#[tokio::test]
async fn forwarding_allocates_nothing() {
    for estimates in [false, true] {
        let (allocations, heard) = allocations(estimates).await;
        assert!(heard > 10, "with reports and feedback, of which there were {heard}");
        let packets = FRAMES * PACKETS;
        assert_eq!(allocations, 0, "for {packets} packets to {RECEIVERS} receivers, with estimates: {estimates}");
    }
}
