use super::*;

fn of(id: &str) -> Option<Profile> {
    Profile::of(&format!("packetization-mode=1; profile-level-id={id}"))
}

#[test]
fn profiles_are_told_apart_as_table_5_has_them() {
    for (id, profile) in [
        // Browsers, OBS; GStreamer; libraries that say it by way of another profile.
        ("42e01f", Profile::ConstrainedBaseline),
        ("42C015", Profile::ConstrainedBaseline),
        ("4d801f", Profile::ConstrainedBaseline),
        ("58c01f", Profile::ConstrainedBaseline),
        ("42001f", Profile::Baseline),
        ("58801f", Profile::Baseline),
        ("4d001f", Profile::Main),
        ("4d401f", Profile::Main),
        ("640c1f", Profile::ConstrainedHigh),
        ("64001f", Profile::High),
    ] {
        assert_eq!(of(id), Some(profile), "{id}");
    }
    assert_eq!(Profile::of("packetization-mode=1"), Some(Profile::Baseline), "nothing said is baseline");
    for bad in ["", "42", "42e0", "zz001f", "f4001f", "58001f", "42é01f"] {
        assert_eq!(of(bad), None, "{bad}");
    }
}

#[test]
fn whoever_decodes_more_decodes_less() {
    assert!(Profile::ConstrainedBaseline.decoders().contains(&Profile::High));
    assert!(!Profile::High.decoders().contains(&Profile::Main));
}

#[test]
fn units_may_be_spread_where_the_mode_says_so() {
    assert!(is_non_interleaved("profile-level-id=42e01f;Packetization-Mode=1"));
    assert!(!is_non_interleaved("packetization-mode=0") && !is_non_interleaved(""));
}
