//! The process that is measured: the media plane and nothing else, told of a scenario's transports as signaling would tell it.

use std::io::BufRead;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use clap::Args;
use crescendo::config;
use crescendo::sfu::{
    Command, Direction, DtlsRole, Event, IceCredential, Kind, PublicationId, Receive, Remote, Send, Sfu, ShardId,
    TransportId, Wish,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::sync::mpsc;

use super::scenario::{Figures, Opened, Role, Scenario};
use crate::server;

/// What the far end calls itself.
pub(crate) const UFRAG: &str = "load";
pub(crate) const PWD: &str = "loadloadloadloadloadload";
pub(crate) const MID: &str = "1";
/// Everybody connects one after the other.
const HANDSHAKE_MS: u32 = 300_000;
/// What a sender may bring is for the scenario to say.
const MAX_KBPS: u32 = 1_000_000;

#[derive(Args)]
pub(crate) struct Options {
    #[arg(long)]
    scenario: String,
    /// SHA-256 of the certificate of all far ends, in hexadecimal.
    #[arg(long)]
    fingerprint: String,
    /// Keys of `[sfu]` over their defaults, as a TOML table.
    #[arg(long, default_value = "")]
    set: String,
}

/// Opens the scenario's transports and prints them on one line; then prints figures for each line that it reads.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let scenario: Scenario = serde_json::from_str(&options.scenario)?;
    let fingerprint = fingerprint(&options.fingerprint)?;
    let mut config: config::Sfu = toml::from_str(&options.set)?;
    config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.handshake_ms = HANDSHAKE_MS;
    config.max_kbps = MAX_KBPS;
    let recorder = PrometheusBuilder::new().install_recorder()?;
    let sfu = Sfu::start(&config)?;
    let mut host = Host { sfu, fingerprint, events: Vec::new(), opened: Vec::new() };
    for room in 0..scenario.rooms {
        host.room(&scenario, room)?;
    }
    println!("{}", serde_json::to_string(&host.opened)?);
    for line in std::io::stdin().lock().lines() {
        line?;
        println!("{}", serde_json::to_string(&figures(&recorder)?)?);
    }
    host.sfu.stop();
    Ok(())
}

struct Host {
    sfu: Sfu,
    fingerprint: [u8; 32],
    /// Kept, so that the shard does not complain that nobody listens.
    events: Vec<mpsc::Receiver<Event>>,
    opened: Vec<Opened>,
}

impl Host {
    fn room(&mut self, scenario: &Scenario, room: usize) -> anyhow::Result<()> {
        let shard = self.sfu.place(&format!("room{room}").parse()?);
        let mut publications = Vec::new();
        for sender in 0..scenario.senders {
            let publication = self.sfu.next_publication_id();
            publications.push(publication);
            let ssrc = (room * scenario.senders + sender + 1) as u32;
            let receive =
                Receive { mid: MID.into(), ssrc: Some(ssrc), repair_ssrc: None, kind: Kind::Video, publication };
            self.open(shard, Direction::Up, vec![receive], Role::Sends { ssrc })?;
        }
        for receiver in 0..scenario.receivers() {
            let transport = self.open(shard, Direction::Down, Vec::new(), Role::Receives)?;
            for (sender, publication) in publications.iter().enumerate().filter(|(s, _)| scenario.gets(receiver, *s)) {
                self.subscribe(shard, transport, sender, *publication)?;
            }
        }
        Ok(())
    }

    fn open(
        &mut self,
        shard: ShardId,
        direction: Direction,
        receive: Vec<Receive>,
        role: Role,
    ) -> anyhow::Result<TransportId> {
        let local = self.sfu.local(shard);
        let transport = self.sfu.next_transport_id();
        let (to, events) = mpsc::channel(16);
        self.events.push(events);
        let address = *local.candidates.first().context("the server has an address")?;
        let IceCredential { ufrag, pwd } = local.ice.clone();
        self.opened.push(Opened { address, ufrag, pwd, role });
        self.send(shard, Command::Open { transport, direction, local: local.ice, events: to })?;
        let ice = IceCredential { ufrag: UFRAG.into(), pwd: PWD.into() };
        let remote =
            Remote { ice, fingerprint: self.fingerprint, dtls: DtlsRole::Client, receive, data: false, numbers: None };
        self.send(shard, Command::SetRemote { transport, remote })?;
        Ok(transport)
    }

    fn subscribe(
        &self,
        shard: ShardId,
        transport: TransportId,
        sender: usize,
        publication: PublicationId,
    ) -> anyhow::Result<()> {
        let (mid, ssrc) = (sender.to_string(), 1_000_000 + sender as u32);
        let send = Send { mid, ssrc, rtx: None, red: false, transport_cc: false, screen: false, publication };
        self.send(shard, Command::Subscribe { transport, send, wish: Wish::default() })
    }

    /// Waits while the media thread has no room.
    fn send(&self, shard: ShardId, mut command: Command) -> anyhow::Result<()> {
        while let Err(crescendo::sfu::ShardFull(back)) = self.sfu.send(shard, command) {
            anyhow::ensure!(self.sfu.is_alive(), "the media thread has ended");
            command = *back;
            std::thread::yield_now();
        }
        Ok(())
    }
}

fn fingerprint(text: &str) -> anyhow::Result<[u8; 32]> {
    let digits: Vec<u8> = text
        .as_bytes()
        .chunks(2)
        .map(|two| Ok(u8::from_str_radix(std::str::from_utf8(two)?, 16)?))
        .collect::<anyhow::Result<_>>()?;
    digits.try_into().ok().context("a fingerprint has 32 bytes")
}

fn figures(recorder: &PrometheusHandle) -> anyhow::Result<Figures> {
    let server::Counted { packets, trains, calls } = server::counted(&recorder.render())?;
    let own = Path::new("/proc/self");
    Ok(Figures { cpu_ns: server::cpu_ns(own)?, packets, trains, calls, resident_kb: server::resident_kb(own)? })
}
