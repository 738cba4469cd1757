//! Datagrams as fast as they can be sent, from several sockets.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Sources of a flood.
const SOCKETS: usize = 16;
/// Sent at once, before it is looked whether the rate is kept.
const BATCH: usize = 64;

/// Goes on until it is stopped.
pub(crate) struct Flood {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Flooded>,
}

pub(crate) struct Flooded {
    pub(crate) sent: u64,
    /// Datagrams that came back.
    pub(crate) answers: u64,
    pub(crate) time: Duration,
}

impl Flooded {
    pub(crate) fn a_second(&self) -> f64 {
        self.sent as f64 / self.time.as_secs_f64()
    }
}

impl Flood {
    /// `datagrams` again and again to `to`, `a_second` of them at most.
    pub(crate) fn start(to: SocketAddr, datagrams: Vec<Vec<u8>>, a_second: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || flood(to, &datagrams, a_second, &stopped));
        Self { stop, thread }
    }

    pub(crate) fn stop(self) -> Flooded {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn flood(to: SocketAddr, datagrams: &[Vec<u8>], a_second: u32, stop: &AtomicBool) -> Flooded {
    let sockets: Vec<_> = (0..SOCKETS)
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(to).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        })
        .collect();
    let begun = Instant::now();
    let mut sent = 0_u64;
    let mut next = datagrams.iter().zip(0_usize..).cycle();
    while !stop.load(Ordering::Relaxed) {
        if sent as f64 > begun.elapsed().as_secs_f64() * f64::from(a_second) {
            thread::sleep(Duration::from_micros(200));
            continue;
        }
        for _ in 0..BATCH {
            let Some((datagram, at)) = next.next() else { break };
            // What the kernel has no room for was not sent.
            sent += u64::from(sockets[at % SOCKETS].send(datagram).is_ok());
        }
    }
    let time = begun.elapsed();
    let mut buffer = [0; 2_048];
    let answers =
        sockets.iter().map(|socket| std::iter::from_fn(|| socket.recv(&mut buffer).ok()).count() as u64).sum();
    Flooded { sent, answers, time }
}
