//! What is refused: by the project's reader, by the coordinator, by S3.

use std::os::unix::fs::symlink;

use super::*;
use tests::emulator::ACCOUNT;

/// An AWS account that is not ours.
const ANOTHER: &str = "210987654321";

#[test]
fn what_leads_out_of_the_folder_or_matches_nothing_is_refused_before_there_is_a_project() -> Result<()> {
    let world = World::without_aws()?;
    let folder = world.project("shop", "")?;
    fs::create_dir(folder.join("dist"))?;
    fs::write(world.folder().join("secret"), "x")?;
    symlink(world.folder().join("secret"), folder.join("dist/link"))?;
    for (source, words) in [
        ("dist/*", "\"dist/link\", which is a link that leads out of the project's folder"),
        ("../**", "leads out"),
        ("build/**", "no file that \"build/**\" matches"),
    ] {
        let yaml = project(&format!("bucket: b\nsource: {source}"));
        let folder = world.project("shop", &yaml)?;
        let answer = world.cli().run(&["project", "apply", "-f", &folder.to_string_lossy()])?;
        assert!(answer.code != 0 && answer.stderr.contains(words), "{source}: {answer}");
    }
    let shown = world.cli().run(&["project", "show", "shop"])?;
    assert_eq!(shown.code, 6, "there is no project: {shown}");
    Ok(())
}

#[test]
fn a_bucket_that_is_not_there_or_belongs_to_somebody_else_is_refused() -> Result<()> {
    let shop = Shop::with_trouble()?;
    shop.write("dist/index.html", "new")?;
    shop.write("dist/app.js", "go()")?;
    let absent = shop.run("bucket: nobody-made-it\nsource: dist/**")?;
    absent.expect("failed", "BUCKET_REFUSED");
    absent.expect_words(&["There is no bucket nobody-made-it: mend its name, or create it first."]);

    Bucket::create_of(shop.world.aws(), "of-another", ANOTHER)?;
    let closed = shop.run("bucket: of-another\nsource: dist/**")?;
    closed.expect("failed", "PERMISSION_MISSING");
    closed.expect_words(&["or the bucket does not belong to AWS account 123456789012"]);

    // The emulator does not look at who is demanded as the owner.
    shop.world.fault().check_bucket_owner(ACCOUNT);
    let foreign = shop.run(&format!("{SITE}\nbucket_owner: \"{ANOTHER}\""))?;
    foreign.expect("failed", "BUCKET_REFUSED");
    foreign.expect_words(&["The bucket shop-assets does not belong to AWS account 210987654321"]);
    assert_eq!(shop.bucket.keys()?, Vec::<String>::new());
    shop.run(SITE)?.succeeded();
    Ok(())
}

#[test]
fn a_secret_becomes_no_part_of_a_key() -> Result<()> {
    let shop = Shop::start()?;
    shop.write("dist/index.html", "new")?;
    let keys = step("bucket: shop-assets\nsource: dist/**\nkey_prefix: \"#{Token}/\"");
    let yaml = format!("project: shop\nvariables:\n  - {{ name: Token, type: sensitive }}\nsteps:\n{keys}");
    shop.world.apply("shop", &yaml)?;
    shop.world.cli().ok_with_input(&["variable", "set", "shop", "Token", "--sensitive"], "hunter2-hunter2")?;
    let deployment = shop.world.ended(&shop.world.start_deployment("shop")?)?;
    let told = deployment.to_string();
    assert_eq!(deployment["state"], "failed", "{told}");
    assert!(told.contains("its key prefix is") && told.contains("a sensitive variable is part of that"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    assert_eq!(shop.bucket.keys()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn files_that_may_not_be_stored_fail_the_step_by_name_and_the_others_are_there() -> Result<()> {
    let denied = format!(
        r#"{EVERYTHING},{{"Effect":"Deny","Action":"s3:PutObject","Resource":"arn:aws:s3:::{BUCKET}/web/private/*"}}"#
    );
    let shop = Shop::of(World::start()?, &denied)?;
    for path in ["dist/index.html", "dist/private/a.txt", "dist/private/b.txt", "dist/z.txt"] {
        shop.write(path, path)?;
    }
    let some = shop.run(&format!("{SITE}\ndelete_extraneous: {{ at_most: 10 }}"))?;
    some.expect("failed", "UPLOAD_FAILED");
    some.expect_words(&[
        "2 of 4 files could not be uploaded",
        "dist/private/a.txt, dist/private/b.txt",
        "s3:PutObject",
    ]);
    assert_eq!(shop.bucket.keys()?, ["web/index.html", "web/z.txt"]);

    let all = shop.run("bucket: shop-assets\nsource: dist/private/*\nkey_prefix: web/private/")?;
    all.expect("failed", "PERMISSION_MISSING");
    all.expect_words(&["dist/private/a.txt, dist/private/b.txt", "s3:PutObject"]);
    Ok(())
}
