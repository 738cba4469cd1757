//! `crescendo doctor URL`: tries, from where it runs, everything that a client of a server needs, and says what to do about what
//! does not work.
//!
//! [`reach`] opens connections, [`call`] joins a room of its own, [`stun`] writes and reads messages, [`relay`] is a TURN client.
//! It knows a server as clients do: by what that says.

mod call;
mod reach;
mod relay;
mod show;
mod stun;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hyper::header::{self, HeaderName};
use serde::Serialize;
use tokio::task::JoinSet;
use url::Url;

use self::call::Call;
use self::reach::Site;
use self::relay::IceUrl;
use crate::signal::message::IceServer;

/// Nothing below `/hls/` is answered without: players of other origins are told what they may read. What else answers has not.
const HLS_MARK: HeaderName = header::ACCESS_CONTROL_EXPOSE_HEADERS;

/// The command's arguments.
#[derive(Debug, Clone, clap::Args)]
pub struct Ask {
    /// Where the server's pages are, as https://call.example
    pub url: Url,
    /// What to join with, where the server wants a token.
    #[arg(long)]
    pub token: Option<String>,
    /// PEM file with whom to trust for TLS.
    #[arg(long, default_value = "/etc/ssl/certs/ca-certificates.crt")]
    pub roots: PathBuf,
    /// Milliseconds that each attempt may take.
    #[arg(long, default_value_t = 5_000)]
    pub patience_ms: u32,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    #[error("{0} is no http:// or https:// address of a server")]
    Address(Url),
    #[error(transparent)]
    Roots(#[from] crate::listen::TlsError),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub lines: Vec<Line>,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// `signaling`, `turn:192.0.2.1:3478?transport=udp`, …
    pub what: String,
    pub took_ms: u64,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Good {
        detail: String,
    },
    Failed {
        why: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// It could not be tried, for want of what comes before it, or the server does not have it.
    Untried {
        why: String,
    },
}

impl Report {
    pub fn is_good(&self) -> bool {
        !self.lines.iter().any(|line| matches!(line.outcome, Outcome::Failed { .. }))
    }
}

/// Tries one thing after the other, STUN and TURN all at once.
pub async fn examine(ask: &Ask) -> Result<Report, DoctorError> {
    let site = Site::new(&ask.url, &ask.roots).await?;
    let patience = Duration::from_millis(ask.patience_ms.into());
    let attempt = Attempt { patience };
    let room = format!("doctor-{:016x}", fastrand::u64(..));
    let playlist = format!("/hls/{room}/index.m3u8");

    let mut lines = vec![
        attempt.of("pages", advice::PAGES, site.get("/readyz", &[200], None)).await.0,
        attempt.of("API", advice::PAGES, site.get("/api/v1/capabilities", &[200], None)).await.0,
        attempt.of("HLS", advice::HLS, site.get(&playlist, &[200, 401, 403, 404], Some(&HLS_MARK))).await.0,
    ];
    let joining = async {
        let (call, detail) = Call::join(&site, &room, ask.token.as_deref()).await?;
        Ok::<_, call::CallError>((detail, call))
    };
    let (line, call) = attempt.with("signaling", advice::SIGNALING, joining).await;
    lines.push(line);
    let Some(mut call) = call else {
        let why = "signaling says where it is, and did not answer";
        lines.extend(["media port", "STUN and TURN"].map(|what| untried(what, why)));
        return Ok(Report { lines });
    };
    let servers = std::mem::take(&mut call.ice_servers);
    lines.push(match attempt.offer(&mut call).await {
        Ok(offer) => attempt.of("media port", advice::MEDIA, offer.check(patience)).await.0,
        Err(why) => untried("media port", &why),
    });
    call.leave().await;
    lines.extend(attempt.ice(&site, servers).await);
    Ok(Report { lines })
}

fn untried(what: &str, why: &str) -> Line {
    Line { what: what.into(), took_ms: 0, outcome: Outcome::Untried { why: why.into() } }
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    patience: Duration,
}

impl Attempt {
    async fn of<E: Display>(
        self,
        what: &str,
        advice: &'static str,
        trying: impl Future<Output = Result<String, E>>,
    ) -> (Line, Option<()>) {
        self.with(what, advice, async { trying.await.map(|detail| (detail, ())) }).await
    }

    /// With what came of it.
    async fn with<T, E: Display>(
        self,
        what: &str,
        advice: &'static str,
        trying: impl Future<Output = Result<(String, T), E>>,
    ) -> (Line, Option<T>) {
        let began = Instant::now();
        let (outcome, gained) = match tokio::time::timeout(self.patience, trying).await {
            Ok(Ok((detail, gained))) => (Outcome::Good { detail }, Some(gained)),
            Ok(Err(error)) => (Outcome::Failed { why: error.to_string(), advice }, None),
            Err(_) => (Outcome::Failed { why: format!("no answer in {} ms", self.patience.as_millis()), advice }, None),
        };
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        (Line { what: what.into(), took_ms, outcome }, gained)
    }

    async fn offer(self, call: &mut Call) -> Result<call::Offer, String> {
        match tokio::time::timeout(self.patience, call.offer()).await {
            Ok(offer) => offer.map_err(|error| error.to_string()),
            Err(_) => Err("the server did not offer a transport in time".into()),
        }
    }

    /// Every STUN and TURN server that the welcome named, in that order.
    async fn ice(self, site: &Site, servers: Vec<IceServer>) -> Vec<Line> {
        if servers.is_empty() {
            return vec![untried("STUN and TURN", "this server names none (`turn.enabled`)")];
        }
        let mut running = JoinSet::new();
        let named = servers.into_iter().flat_map(|server| {
            let credentials = server.username.zip(server.credential);
            server.urls.into_iter().map(move |url| (url, credentials.clone()))
        });
        for (number, (text, credentials)) in named.enumerate() {
            let site = site.clone();
            running.spawn(async move {
                let Some(url) = IceUrl::parse(&text) else { return (number, untried(&text, "unknown to this doctor")) };
                let trying = relay::examine(&site, &url, credentials.as_ref());
                (number, self.of(&text, url.advice(), trying).await.0)
            });
        }
        let mut lines = running.join_all().await;
        lines.sort_by_key(|(number, _)| *number);
        lines.into_iter().map(|(_, line)| line).collect()
    }
}

/// What to do.
mod advice {
    pub(super) const PAGES: &str = "is the server running (systemctl status crescendo), is the TCP port of tls.listen or http.listen \
                                    let in, does the name lead there, is the certificate good? `crescendo check` on the server tells";
    pub(super) const HLS: &str = "a proxy in front has to pass /hls/ on";
    pub(super) const SIGNALING: &str =
        "a proxy in front has to pass WebSocket upgrades of /signal on; where tokens are needed, --token";
    pub(super) const MEDIA: &str = "let in UDP on sfu.listen, and behind a NAT set sfu.announce to the address outside; rooms of more \
                                    than a few, broadcasts and recordings depend on it";
    pub(super) const STUN: &str =
        "let in UDP on turn.listen, and behind a NAT set turn.announce to the address outside";
    pub(super) const TURN_UDP: &str =
        "let in UDP on turn.listen and on the ports from turn.first_port to turn.last_port";
    pub(super) const TURN_TCP: &str = "let in TCP on turn.listen";
    pub(super) const TURN_TLS: &str =
        "let in TCP on turn.tls_listen or tls.listen; turn.public_host has to be a name in the certificate";
}
