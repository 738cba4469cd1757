//! The TypeScript of the wire is the Rust of the wire.

use std::path::Path;

use crescendo::signal::message as m;
use ts_rs::{Config, TS};

fn generated() -> String {
    let config = Config::default();
    let declared = [
        m::Source::decl(&config),
        m::Carrier::decl(&config),
        m::Mode::decl(&config),
        m::Direction::decl(&config),
        m::VideoCodec::decl(&config),
        m::Layer::decl(&config),
        m::Layout::decl(&config),
        m::Format::decl(&config),
        m::LegKind::decl(&config),
        m::LegStatus::decl(&config),
        m::Leg::decl(&config),
        m::Track::decl(&config),
        m::Participant::decl(&config),
        m::NewTrack::decl(&config),
        m::Resume::decl(&config),
        m::DescriptionKind::decl(&config),
        m::Description::decl(&config),
        m::Candidate::decl(&config),
        m::MidTrack::decl(&config),
        m::Slot::decl(&config),
        m::IceServer::decl(&config),
        m::LinkStatus::decl(&config),
        m::LeaveReason::decl(&config),
        m::ErrorCode::decl(&config),
        m::ClientMessage::decl(&config),
        m::ServerMessage::decl(&config),
    ];
    let mut text = String::from("// Generated from src/signal/message.rs by `make wire`. Do not edit.\n\n");
    text += &format!("export const VERSION = {};\n", m::VERSION);
    for declaration in declared {
        text += &format!("\nexport {declaration}\n");
    }
    text
}

/// With `UPDATE=1` in the environment the file is written anew instead.
#[test]
fn the_typescript_of_the_wire_is_generated_from_the_rust_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/client/src/wire.ts");
    let wanted = generated();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &wanted).expect("wire.ts can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "web/client/src/wire.ts is not what the Rust types say: run `make wire`");
}
