//! What the system has to give: ports, certificates, directories.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{self, Access as Mode};

use super::openings::{Opening, Protocol, openings};
use super::{Finding, Level};
use crate::access::Access;
use crate::config::{Config, Tls};
use crate::host::broadcasts::Mirror;
use crate::host::recordings::Upload;
use crate::jwks::Jwks;
use crate::listen::{self, Validity};
use crate::{trace, webhooks};

/// How long a name may take to be looked up.
const LOOKUP: Duration = Duration::from_secs(5);

/// A certificate that ends sooner is worth a word: authorities renew at a third of 90 days, so something has failed by then.
const SOON: Duration = Duration::from_secs(14 * 24 * 3_600);
/// TLS-ALPN-01 is asked for here (RFC 8737 section 3).
const ACME_PORT: u16 = 443;

pub(super) async fn findings(config: &Config) -> Vec<Finding> {
    let mut found = ports(config);
    found.extend(certificate(config).await);
    let Config { tls, legs, hls, record, log, webhooks, .. } = config;
    let mut directories = vec![
        ("hls.directory", hls.directory.as_path()),
        ("record.directory", &record.directory),
        ("legs.other_directory", &legs.other_directory),
    ];
    if !webhooks.urls.is_empty() {
        directories.push(("webhooks.directory", &webhooks.directory));
    }
    if needs_tls(config) && !tls.acme_domains.is_empty() {
        directories.push(("tls.acme_cache", &tls.acme_cache));
    }
    for (key, path) in directories.into_iter().filter(|(_, path)| !path.as_os_str().is_empty()) {
        if let Err(error) = writable(path) {
            found.push(Finding::problem(key, format!("cannot write to {}: {error}", path.display())));
        }
    }
    if let Err(error) = tracing_subscriber::EnvFilter::try_new(&log.filter) {
        found.push(Finding::problem("log.filter", error));
    }
    if let Err(error) = Access::load(config) {
        found.push(Finding::problem("access", error));
    }
    if let Err(error) = trace::start(&config.trace) {
        found.push(Finding::problem("trace.otlp", error));
    }
    if let Err(error) = webhooks::check(webhooks) {
        found.push(Finding::problem("webhooks", error));
    }
    found.extend(published_keys(config).await);
    if let Err(error) = Upload::new(record) {
        found.push(Finding::problem("record.upload_to", error));
    }
    if let Err(error) = Mirror::new(&config.hls) {
        found.push(Finding::problem("hls.upload_to", error));
    }
    found
}

/// Whether there are keys at the address that is named.
async fn published_keys(config: &Config) -> Option<Finding> {
    let mut jwks = match Jwks::new(&config.access) {
        Ok(jwks) => jwks?,
        Err(error) => return Some(Finding::problem("access.jwks_url", error)),
    };
    let access = Access::load(config).ok()?;
    let error = jwks.refresh(&access).await.err()?;
    Some(Finding::warning("access.jwks_url", format!("no keys from there now: {error}")))
}

fn ports(config: &Config) -> Vec<Finding> {
    // What is relayed takes its ports when it is needed, and any that is free.
    let mut fixed = openings(config, &[]);
    fixed.retain(|opening| opening.key != "turn.first_port");
    let own =
        fixed.iter().enumerate().flat_map(|(at, one)| fixed[..at].iter().filter_map(|other| collision(one, other)));
    let taken = fixed
        .iter()
        .filter_map(|opening| (opening.first_port..=opening.last_port).find_map(|port| bind(opening, port).err()));
    own.chain(taken).collect()
}

/// The same port twice, of a configuration alone: one of the two finds it taken.
fn collision(one: &Opening, other: &Opening) -> Option<Finding> {
    let is_everywhere = one.address.is_unspecified() || other.address.is_unspecified();
    let same_place = one.address == other.address || is_everywhere && one.address.is_ipv4() == other.address.is_ipv4();
    let first = one.first_port.max(other.first_port);
    let shared = first > 0 && first <= one.last_port.min(other.last_port);
    (one.protocol == other.protocol && same_place && shared)
        .then(|| Finding::problem(one.key, format!("port {first} is that of `{}`, too", other.key)))
}

