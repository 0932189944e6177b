use super::*;

fn order(sources: &[&str]) -> UploadToS3 {
    UploadToS3 {
        bucket: "shop".into(),
        source: sources.iter().map(|&glob| glob.into()).collect(),
        ..UploadToS3::default()
    }
}

fn planned(order: &UploadToS3, paths: &[&str]) -> Result<Vec<Planned>, String> {
    let selection = Selection::new(&order.source, &order.exclude).expect("globs");
    let found = paths.iter().map(|&path| Found { path: path.into(), length: 1 }).collect();
    plan(order, &selection, found).map_err(|failure| {
        assert_eq!(failure.reason, Reason::UploadInvalid);
        failure.sentence
    })
}

fn keys(order: &UploadToS3, paths: &[&str]) -> Vec<String> {
    planned(order, paths).expect("objects").into_iter().map(|object| object.key).collect()
}

#[test]
fn keys_are_the_prefix_and_the_path_below_the_globs_fixed_part() {
    let mut order = order(&["dist/**", "docs/*.pdf", "README.md"]);
    let paths = ["dist/b/c.css", "dist/index.html", "docs/x.pdf", "README.md"];
    assert_eq!(keys(&order, &paths), ["README.md", "b/c.css", "index.html", "x.pdf"]);
    order.key_prefix = "web-".into();
    assert_eq!(keys(&order, &paths), ["web-README.md", "web-b/c.css", "web-index.html", "web-x.pdf"]);
}

#[test]
fn a_single_file_may_have_a_key_of_its_own_and_several_may_not() {
    let order = UploadToS3 { key: "app-1.2.zip".into(), key_prefix: "releases/".into(), ..order(&["build/*.zip"]) };
    assert_eq!(keys(&order, &["build/app.zip"]), ["releases/app-1.2.zip"]);
    let several = planned(&order, &["build/app.zip", "build/other.zip"]).expect_err("several");
    assert!(several.contains("2 files match, build/app.zip and build/other.zip among them"), "{several}");
}

#[test]
fn two_files_for_one_key_are_refused_with_both_names() {
    let refused = planned(&order(&["a/*", "b/*"]), &["a/x", "b/x", "b/y"]).expect_err("refused");
    assert_eq!(refused, "a/x and b/x would both become the object x: exclude one.");
}

#[test]
fn keys_that_s3_or_people_could_not_use_are_refused() {
    let with = |prefix: &str| UploadToS3 { key_prefix: prefix.into(), ..order(&["*"]) };
    for (prefix, why) in [
        ("../", "has a part that is . or .."),
        ("a/./", "has a part that is . or .."),
        (&"x".repeat(1024), "has 1025 bytes, and S3 takes at most 1024"),
        ("a\u{7}", "holds control characters"),
    ] {
        let refused = planned(&with(prefix), &["f"]).expect_err(prefix);
        assert!(refused.contains(why), "{refused}");
    }
    assert_eq!(keys(&with(&"x".repeat(1023)), &["f"]).len(), 1);
    assert_eq!(keys(&with("..a/"), &["f"]), ["..a/f"]);
    let folder = UploadToS3 { key: "releases/".into(), ..order(&["f"]) };
    assert!(planned(&folder, &["f"]).expect_err("a folder").contains("names a folder"));
}

#[test]
fn of_the_rules_that_match_each_later_one_wins_and_maps_are_merged() {
    let rule = |glob: &str, settings: ObjectSettings| ObjectRule { files: vec![glob.into()], settings };
    let map = |pairs: &[(&str, &str)]| pairs.iter().map(|&(key, value)| (key.into(), value.into())).collect();
    let cached = |text: &str| ObjectSettings { cache_control: text.into(), ..ObjectSettings::default() };
    let order = UploadToS3 {
        key_prefix: "web/".into(),
        settings: ObjectSettings {
            metadata: map(&[("Release", "7"), ("team", "shop")]),
            encryption: "aws:kms".into(),
            kms_key: "key".into(),
            ..cached("max-age=60")
        },
        rules: vec![
            rule("**/*.js", cached("immutable")),
            rule("**/*", ObjectSettings { tags: map(&[("a", "1")]), metadata: map(&[("team", "web")]), ..cached("") }),
            rule("app.js", ObjectSettings { encryption: "AES256".into(), ..cached("no-cache") }),
        ],
        ..order(&["dist/**"])
    };
    let objects = planned(&order, &["dist/app.js", "dist/lib/x.js"]).expect("objects");
    let (app, lib) = (&objects[0].settings, &objects[1].settings);
    assert_eq!((app.cache_control.as_str(), lib.cache_control.as_str()), ("no-cache", "immutable"));
    assert_eq!(app.metadata, map(&[("release", "7"), ("team", "web")]));
    assert_eq!(app.tags, map(&[("a", "1")]));
    assert_eq!((app.encryption.as_str(), app.kms_key.as_str()), ("AES256", ""));
    assert_eq!((lib.encryption.as_str(), lib.kms_key.as_str()), ("aws:kms", "key"));
    assert_eq!(app.content_type, "text/javascript");
}
