//! Uploads to S3, as a project file writes them, and the files that they match.

use std::os::unix::net::UnixListener;

use proto::action as a;

use super::*;

/// A step whose `s3_upload:` begins in line 6, after `bucket`.
fn uploading(keys: &str) -> String {
    let keys: String = keys.lines().map(|line| format!("      {line}\n")).collect();
    with_step(&format!("    aws: {{ identity: worker-role }}\n    s3_upload:\n      bucket: shop-site\n{keys}"))
}

/// A folder with `dist/index.html`, `dist/app.js`, `dist/app.js.map`, `dist/.well-known/x` and `dist/css/a.css`.
fn site() -> tempfile::TempDir {
    let folder = folder();
    for path in ["dist/index.html", "dist/app.js", "dist/app.js.map", "dist/.well-known/x", "dist/css/a.css"] {
        write(&folder, path, path);
    }
    folder
}

fn write(folder: &tempfile::TempDir, path: &str, content: &str) {
    let place = folder.path().join(path);
    fs::create_dir_all(place.parent().expect("a folder")).expect("made");
    fs::write(place, content).expect("written");
}

fn paths(text: &str, folder: &tempfile::TempDir) -> Vec<String> {
    let draft = parse(text, folder.path()).expect("no faults");
    draft.attachments.iter().map(|attachment| attachment.file.path.clone()).collect()
}

