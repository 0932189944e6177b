//! What happens on the way to S3.

use tests::Trouble;

use super::*;

/// 20 MiB: two parts.
const IN_PARTS: usize = 20 << 20;

fn large(shop: &Shop) -> Result<()> {
    shop.write("dist/large.bin", vec![7; IN_PARTS])
}

#[test]
fn throttling_and_connections_that_break_off_are_survived() -> Result<()> {
    let shop = Shop::with_trouble()?;
    large(&shop)?;
    for number in 0..5 {
        shop.write(&format!("dist/{number}.txt"), number.to_string())?;
    }
    shop.world.fault().trouble("PutObject", 4, Trouble::SlowDown);
    shop.world.fault().trouble("UploadPart", 3, Trouble::Reset);
    shop.world.fault().trouble("CompleteMultipartUpload", 1, Trouble::SlowDown);
    let ended = shop.run(SITE)?;
    ended.succeeded();
    assert_eq!(ended.counts(), ["6", "0", "0"]);
    assert!(shop.bucket.versions()?.values().all(|count| *count == 1), "{:?}", shop.bucket.versions()?);
    let calls = shop.world.fault().calls();
    let troubled = |action: &str| calls.iter().filter(|call| call.is_troubled && call.action == action).count();
    assert_eq!((troubled("PutObject"), troubled("UploadPart")), (4, 3));
    assert_eq!(shop.bucket.head("web/large.bin")?["content-length"], IN_PARTS.to_string());
    Ok(())
}

#[test]
fn a_large_upload_that_is_cancelled_leaves_no_parts_behind() -> Result<()> {
    let shop = Shop::with_trouble()?;
    large(&shop)?;
    // Its parts are on their way for as long as it takes.
    shop.world.fault().trouble("UploadPart", usize::MAX, Trouble::SlowDown);
    let id = shop.begin(SITE)?;
    until("the upload to be under way", SOON, || {
        let calls = shop.world.fault().calls();
        Ok(calls.iter().any(|call| call.action == "UploadPart").then_some(()))
    })?;
    assert_eq!(shop.bucket.unfinished()?, 1);
    shop.world.cli().ok(&["deployment", "cancel", &id])?;
    let ended = shop.ended(&id)?;
    assert_eq!(ended.deployment["state"], "cancelled", "{}", ended.log);
    ended.expect_words(&["The step was cancelled", "s3://shop-assets/web/large.bin was not stored"]);
    assert_eq!(shop.bucket.unfinished()?, 0);
    assert_eq!(shop.bucket.keys()?, Vec::<String>::new());
    Ok(())
}
