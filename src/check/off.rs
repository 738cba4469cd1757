//! What is left out, and what that means.

use super::Finding;
use crate::config::Config;

pub(super) fn findings(config: &Config) -> Vec<Finding> {
    let Config { access, tls, turn, whip, antmedia, sfu, hls, record, limits, webhooks, .. } = config;
    let over_tls = !tls.listen.is_empty() || !turn.tls_listen.is_empty();
    let has_secret = !access.stream_secret.0.is_empty() || !access.rest_secret.0.is_empty();
    let has_file = !access.api_keys_file.as_os_str().is_empty();
    let has_secret = has_secret || !access.jwks_url.is_empty();
    let has_keys = !access.api_keys.is_empty() || !access.token_keys.is_empty() || has_file || has_secret;
    let all = [
        (
            !has_keys,
            "access.api_keys",
            "nobody is asked for a token: whoever gets here may join, record and watch every room",
        ),
        (
            tls.listen.is_empty(),
            "tls.listen",
            "no HTTPS: pages need a proxy that has it, unless they are opened on this machine",
        ),
        (!turn.enabled, "turn.enabled", "no STUN and no relay: who is behind a strict NAT or firewall reaches nobody"),
        (
            turn.enabled && !over_tls,
            "turn.tls_listen",
            "no TURN over TLS: who is in a network that lets HTTPS out and nothing else cannot take part",
        ),
        (
            turn.enabled && turn.secret.0.is_empty(),
            "turn.secret",
            "credentials for the relay are made with a random secret: those of before a restart are void after it",
        ),
        (whip.sessions == 0, "whip.sessions", "no WHIP and no WHEP: encoders such as OBS stay outside"),
        (antmedia.apps.is_empty(), "antmedia.apps", "apps that are built on Ant Media's SDKs find nothing here"),
        (
            !sfu.bandwidth_estimation,
            "sfu.bandwidth_estimation",
            "receivers on thin links get what their windows ask for",
        ),
        (
            hls.directory.as_os_str().is_empty(),
            "hls.directory",
            "broadcasts are in memory alone: no going back, gone at the end",
        ),
        (webhooks.urls.is_empty(), "webhooks.urls", "no back end is told of what happens"),
        (!record.is_on(), "record.directory", "nothing is recorded"),
        (
            limits.cpu_percent == 0,
            "limits.cpu_percent",
            "newcomers are let in however busy the processor is, at the cost of everybody who is there",
        ),
        (limits.drain_s == 0, "limits.drain_s", "a restart ends every call at once instead of waiting for some to end"),
    ];
    all.into_iter().filter(|(is_off, ..)| *is_off).map(|(_, key, text)| Finding::off(key, text)).collect()
}