fn fault(text: &str, folder: &tempfile::TempDir) -> String {
    let faults = parse(text, folder.path()).expect_err("there should be a fault");
    faults.iter().map(|fault| fault.in_file(Path::new("longshore.yaml"))).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_key_of_an_upload_reaches_the_coordinator() {
    let text = uploading(
        r##"bucket_owner: "123456789012"
source: [dist/**, scripts/*]
exclude: "**/*.map"
key_prefix: web/
cache_control: max-age=60
content_disposition: inline
content_encoding: gzip
content_language: en
content_type: text/plain
metadata: { revision: "#{Octopus.Release.Number}" }
tags: { team: shop }
storage_class: STANDARD_IA
encryption: aws:kms
kms_key: alias/shop
acl: public-read
rules:
  - { files: "*.html", cache_control: no-cache }
  - { files: ["*.js", "css/*"], encryption: AES256 }
even_unchanged: true
delete_extraneous: { at_most: 100 }
"##,
    );
    let draft = parse(&text, site().path()).expect("no faults");
    let Some(Action::UploadToS3(upload)) = &draft.project.steps[0].action else { panic!("no upload") };
    let settings = a::ObjectSettings {
        content_type: "text/plain".into(),
        cache_control: "max-age=60".into(),
        content_disposition: "inline".into(),
        content_encoding: "gzip".into(),
        content_language: "en".into(),
        metadata: [("revision".into(), "#{Octopus.Release.Number}".into())].into(),
        tags: [("team".into(), "shop".into())].into(),
        storage_class: "STANDARD_IA".into(),
        encryption: "aws:kms".into(),
        kms_key: "alias/shop".into(),
        acl: "public-read".into(),
    };
    let rule = |files: &[&str], settings| a::ObjectRule {
        files: files.iter().map(|&it| it.to_owned()).collect(),
        settings: Some(settings),
    };
    let expected = a::UploadToS3 {
        bucket: "shop-site".into(),
        bucket_owner: "123456789012".into(),
        source: vec!["dist/**".into(), "scripts/*".into()],
        exclude: vec!["**/*.map".into()],
        key_prefix: "web/".into(),
        key: String::new(),
        settings: Some(settings),
        rules: vec![
            rule(&["*.html"], a::ObjectSettings { cache_control: "no-cache".into(), ..Default::default() }),
            rule(&["*.js", "css/*"], a::ObjectSettings { encryption: "AES256".into(), ..Default::default() }),
        ],
        even_unchanged: true,
        delete_extraneous: Some(a::DeleteExtraneous { at_most: 100 }),
    };
    assert_eq!(*upload, expected);
}

#[test]
fn an_upload_has_what_its_globs_match_hidden_files_included() {
    let site = site();
    let all = ["dist/.well-known/x", "dist/app.js", "dist/app.js.map", "dist/css/a.css", "dist/index.html"];
    assert_eq!(paths(&uploading("source: dist/**"), &site), all);
    let excluded = uploading("source: dist/**\nexclude: [\"**/*.map\", dist/css/**]");
    assert_eq!(paths(&excluded, &site), ["dist/.well-known/x", "dist/app.js", "dist/index.html"]);
    assert_eq!(
        paths(&uploading("source: [dist/*, dist/*.js]"), &site),
        ["dist/app.js", "dist/app.js.map", "dist/index.html"]
    );
    assert_eq!(paths(&uploading("source: dist/app.js\nkey: main.js"), &site), ["dist/app.js"]);
    assert_eq!(paths(&uploading("source: \"{dist/css,scripts}/*\""), &site), ["dist/css/a.css", "scripts/notify.py"]);
}

#[test]
fn a_file_that_is_no_text_is_known_by_its_bytes() {
    let site = site();
    fs::write(site.path().join("dist/app.js"), b"\xff\x00").expect("written");
    let draft = parse(&uploading("source: dist/app.js"), site.path()).expect("no faults");
    let file = &draft.attachments[0].file;
    assert_eq!(file.sha256, "ea5dbf9596d187e9500f23e9a680109475341cf4e81f7e043f7d97152c10772f");
    assert_eq!((file.size, file.executable), (2, false));
}

#[test]
fn a_glob_that_matches_nothing_is_told_at_its_place() {
    let site = site();
    assert!(fault(&uploading("source: [dist/**, build/**]"), &site).starts_with("longshore.yaml:7:25: "));
    for (source, word) in [
        ("build/**", "no file that \"build/**\" matches"),
        ("dist", "\"dist\" is a folder: write dist/**"),
        ("dist/*.png", "no file that"),
    ] {
        let fault = fault(&uploading(&format!("source: \"{source}\"")), &site);
        assert!(fault.starts_with("longshore.yaml:7:15: ") && fault.contains(word), "{fault}");
    }
    let fault = fault(&uploading("source: dist/*.map\nexclude: \"**/*.map\""), &site);
    assert!(fault.contains("7:15: Everything that `source` matches is left out by `exclude`."), "{fault}");
}

#[test]
fn a_glob_that_is_wrong_is_told_at_its_place() {
    for (glob, word) in [
        ("../x/**", "leads out"),
        ("/etc/*", "leads out"),
        ("\"#{Dir}/**\"", "before its variables"),
        ("\"a[\"", "cannot be read"),
        ("./dist/**", "write it without"),
    ] {
        expect_fault(&uploading(&format!("source: {glob}")), "7:15", &["The glob ", word]);
        expect_fault(&uploading(&format!("source: scripts/*\nexclude: [x, {glob}]")), "8:20", &[word]);
        expect_fault(&uploading(&format!("source: scripts/*\nrules: [{{ files: {glob} }}]")), "8:24", &[word]);
    }
}

#[test]
fn what_is_wrong_with_an_upload_has_its_place() {
    assert!(faults(&uploading("source: []"))[0].contains("3:11: Step \"S\": `source` is empty"));
    expect_fault(&uploading("source: { a: b }"), "7:15", &["a text or a list of texts"]);
    expect_fault(&uploading("source: scripts/*\nencryption: KMS"), "8:19", &["AES256"]);
    expect_fault(
        &uploading("source: scripts/*\nrules: [{ files: x, cache_contol: y }]"),
        "8:27",
        &["did you mean `cache_control`?"],
    );
    expect_fault(&uploading("source: scripts/*\ndelete_extraneous: { at_most: 1 }"), "3:11", &["key_prefix"]);
}

#[test]
fn links_within_the_folder_are_followed() {
    let site = site();
    symlink("../scripts", site.path().join("dist/scripts")).expect("linked");
    symlink("app.js", site.path().join("dist/main.js")).expect("linked");
    let paths = paths(&uploading("source: [dist/scripts/*, dist/main.js]"), &site);
    assert_eq!(paths, ["dist/main.js", "dist/scripts/notify.py"]);
}

#[test]
fn what_must_not_be_taken_is_named_when_a_glob_matches_it() {
    let site = site();
    let outside = tempfile::tempdir().expect("a folder");
    fs::write(outside.path().join("secret"), "x").expect("written");
    let dist = site.path().join("dist");
    symlink(outside.path().join("secret"), dist.join("file-out")).expect("linked");
    symlink(outside.path(), dist.join("folder-out")).expect("linked");
    symlink("nowhere", dist.join("dangling")).expect("linked");
    symlink("..", dist.join("css/around")).expect("linked");
    let _socket = UnixListener::bind(dist.join("socket")).expect("bound");
    let pipe = std::process::Command::new("mkfifo").arg(dist.join("pipe")).status().expect("mkfifo");
    assert!(pipe.success());
    let fault = fault(&uploading("source: dist/**"), &site);
    for (path, why) in [
        ("dist/file-out", "a link that leads out"),
        ("dist/folder-out", "a link that leads out"),
        ("dist/dangling", "a link to something that is not there"),
        ("dist/css/around", "a link to a folder that it is in"),
        ("dist/socket", "a socket"),
        ("dist/pipe", "a pipe"),
    ] {
        assert!(fault.contains(&format!("\"{path}\", which is {why}")), "{path} in {fault}");
    }
    let excluded =
        "exclude: [dist/file-out, dist/folder-out/**, dist/dangling, dist/css/around/**, dist/socket, dist/pipe]";
    assert_eq!(paths(&uploading(&format!("source: dist/**\n{excluded}")), &site).len(), 5);
    assert_eq!(paths(&uploading("source: dist/*.js"), &site), ["dist/app.js"]);
}

#[test]
fn five_thousand_files_are_found_in_order() {
    let folder = folder();
    for at in 0..5000 {
        write(&folder, &format!("dist/{:02}/{at:04}", at % 50), "x");
    }
    let paths = paths(&uploading("source: dist/**"), &folder);
    assert_eq!((paths.len(), paths[0].as_str(), paths[4999].as_str()), (5000, "dist/00/0000", "dist/49/4999"));
    assert!(paths.is_sorted());
}

#[test]
fn a_file_larger_than_one_may_be_is_refused_unread() {
    let site = site();
    let huge = fs::File::create(site.path().join("dist/huge")).expect("made");
    huge.set_len((5 << 30) + 1).expect("grown");
    let fault = fault(&uploading("source: dist/**"), &site);
    assert!(fault.contains("\"dist/huge\" has 5368709121 bytes; at most 5368709120"), "{fault}");
}

#[test]
fn the_example_of_a_whole_project_is_in_order() {
    let folder = folder();
    write(&folder, "dist/index.html", "x");
    let draft = parse(include_str!("example.yaml"), folder.path()).expect("no faults");
    assert_eq!((draft.project.steps.len(), draft.warnings.len()), (4, 0));
    let paths: Vec<_> = draft.attachments.iter().map(|it| it.file.path.as_str()).collect();
    assert_eq!(paths, ["dist/index.html", "scripts/notify.py", "templates/network.yaml"]);
}

#[test]
fn the_schema_describes_an_upload() {
    let schema = serde_json::to_value(schema()).expect("json");
    let shown = ["UploadToS3", "ObjectRule", "Listing"].map(|name| &schema["$defs"][name]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&shown).expect("json"));
}
