use std::os::unix::{fs::symlink, net::UnixListener};

use super::*;

struct Project(tempfile::TempDir);

impl Project {
    fn with(files: &[&str]) -> Self {
        let project = Self(tempfile::tempdir().expect("a folder"));
        for file in files {
            let path = project.path(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("its folder");
            fs::write(path, file).expect("a file");
        }
        project
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join("project").join(below)
    }

    fn found(&self, sources: &[&str], excluded: &[&str]) -> Result<Vec<String>, String> {
        let owned = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect::<Vec<_>>();
        let selection = Selection::new(&owned(sources), &owned(excluded)).expect("globs");
        match files(&self.path(""), &selection) {
            Ok(found) => Ok(found.into_iter().map(|found| found.path).collect()),
            Err(failure) => {
                assert_eq!(failure.reason, Reason::UploadInvalid);
                Err(failure.sentence)
            }
        }
    }
}

#[test]
fn files_are_found_in_the_order_of_their_paths_without_those_excluded() {
    let project = Project::with(&["dist/b.js", "dist/a.js", "dist/a.js.map", "dist/.env", "src/x", "dist/css/a.css"]);
    let found = project.found(&["dist/**"], &["**/*.map"]).expect("files");
    assert_eq!(found, ["dist/.env", "dist/a.js", "dist/b.js", "dist/css/a.css"]);
    let found = project.found(&["src/x", "dist/*.js", "dist/a.*"], &[]).expect("files");
    assert_eq!(found, ["dist/a.js", "dist/a.js.map", "dist/b.js", "src/x"]);
    let lengths = files(&project.path(""), &Selection::new(&["src/x".into()], &[]).expect("a glob")).expect("a file");
    assert_eq!(lengths, [Found { path: "src/x".into(), length: 5 }]);
}

#[test]
fn no_match_is_told_with_what_may_have_been_meant() {
    let project = Project::with(&["dist/a.js"]);
    let none = project.found(&["dist/*.css"], &[]).expect_err("none");
    assert_eq!(none, "No file matches \"dist/*.css\". Check `source` against the project's files.");
    let folder = project.found(&["dist/"], &[]).expect_err("a folder");
    assert_eq!(folder, "No file matches \"dist/\". dist is a folder: write dist/** for all that is in it.");
    let excluded = project.found(&["dist/**"], &["**"]).expect_err("excluded");
    assert!(excluded.starts_with("No file matches \"dist/**\" and is not excluded."), "{excluded}");
}

#[test]
fn a_link_within_the_folder_is_followed() {
    let project = Project::with(&["shared/logo.svg", "dist/index.html"]);
    symlink("../shared", project.path("dist/assets")).expect("a link");
    symlink("index.html", project.path("dist/home.html")).expect("a link");
    let found = project.found(&["dist/**"], &[]).expect("files");
    assert_eq!(found, ["dist/assets/logo.svg", "dist/home.html", "dist/index.html"]);
}

#[test]
fn a_link_out_of_the_folder_is_refused_unless_nothing_of_it_is_meant() {
    let project = Project::with(&["dist/index.html"]);
    fs::write(project.0.path().join("secret"), "s").expect("a file");
    symlink("/etc", project.path("dist/etc")).expect("a link");
    symlink("../../secret", project.path("dist/secret.txt")).expect("a link");
    let refused = project.found(&["dist/**"], &[]).expect_err("refused");
    assert!(refused.contains("dist/etc is a link that leads out"), "{refused}");
    assert!(refused.contains("dist/secret.txt is a link that leads out"), "{refused}");
    assert_eq!(project.found(&["dist/*.html"], &[]).expect("files"), ["dist/index.html"]);
    let excluded = project.found(&["dist/*"], &["dist/*.txt", "dist/etc"]).expect("files");
    assert_eq!(excluded, ["dist/index.html"]);
}

#[test]
fn links_in_a_circle_or_to_nowhere_are_refused() {
    let project = Project::with(&["dist/a/b.html"]);
    symlink("..", project.path("dist/a/up")).expect("a link");
    symlink("gone.html", project.path("dist/lost.html")).expect("a link");
    let refused = project.found(&["dist/**"], &[]).expect_err("refused");
    assert!(refused.contains("dist/a/up is a link to a folder that it is in"), "{refused}");
    assert!(refused.contains("dist/lost.html cannot be read"), "{refused}");
}

#[test]
fn what_has_no_content_is_refused() {
    let project = Project::with(&["dist/a.html"]);
    let _socket = UnixListener::bind(project.path("dist/socket")).expect("a socket");
    let refused = project.found(&["dist/**"], &[]).expect_err("refused");
    assert!(refused.starts_with("dist/socket is neither a file nor a folder"), "{refused}");
    assert_eq!(project.found(&["dist/*.html"], &[]).expect("files"), ["dist/a.html"]);
}

#[test]
fn folders_that_link_to_one_another_are_told_and_not_followed_for_ever() {
    let project = Project::with(&["dist/a/x", "dist/b/y"]);
    symlink("../b", project.path("dist/a/to-b")).expect("a link");
    symlink("../a", project.path("dist/b/to-a")).expect("a link");
    let circle = project.found(&["dist/**"], &[]).expect_err("a circle");
    assert!(circle.contains("dist/a/to-b/to-a is a link to a folder that it is in"), "{circle}");
}