/// Takes the port for a moment.
fn bind(opening: &Opening, port: u16) -> Result<(), Finding> {
    let at = SocketAddr::new(opening.address, port);
    let bound = match opening.protocol {
        Protocol::Udp => UdpSocket::bind(at).map(drop),
        Protocol::Tcp => TcpListener::bind(at).map(drop),
    };
    bound.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            let text = format!("{at} is taken; if not by the server itself, it cannot start");
            Finding { level: Level::Warning, key: opening.key, text }
        }
        ErrorKind::PermissionDenied => {
            let text = format!("{at} may not be bound by this user: ports below 1024 need CAP_NET_BIND_SERVICE");
            Finding::problem(opening.key, text)
        }
        _ => Finding::problem(opening.key, format!("cannot listen on {at}: {error}")),
    })
}

fn needs_tls(config: &Config) -> bool {
    !config.tls.listen.is_empty() || (config.turn.enabled && !config.turn.tls_listen.is_empty())
}

async fn certificate(config: &Config) -> Vec<Finding> {
    let tls = &config.tls;
    if !needs_tls(config) {
        return Vec::new();
    }
    if !tls.acme_domains.is_empty() {
        return authority(tls).await;
    }
    match listen::certificate(tls).await {
        Ok(validity) => validity_findings(&validity, &config.turn.public_host, SystemTime::now()),
        Err(error) => vec![Finding::problem("tls.cert", error)],
    }
}

/// What asking an authority takes.
async fn authority(tls: &Tls) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Err(error) = listen::trusting(tls.acme_root.clone()).await {
        found.push(Finding::problem("tls.acme_root", error));
    }
    if tls.listen.iter().all(|at| at.port() != ACME_PORT) {
        let text = "the authority asks on port 443: listen there, or have what comes to it sent here";
        found.push(Finding::warning("tls.acme_domains", text));
    }
    let lookups = tls.acme_domains.iter().map(|name| async move { Some((name, leads_nowhere(name).await?)) });
    for (name, why) in futures_util::future::join_all(lookups).await.into_iter().flatten() {
        let text = format!("{name} does not lead anywhere from here, and has to lead here for the authority: {why}");
        found.push(Finding::warning("tls.acme_domains", text));
    }
    found
}

/// Why nothing is found where a name leads, if so.
async fn leads_nowhere(name: &str) -> Option<String> {
    match tokio::time::timeout(LOOKUP, tokio::net::lookup_host((name, ACME_PORT))).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("no answer within {} s", LOOKUP.as_secs())),
    }
}

pub(super) fn validity_findings(validity: &Validity, turn_host: &str, now: SystemTime) -> Vec<Finding> {
    let mut found = Vec::new();
    match validity.until.duration_since(now) {
        Err(_) => found.push(Finding::problem("tls.cert", "the certificate has expired")),
        Ok(left) if left < SOON => {
            let days = left.as_secs() / (24 * 3_600);
            found.push(Finding::warning("tls.cert", format!("the certificate expires in {days} days")));
        }
        Ok(_) => {}
    }
    if validity.from > now {
        found.push(Finding::problem("tls.cert", "the certificate is not valid yet"));
    }
    if !turn_host.is_empty() && !validity.names.iter().any(|name| covers(name, turn_host)) {
        let names = validity.names.join(", ");
        found.push(Finding::warning(
            "turn.public_host",
            format!("the certificate is for {names}, and not for {turn_host}"),
        ));
    }
    found
}

/// A wildcard stands for one label (RFC 9525 section 6.3).
fn covers(name: &str, host: &str) -> bool {
    let under = |wild: &str| host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(wild));
    name.strip_prefix("*.").map_or(name.eq_ignore_ascii_case(host), under)
}

/// Whether files can be made there; what is missing of the path is made by the server.
pub(super) fn writable(path: &Path) -> io::Result<()> {
    // What is above a relative path is the working directory.
    let mut above = path.ancestors().map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path });
    let there = above.find(|path| path.exists()).unwrap_or(path);
    if !there.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    Ok(fs::access(there, Mode::WRITE_OK | Mode::EXEC_OK)?)
}
