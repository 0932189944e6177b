//! Where a local path leads: never out of the step's folder, neither by `..` nor by links. Faults are ends of sentences.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

/// What a path leads to, with all links resolved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// A file.
    File(PathBuf),
    /// A folder.
    Folder(PathBuf),
}

impl Place {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Folder(path) => path,
        }
    }
}

/// Finds what is written as a path below `base`, which is itself below `root` or relative to it.
pub(crate) fn find(root: &Path, base: &Path, written: &str) -> Result<Place, String> {
    let root = resolved(root)?;
    let base = if base.is_absolute() { base.to_owned() } else { root.join(base) };
    let path = normal(&base.join(written));
    if !path.starts_with(&root) {
        return Err(OUTSIDE.into());
    }
    let path = resolved(&path)?;
    if !path.starts_with(&root) {
        return Err(OUTSIDE.into());
    }
    let metadata = fs::metadata(&path).map_err(|error| unreadable(&error))?;
    match () {
        () if metadata.is_dir() => Ok(Place::Folder(path)),
        () if metadata.is_file() => Ok(Place::File(path)),
        () => Err("which is neither a file nor a folder".into()),
    }
}

/// The text of a file.
pub(crate) fn text(path: &Path, max_bytes: usize) -> Result<String, String> {
    let length = fs::metadata(path).map_err(|error| unreadable(&error))?.len();
    if length > max_bytes as u64 {
        return Err(format!("which has {length} bytes; CloudFormation takes templates of at most {max_bytes}"));
    }
    fs::read_to_string(path).map_err(|error| unreadable(&error))
}

/// A path as it is seen from the step's folder.
pub(super) fn below(root: &Path, path: &Path) -> String {
    let root = resolved(root).unwrap_or_else(|_| root.to_owned());
    path.strip_prefix(&root).unwrap_or(path).display().to_string()
}

/// The fault of a file that cannot be read.
pub(super) fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "which is not there: it is looked for below the template's folder".into(),
        _ => format!("which cannot be read: {error}"),
    }
}

const OUTSIDE: &str = "which leads out of the project's folder: move the files into it";

fn resolved(path: &Path) -> Result<PathBuf, String> {
    fs::canonicalize(path).map_err(|error| unreadable(&error))
}

/// Without `.` and `..`, which here never go through a link.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut path, component| {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(path.pop()),
            component => path.push(component),
        }
        path
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn paths_are_looked_for_below_the_templates_folder_and_lead_nowhere_else() {
        let outside = tempfile::tempdir().expect("a folder");
        let root = outside.path().join("project");
        fs::create_dir_all(root.join("stacks/code")).expect("folders");
        for file in ["stacks/net.yaml", "top.yaml", "../secret"] {
            fs::write(root.join(file), "x").expect("a file");
        }
        symlink("../top.yaml", root.join("stacks/inward")).expect("a link");
        symlink("../../secret", root.join("stacks/outward")).expect("a link");
        symlink("nowhere", root.join("stacks/broken")).expect("a link");
        let real = root.canonicalize().expect("a path");
        let file = |path: &str| Ok(Place::File(real.join(path)));
        let absolute = real.join("top.yaml").display().to_string();
        let missing = || Err("which is not there: it is looked for below the template's folder".to_owned());
        let outside = || Err(OUTSIDE.to_owned());
        for (written, expected) in [
            ("net.yaml", file("stacks/net.yaml")),
            ("./net.yaml", file("stacks/net.yaml")),
            ("code/..//net.yaml", file("stacks/net.yaml")),
            ("../top.yaml", file("top.yaml")),
            (&absolute, file("top.yaml")),
            ("inward", file("top.yaml")),
            ("code", Ok(Place::Folder(real.join("stacks/code")))),
            ("code/", Ok(Place::Folder(real.join("stacks/code")))),
            ("..", Ok(Place::Folder(real.clone()))),
            ("../../secret", outside()),
            ("../../project/../secret", outside()),
            ("../../../../../../../../etc/passwd", outside()),
            ("/etc/passwd", outside()),
            ("outward", outside()),
            ("broken", missing()),
            ("top.yaml", missing()),
            ("net.yaml/x", Err("which cannot be read: Not a directory (os error 20)".into())),
        ] {
            assert_eq!(find(&root, Path::new("stacks"), written), expected, "{written}");
        }
        assert_eq!(below(&root, &real.join("stacks/net.yaml")), "stacks/net.yaml");
    }

    #[test]
    fn a_text_has_a_bound() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x");
        fs::write(&path, "12345").expect("a file");
        assert_eq!(text(&path, 5), Ok("12345".into()));
        assert_eq!(text(&path, 4), Err("which has 5 bytes; CloudFormation takes templates of at most 4".into()));
        fs::write(&path, [0xff]).expect("a file");
        assert!(text(&path, 5).is_err_and(|fault| fault.contains("UTF-8")));
    }
}
