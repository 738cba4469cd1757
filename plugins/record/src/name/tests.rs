use super::*;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn a_template_is_filled_and_nothing_of_a_user_reaches_the_path_raw() {
    let template: Template = "{room}/{time}-{leg}/{name}-{participant}-{source}".parse().expect("good");
    let of = Directories { room: "..", leg: "l1", started: at(1_795_363_200) };
    assert_eq!(template.directories(of), ["_", "20261122T160000Z-l1"]);
    let name = |name| template.file(of, Files { name, participant: "p7", source: "camera" });
    assert_eq!(name("Zoë Q. Ann"), "Zoë_Q._Ann-p7-camera");
    assert_eq!(name("../../etc/passwd\0"), "_etc_passwd-p7-camera");
    assert_eq!(name(""), "_-p7-camera");
    assert_eq!(name("\u{202e}..\n"), "_-p7-camera");
    assert!(name(&"ä".repeat(500)).len() < 90);
}

#[test]
fn templates_that_lead_elsewhere_are_refused() {
    let parse = |text: &str| text.parse::<Template>().map(|_| ());
    assert_eq!(parse("{participant}"), Err(TemplateError::Depth));
    assert_eq!(parse("/{room}/{participant}"), Err(TemplateError::Literal("".into())));
    assert_eq!(parse("../{participant}"), Err(TemplateError::Literal("..".into())));
    assert_eq!(parse("a b/{participant}"), Err(TemplateError::Literal("a b".into())));
    assert_eq!(parse("{name}/{participant}"), Err(TemplateError::Placeholder("name".into())));
    assert_eq!(parse("{room}/{participant"), Err(TemplateError::Literal("{participant".into())));
    assert_eq!(parse("{room}/{name}"), Err(TemplateError::NoParticipant));
}

#[test]
fn dates_are_right_around_leap_days() {
    for (seconds, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_400, "2000-02-29T00:00:00.000Z"),
        (1_709_251_199, "2024-02-29T23:59:59.000Z"),
        (1_735_689_599, "2024-12-31T23:59:59.000Z"),
        (4_107_542_400, "2100-03-01T00:00:00.000Z"),
    ] {
        assert_eq!(timestamp(at(seconds)), text);
    }
}
