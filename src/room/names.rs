//! Names that people give themselves.

/// At most `most` characters of a name, without those that are not seen and change what is.
pub fn display_name(given: &str, most: usize) -> String {
    given.chars().filter(|c| !is_unseen(*c)).take(most).collect()
}

/// Controls, and what turns the direction of text, around a name as well (Unicode Standard Annex #9, section 2).
pub fn is_unseen(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_seen_as_it_is_and_turns_nothing_around() {
        assert_eq!(display_name("Ann\u{202e}nnA\n", 80), "AnnnnA");
        assert_eq!(display_name("\u{5d0}\u{5e0}\u{5d4} \u{1f600}", 80), "\u{5d0}\u{5e0}\u{5d4} \u{1f600}");
        assert_eq!(display_name("Ann", 2), "An");
    }
}
