//! Files that an upload's globs match.

use shared::{limits, plan::files::Globs};

use super::{
    super::{fault::Fault, format::UploadToS3},
    shelf::Shelf,
    walk::{Found, Kind, Walk},
};

/// Finds them. A glob that matches nothing is a fault, for somebody expected something.
pub(super) fn collect(upload: &UploadToS3, shelf: &mut Shelf, faults: &mut Vec<Fault>) {
    let before = faults.len();
    let rules = upload.rules.iter().flat_map(|rule| &rule.files.0);
    for (pattern, place) in upload.source.0.iter().chain(&upload.exclude.0).chain(rules) {
        faults.extend(check(pattern).err().map(|sentence| Fault::at(*place, sentence)));
    }
    let Ok(exclude) = Globs::new(&upload.exclude.texts()) else { return };
    if faults.len() > before {
        return;
    }
    let mut taken = 0;
    for (pattern, place) in &upload.source.0 {
        let sentences = match matched(pattern, &exclude, shelf) {
            Ok(paths) => {
                taken += paths.len();
                paths.iter().filter_map(|path| shelf.add(path).err()).collect()
            }
            Err(sentences) => sentences,
        };
        faults.extend(sentences.into_iter().map(|sentence| Fault::at(*place, sentence)));
    }
    if let (0, Some((_, place)), true) = (taken, upload.source.0.first(), faults.len() == before) {
        faults.push(Fault::at(*place, "Everything that `source` matches is left out by `exclude`."));
    }
}

fn check(pattern: &String) -> Result<(), String> {
    let parts = || pattern.split('/');
    if pattern.contains("#{") {
        return Err(format!(
            "The glob \"{pattern}\" holds #{{…}}, and which files a project has is known before its variables are."
        ));
    }
    if pattern.trim().is_empty() || pattern.starts_with('/') || parts().any(|part| part == "..") {
        return Err(format!("The glob \"{pattern}\" leads out of the project's folder."));
    }
    if parts().any(|part| part == ".") {
        return Err(format!("The glob \"{pattern}\" has a `.` between slashes: write it without."));
    }
    Globs::new([pattern]).map(|_| ()).map_err(|why| format!("{}{}.", why[..1].to_uppercase(), &why[1..]))
}

/// The paths of what a pattern matches and nothing excludes.
fn matched(pattern: &String, exclude: &Globs, shelf: &Shelf) -> Result<Vec<String>, Vec<String>> {
    let globs = Globs::new([pattern]).map_err(|why| vec![why])?;
    let enter = |path: &str| reaches_below(pattern, path);
    let found = Walk::below(shelf.folder(), fixed_part(pattern), &enter);
    let counts = |found: &&Found| match &found.kind {
        Kind::Refused { is_folder: true, .. } => reaches_below(pattern, &found.path),
        _ => globs.match_path(&found.path),
    };
    let matched: Vec<_> = found.iter().filter(counts).collect();
    if matched.is_empty() {
        return Err(vec![nothing(pattern, shelf)]);
    }
    let mut refusals = Vec::new();
    let mut paths = Vec::new();
    for Found { path, kind } in matched.into_iter().filter(|found| !is_excluded(exclude, found)) {
        match kind {
            Kind::File => paths.push(path.clone()),
            Kind::Refused { why, .. } => {
                refusals.push(format!("The glob \"{pattern}\" matches \"{path}\", which {why}: remove or exclude it."));
            }
        }
    }
    if paths.len() > limits::FILES {
        refusals.push(format!(
            "The glob \"{pattern}\" matches {} files; a project may have {}.",
            paths.len(),
            limits::FILES
        ));
    }
    if refusals.is_empty() { Ok(paths) } else { Err(refusals) }
}

/// A folder is excluded when what is in it would be.
fn is_excluded(exclude: &Globs, found: &Found) -> bool {
    let is_folder = matches!(found.kind, Kind::Refused { is_folder: true, .. });
    exclude.match_path(&found.path) || (is_folder && exclude.match_path(&format!("{}/x", found.path)))
}

fn nothing(pattern: &str, shelf: &Shelf) -> String {
    if shelf.folder().join(pattern).is_dir() {
        let folder = pattern.trim_end_matches('/');
        return format!("\"{pattern}\" is a folder: write {folder}/** for every file in it.");
    }
    format!("There is no file that \"{pattern}\" matches beside the project file.")
}

/// The folders, or the whole path, before the first part that may stand for several names.
fn fixed_part(pattern: &str) -> &str {
    let Some(wild) = pattern.find(['*', '?', '[', '{', '\\']) else { return pattern };
    pattern[..wild].rfind('/').map_or("", |slash| &pattern[..slash])
}

/// Whether a pattern may match something below a folder.
fn reaches_below(pattern: &str, folder: &str) -> bool {
    // Braces may hold slashes.
    pattern.contains("**") || pattern.contains('{') || pattern.matches('/').count() > folder.matches('/').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_that_a_pattern_may_reach_are_walked() {
        for (pattern, fixed) in
            [("dist/**", "dist"), ("a/b*/c", "a"), ("*.html", ""), ("a/b.txt", "a/b.txt"), ("a/{b/c,d}/e", "a")]
        {
            assert_eq!(fixed_part(pattern), fixed, "{pattern}");
        }
        assert!(
            reaches_below("dist/**/*.js", "dist/a/b/c")
                && reaches_below("a/*/c", "a/b")
                && reaches_below("{a/b,c}", "a")
        );
        assert!(!reaches_below("a/*", "a/b") && !reaches_below("*.html", "node_modules"));
    }
}
