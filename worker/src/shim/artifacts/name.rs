//! What an artifact may be called: the name of a file, the same on every system it is downloaded to.

use std::{collections::BTreeSet, path::Path};

use shared::limits;

/// 8 bytes for the number that tells two of one name apart.
const ROOM: usize = 8;

/// The nearest name that a file can have.
pub(super) fn fit(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_control() || matches!(c, '/' | '\\') { '-' } else { c }).collect();
    let mut end = plain.len().min(limits::ARTIFACT_NAME_BYTES - ROOM);
    while !plain.is_char_boundary(end) {
        end -= 1;
    }
    match plain[..end].trim() {
        "" | "." | ".." => "artifact".into(),
        name => name.into(),
    }
}

/// The name itself, or with a number that none of the others has: `report (2).html`.
pub(super) fn unlike(name: &str, others: &mut BTreeSet<String>) -> String {
    let path = Path::new(name);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map(|extension| format!(".{}", extension.to_string_lossy())).unwrap_or_default();
    let numbered = (2..).map(|number| format!("{stem} ({number}){extension}"));
    let free = std::iter::once(name.to_owned()).chain(numbered).find(|name| !others.contains(name)).unwrap_or_default();
    others.insert(free.clone());
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_script_says_the_name_is_one_that_a_file_can_have() {
        for (said, is) in [
            ("report.html", "report.html"),
            ("../../etc/passwd", "..-..-etc-passwd"),
            ("..", "artifact"),
            (" \n ", "-"),
            ("", "artifact"),
            ("a\\b\u{7}c", "a-b-c"),
            ("Bericht für März 🚀.pdf", "Bericht für März 🚀.pdf"),
        ] {
            assert_eq!(fit(said), is, "{said:?}");
        }
        let long = fit(&"ü".repeat(400));
        assert!(long.len() <= limits::ARTIFACT_NAME_BYTES && long.chars().all(|c| c == 'ü'), "{long}");
    }

    #[test]
    fn two_of_one_name_are_told_apart() {
        let mut others = BTreeSet::new();
        let names =
            ["log.txt", "log.txt", "log (2).txt", "log.txt", ".env", ".env"].map(|name| unlike(name, &mut others));
        assert_eq!(names, ["log.txt", "log (2).txt", "log (2) (2).txt", "log (3).txt", ".env", ".env (2)"]);
    }
}
