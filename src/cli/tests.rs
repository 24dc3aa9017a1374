use super::*;

#[test]
fn the_definition_of_the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn what_comes_later_is_not_offered_yet() {
    for later in [&["install", "cursor"][..], &["logs"], &["connect", "--all"]] {
        let words = std::iter::once("drawbridge").chain(later.iter().copied());
        assert!(Cli::try_parse_from(words).is_err(), "{later:?}");
    }
}
