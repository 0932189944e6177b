//! Which file becomes which object, how it is stored, and what a second run leaves alone.

use super::*;

fn site(shop: &Shop) -> Result<()> {
    for (path, content) in [
        ("dist/index.html", "<p>shop</p>"),
        ("dist/css/a b.css", "p {}"),
        ("dist/app.js", "go()"),
        ("dist/app.js.map", "{}"),
        ("dist/prices/today.json", "[1]"),
        ("notes.txt", "not of the site"),
    ] {
        shop.write(path, content)?;
    }
    Ok(())
}

#[test]
fn a_folder_becomes_objects_that_are_stored_as_the_step_and_its_rules_say() -> Result<()> {
    let shop = Shop::start()?;
    site(&shop)?;
    let ended = shop.run(&format!(
        r##"{SITE}
exclude: "**/*.map"
cache_control: max-age=31536000, immutable
metadata: {{ Origin: "#{{Octopus.Step.Name}}" }}
tags: {{ team: shop, cost centre: "a+b = c" }}
encryption: AES256
rules:
  - {{ files: "**/*.html", cache_control: no-cache, content_language: en }}
  - {{ files: prices/*, content_type: application/vnd.shop+json, storage_class: STANDARD_IA, encryption: aws:kms, kms_key: alias/shop }}"##
    ))?;
    ended.succeeded();
    assert_eq!(
        shop.bucket.versions()?,
        once(&["web/app.js", "web/css/a b.css", "web/index.html", "web/prices/today.json"])
    );
    assert_eq!(shop.bucket.text("web/css/a b.css")?, "p {}");
    let expected: [(&str, &[(&str, &str)]); 3] = [
        (
            "web/index.html",
            &[
                ("content-type", "text/html"),
                ("cache-control", "no-cache"),
                ("content-language", "en"),
                ("x-amz-meta-origin", "Assets"),
                ("x-amz-server-side-encryption", "AES256"),
            ],
        ),
        ("web/css/a b.css", &[("content-type", "text/css"), ("cache-control", "max-age=31536000, immutable")]),
        (
            "web/prices/today.json",
            &[
                ("content-type", "application/vnd.shop+json"),
                ("x-amz-storage-class", "STANDARD_IA"),
                ("x-amz-server-side-encryption", "aws:kms"),
                ("x-amz-server-side-encryption-aws-kms-key-id", "alias/shop"),
            ],
        ),
    ];
    for (key, headers) in expected {
        let head = shop.bucket.head(key)?;
        for (name, value) in headers {
            assert_eq!(head.get(*name).map(String::as_str), Some(*value), "{name} of {key}: {head:?}");
        }
    }
    let tags = [("cost centre", "a+b = c"), ("team", "shop")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(shop.bucket.tags("web/app.js")?, tags.into());
    Ok(())
}

#[test]
fn a_second_run_uploads_nothing_and_tells_of_everything_and_a_third_uploads_what_changed() -> Result<()> {
    let shop = Shop::start()?;
    site(&shop)?;
    let first = shop.run(SITE)?;
    first.succeeded();
    assert_eq!(first.counts(), ["5", "0", "0"]);
    let all = shop.bucket.versions()?;
    assert!(all.len() == 5 && all.values().all(|count| *count == 1), "{all:?}");

    let second = shop.run(SITE)?;
    second.succeeded();
    second.expect_words(&["dist/app.js = s3://shop-assets/web/app.js (unchanged)"]);
    assert_eq!(second.counts(), ["0", "5", "0"]);
    assert_eq!(shop.bucket.versions()?, all);
    let told = |ended: &Ended| -> BTreeMap<String, String> {
        let outputs = ended.outputs().into_iter().filter(|(name, _)| name.contains('['));
        outputs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    assert_eq!(told(&second), told(&first), "versions included");
    assert!(told(&first).contains_key("Files[web/css/a b.css]"), "{:?}", told(&first));

    shop.write("dist/app.js", "g0()")?;
    let third = shop.run(SITE)?;
    third.succeeded();
    assert_eq!(third.counts(), ["1", "4", "0"]);
    let mut changed = all;
    changed.insert("web/app.js".into(), 2);
    assert_eq!(shop.bucket.versions()?, changed);
    assert_eq!(shop.bucket.text("web/app.js")?, "g0()");
    Ok(())
}

#[test]
fn one_file_goes_under_a_key_of_its_own_into_the_bucket_that_the_step_before_made() -> Result<()> {
    const TEMPLATE: &str =
        "Resources:\n  Made:\n    Type: AWS::S3::Bucket\nOutputs:\n  AssetBucket:\n    Value: !Ref Made\n";
    let shop = Shop::start()?;
    site(&shop)?;
    shop.write("templates/network.yaml", TEMPLATE)?;
    let network = "  - name: Network\n    aws: { identity: worker-role, region: eu-west-1 }\n    cloudformation:\n      deploy: { stack: \
                   shop-network, template: templates/network.yaml }\n";
    let upload = step(
        "bucket: \"#{Octopus.Action[Network].Output.AwsOutputs[AssetBucket]}\"\nsource: notes.txt\nkey_prefix: docs/\nkey: \
         \"#{Octopus.Environment.Name}/read me.txt\"",
    );
    shop.world.apply("shop", &format!("project: shop\nsteps:\n{network}{upload}"))?;
    let ended = shop.ended(&shop.world.start_deployment("shop")?)?;
    ended.succeeded();
    let outputs = ended.outputs();
    let bucket = outputs["Package.Arn"].trim_start_matches("arn:aws:s3:::").trim_end_matches("/docs/test/read me.txt");
    let made = Bucket::existing(shop.world.aws(), bucket);
    assert_eq!(made.text("docs/test/read me.txt")?, "not of the site");
    for (name, value) in [
        ("Package.Key", "docs/test/read me.txt".to_owned()),
        ("Package.S3Uri", format!("s3://{bucket}/docs/test/read me.txt")),
        ("Package.ObjectVersion", "Not versioned".to_owned()),
        ("Files[docs/test/read me.txt]", "Not versioned".to_owned()),
    ] {
        assert_eq!(outputs.get(name).copied(), Some(value.as_str()), "{name} of {outputs:?}");
    }
    Ok(())
}
