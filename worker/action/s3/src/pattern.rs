//! A glob over the project's files, or one path: what it matches, where it may match, and what of a path it leaves to keys.

use action::Failure;
use globset::{GlobBuilder, GlobMatcher};
use shared::{plan::files::fixed_part, reason::Reason};

/// A glob. `*` and `?` stay within a folder, `**` goes through all of them; files whose names begin with a dot are no exception.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    text: String,
    matcher: GlobMatcher,
    /// The folders in front that hold nothing special; empty, or ends with `/`.
    fixed: String,
    folders: Vec<Folder>,
}

/// What a folder on the way must be called.
#[derive(Clone, Debug)]
enum Folder {
    Like(GlobMatcher),
    /// From here on it may be any, at any depth.
    Any,
}

impl Pattern {
    /// Reads a glob.
    ///
    /// # Errors
    /// `UPLOAD_INVALID` for what is none, or leads out of the project's folder.
    pub(crate) fn new(glob: &str) -> Result<Self, Failure> {
        let text = glob.trim().trim_start_matches("./").to_owned();
        let invalid = |why: &str| Failure::new(Reason::UploadInvalid, format!("The glob \"{glob}\" {why}."));
        if text.starts_with('/') || text.split('/').any(|part| part == "..") {
            return Err(invalid("leads out of the project's folder"));
        }
        let matcher = matcher(&text).map_err(|error| invalid(&format!("cannot be read: {}", error.kind())))?;
        Ok(Self { matcher, fixed: fixed_part(&text).to_owned(), folders: folders(&text), text })
    }

    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it means that path; one that is written as it is always does.
    pub(crate) fn is_match(&self, path: &str) -> bool {
        path == self.text || self.matcher.is_match(path)
    }

    /// What of a path that it matches becomes a part of the key.
    pub(crate) fn below<'a>(&self, path: &'a str) -> &'a str {
        path.strip_prefix(&self.fixed).unwrap_or(path)
    }

    /// The path whose part below the fixed one this is.
    pub(crate) fn above(&self, below: &str) -> String {
        format!("{}{below}", self.fixed)
    }

    /// Whether anything below that folder may match.
    pub(crate) fn reaches(&self, folder: &str) -> bool {
        let mut patterns = self.folders.iter();
        for name in folder.split('/') {
            match patterns.next() {
                Some(Folder::Any) => return true,
                Some(Folder::Like(glob)) if glob.is_match(name) => {}
                _ => return false,
            }
        }
        patterns.next().is_some()
    }
}

fn matcher(glob: &str) -> Result<GlobMatcher, globset::Error> {
    GlobBuilder::new(glob).literal_separator(true).build().map(|glob| glob.compile_matcher())
}

fn folders(glob: &str) -> Vec<Folder> {
    let mut folders = Vec::new();
    for part in glob.split('/') {
        // Alternatives may go over folders, as in {a/b,c}/d.
        let any = part == "**" || part.contains(['{', '}']);
        match matcher(part) {
            Ok(like) if !any => folders.push(Folder::Like(like)),
            _ => {
                folders.push(Folder::Any);
                break;
            }
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(glob: &str) -> Pattern {
        Pattern::new(glob).expect("a glob")
    }

    #[test]
    fn what_stands_before_the_first_wildcard_is_not_a_part_of_keys() {
        for (glob, path, below) in [
            ("dist/**", "dist/css/site.css", "css/site.css"),
            ("dist/*.js", "dist/app.js", "app.js"),
            ("dist/index.html", "dist/index.html", "index.html"),
            ("index.html", "index.html", "index.html"),
            ("./dist/**", "dist/a", "a"),
            ("a/b*/c/*", "a/bb/c/d", "bb/c/d"),
            ("a/{b,c/d}/*", "a/c/d/e", "c/d/e"),
            ("**/*.css", "dist/site.css", "dist/site.css"),
        ] {
            assert!(pattern(glob).is_match(path), "{glob} {path}");
            assert_eq!(pattern(glob).below(path), below, "{glob} {path}");
        }
    }

    #[test]
    fn a_star_stays_in_its_folder_and_hidden_files_are_files() {
        assert!(pattern("dist/**").is_match("dist/.well-known/.hidden"));
        assert!(!pattern("dist/*").is_match("dist/a/b"));
        assert!(pattern("dist/*").is_match("dist/.hidden"));
        assert!(!pattern("dist/**").is_match("dist"));
        assert!(pattern("odd[1].txt").is_match("odd[1].txt"));
    }

    #[test]
    fn only_folders_are_looked_into_where_something_may_match() {
        for (glob, folder, reaches) in [
            ("dist/**", "dist", true),
            ("dist/**", "dist/a/b", true),
            ("dist/**", "src", false),
            ("*.txt", "src", false),
            ("a/*/c", "a", true),
            ("a/*/c", "a/b", true),
            ("a/*/c", "a/b/c", false),
            ("{a/b,c}/d", "a/b", true),
            ("a/b.txt", "a", true),
        ] {
            assert_eq!(pattern(glob).reaches(folder), reaches, "{glob} {folder}");
        }
    }

    #[test]
    fn what_is_no_glob_or_leads_out_is_refused() {
        for (glob, why) in
            [("../x", "leads out"), ("/etc/*", "leads out"), ("a/../../b", "leads out"), ("a[", "cannot be read")]
        {
            let refused = Pattern::new(glob).expect_err(glob);
            assert_eq!(refused.reason, Reason::UploadInvalid);
            assert!(refused.sentence.contains(why), "{}", refused.sentence);
        }
    }
}
