//! Which of a project's files a step is given.

use std::collections::BTreeSet;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::{Action, File, Process, Source, Step, stack::StackTemplate};

/// Globs over paths of files. `*` and `?` stay within a folder, `**` goes through folders, `{a,b}` chooses.
#[derive(Clone, Debug)]
pub struct Globs {
    set: GlobSet,
    /// A path that is written as it is always matches, even if a part of it would mean something in a glob.
    as_written: BTreeSet<String>,
}

impl Globs {
    /// Of these patterns.
    ///
    /// # Errors
    /// What is wrong with one of them, as the end of a sentence that begins with the thing.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a String>) -> Result<Self, String> {
        let (mut builder, mut as_written) = (GlobSetBuilder::new(), BTreeSet::new());
        for pattern in patterns {
            as_written.insert(pattern.clone());
            let glob = GlobBuilder::new(pattern).literal_separator(true).build();
            builder.add(glob.map_err(|error| format!("the glob \"{pattern}\" cannot be read: {}", error.kind()))?);
        }
        let set = builder.build().map_err(|error| format!("its globs are too many together: {}", error.kind()))?;
        Ok(Self { set, as_written })
    }

    /// Whether one of them matches a path.
    #[must_use]
    pub fn match_path(&self, path: &str) -> bool {
        self.as_written.contains(path) || self.set.is_match(path)
    }
}

/// The folders of a glob in front of its first wildcard; empty, or ends with `/`.
#[must_use]
pub fn fixed_part(glob: &str) -> &str {
    let plain = glob.find(['*', '?', '[', '{', '\\']).unwrap_or(glob.len());
    glob[..plain].rfind('/').map_or("", |slash| &glob[..=slash])
}

impl Process {
    /// The files that a step finds in its working folder: an upload those that it uploads, a stack those that its template needs, a
    /// script all but those that are only there to be uploaded or packaged.
    #[must_use]
    pub fn files_of(&self, step: &Step) -> Vec<&File> {
        let is_given = self.choice(step);
        self.files.iter().filter(|file| is_given(&file.path)).collect()
    }

    /// Whether a file with this digest is among [`Process::files_of`] the step; looks at no other file.
    #[must_use]
    pub fn gives(&self, step: &Step, sha256: &str) -> bool {
        let is_given = self.choice(step);
        self.files.iter().any(|file| file.sha256 == sha256 && is_given(&file.path))
    }

    fn choice<'a>(&'a self, step: &'a Step) -> Box<dyn Fn(&str) -> bool + 'a> {
        match &step.action {
            Action::Script(_) => {
                let named = self.named();
                let cargo: Vec<Cargo<'_>> = self.steps.iter().filter_map(|step| Cargo::of(&step.action)).collect();
                Box::new(move |path| named.contains(path) || !cargo.iter().any(|cargo| cargo.has(path)))
            }
            action => {
                let (named, cargo) = (named(action), Cargo::of(action));
                Box::new(move |path| named.contains(&path) || cargo.as_ref().is_some_and(|cargo| cargo.has(path)))
            }
        }
    }

    fn named(&self) -> BTreeSet<&str> {
        self.steps.iter().flat_map(|step| named(&step.action)).collect()
    }
}

/// The files that an action names, each by its path.
fn named(action: &Action) -> Vec<&str> {
    match action {
        Action::Script(script) => path_of(&script.source).into_iter().collect(),
        Action::DeployStack(stack) => {
            let template = match &stack.template {
                StackTemplate::File(path) => Some(path.as_str()),
                StackTemplate::Body(_) | StackTemplate::Url(_) => None,
            };
            template.into_iter().chain(stack.policy.as_ref().and_then(path_of)).collect()
        }
        Action::ApplyChangeSet(_) | Action::DeleteStack(_) | Action::UploadToS3(_) | Action::CheckIdentity => {
            Vec::new()
        }
    }
}

fn path_of(source: &Source) -> Option<&str> {
    match source {
        Source::File(path) => Some(path),
        Source::Body(_) => None,
    }
}

/// Files that an action carries away.
enum Cargo<'a> {
    Upload { source: Globs, exclude: Globs },
    Artifacts(BTreeSet<&'a str>),
}

impl<'a> Cargo<'a> {
    /// A glob that cannot be read is a fault of the process, which never comes here.
    fn of(action: &'a Action) -> Option<Self> {
        match action {
            Action::UploadToS3(upload) => {
                let (source, exclude) = (Globs::new(&upload.source).ok()?, Globs::new(&upload.exclude).ok()?);
                Some(Self::Upload { source, exclude })
            }
            Action::DeployStack(stack) => Some(Self::Artifacts(stack.artifacts.iter().map(String::as_str).collect())),
            _ => None,
        }
    }

    fn has(&self, path: &str) -> bool {
        match self {
            Self::Upload { source, exclude } => source.match_path(path) && !exclude.match_path(path),
            Self::Artifacts(paths) => paths.contains(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Script, Shell, faults::tests::step, stack::DeployStack, upload::UploadToS3};

    fn file(path: &str) -> File {
        File { path: path.into(), sha256: "0".repeat(64), size: 1, executable: false }
    }

    fn process() -> Process {
        let with = |name: &str, action| Step { action, ..step(name) };
        let script =
            Script { shell: Shell::Bash, source: Source::File("run.sh".into()), substitute: true, strict: false };
        let upload =
            UploadToS3 { source: vec!["dist/**".into()], exclude: vec!["dist/*.map".into()], ..UploadToS3::default() };
        let stack = DeployStack {
            template: StackTemplate::File("stack.yaml".into()),
            policy: Some(Source::File("policy.json".into())),
            artifacts: vec!["code/main.py".into(), "run.sh".into()],
            ..DeployStack::default()
        };
        Process {
            steps: vec![
                with("Script", Action::Script(script)),
                with("Upload", Action::UploadToS3(Box::new(upload))),
                with("Stack", Action::DeployStack(Box::new(stack))),
            ],
            files: ["run.sh", "dist/a.js", "dist/a.map", "dist/b/c.map", "stack.yaml", "policy.json", "code/main.py"]
                .map(file)
                .to_vec(),
        }
    }

    fn of(step: usize) -> Vec<String> {
        let process = process();
        process.files_of(&process.steps[step]).iter().map(|file| file.path.clone()).collect()
    }

    #[test]
    fn a_script_has_every_file_but_what_is_only_carried_away() {
        assert_eq!(of(0), ["run.sh", "dist/a.map", "stack.yaml", "policy.json"]);
    }

    #[test]
    fn an_upload_has_what_it_uploads() {
        assert_eq!(of(1), ["dist/a.js", "dist/b/c.map"]);
    }

    #[test]
    fn a_stack_has_its_template_its_policy_and_what_the_template_names() {
        assert_eq!(of(2), ["run.sh", "stack.yaml", "policy.json", "code/main.py"]);
    }

    #[test]
    fn a_star_stays_within_a_folder() {
        let globs = Globs::new(&["dist/*".into(), "{a,b}/**/x?".into()]).expect("good globs");
        for (path, matches) in [
            ("dist/a", true),
            ("dist/.a", true),
            ("dist/a/b", false),
            ("a/x1", true),
            ("b/c/d/x1", true),
            ("a/x", false),
        ] {
            assert_eq!(globs.match_path(path), matches, "{path}");
        }
        let literal = Globs::new(&["odd[1].txt".into()]).expect("a path");
        assert!(literal.match_path("odd[1].txt"));
        assert!(Globs::new(&["a[".into()]).expect_err("unclosed").contains("\"a[\""));
    }
}
