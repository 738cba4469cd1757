//! The public doors by which a far end comes into a server.

use anyhow::Context;
use clap::Args;
use str0m::media::Direction;

use self::janus::Janus;
use self::whip::Whip;
use crate::far::Far;

mod janus;
mod whip;

pub(crate) use whip::get;

/// Where a server is to be found.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// WHIP endpoint for whoever sends, such as http://127.0.0.1:8080/whip/{room}.
    #[arg(long, requires = "whep", conflicts_with = "janus", required_unless_present = "janus")]
    pub(crate) whip: Option<String>,
    /// WHEP endpoint for whoever watches, such as http://127.0.0.1:8080/whep/{room}.
    #[arg(long, requires = "whip")]
    pub(crate) whep: Option<String>,
    /// Bearer token for both.
    #[arg(long)]
    pub(crate) token: Option<String>,
    /// Janus' WebSocket, such as ws://127.0.0.1:8188; its video rooms are used.
    #[arg(long)]
    pub(crate) janus: Option<String>,
}

pub(crate) enum Door {
    Whip(Whip),
    Janus(Box<Janus>),
}

impl Door {
    pub(crate) fn open(place: &Place) -> anyhow::Result<Self> {
        match place {
            Place { janus: Some(url), .. } => Ok(Door::Janus(Box::new(Janus::open(url)?))),
            Place { whip: Some(whip), whep: Some(whep), token, .. } => {
                Ok(Door::Whip(Whip::new(whip.clone(), whep.clone(), token.clone())))
            }
            Place { .. } => anyhow::bail!("WHIP and WHEP endpoints, or Janus'"),
        }
    }

    /// The far end sends into the room of this number from now on.
    pub(crate) fn publish(&mut self, room: usize, far: &mut Far) -> anyhow::Result<()> {
        let (offer, pending) = far.offer(Direction::SendOnly)?;
        let answer = match self {
            Door::Whip(whip) => whip.publish(room, &offer),
            Door::Janus(janus) => janus.publish(room, &offer),
        };
        far.accept(pending, &answer.context("publishing")?)
    }

    /// The far end gets what is sent in the room of this number, from now on.
    pub(crate) fn watch(&mut self, room: usize, far: &mut Far) -> anyhow::Result<()> {
        match self {
            Door::Whip(whip) => {
                let (offer, pending) = far.offer(Direction::RecvOnly)?;
                far.accept(pending, &whip.watch(room, &offer).context("watching")?)
            }
            Door::Janus(janus) => {
                let (handle, offer) = janus.watch(room).context("watching")?;
                let answer = far.answer(&offer)?;
                janus.start(handle, &answer).context("watching")
            }
        }
    }

    /// Ends all that came in by it.
    pub(crate) fn close(self) -> anyhow::Result<()> {
        match self {
            Door::Whip(whip) => whip.close(),
            Door::Janus(janus) => janus.close(),
        }
    }
}
