//! What no file stands for.

use super::*;

#[test]
fn objects_that_no_file_stands_for_are_deleted_unless_they_are_too_many() -> Result<()> {
    let shop = Shop::start()?;
    shop.write("dist/index.html", "new")?;
    for key in ["web/old.html", "web/a/b/old.js", "web/old.css", "website", "other/old.html"] {
        shop.bucket.put(key, "old")?;
    }
    let before = shop.bucket.versions()?;
    let refused = shop.run(&format!("{SITE}\ndelete_extraneous: {{ at_most: 2 }}"))?;
    refused.expect("failed", "TOO_MANY_DELETIONS");
    refused.expect_words(&["No file stands for 3 objects below s3://shop-assets/web/", "may delete 2 at most"]);
    assert_eq!(shop.bucket.versions()?, before, "nothing was uploaded");
    assert_eq!(shop.bucket.keys()?.len(), before.len(), "nothing was deleted");

    let deleted = shop.run(&format!("{SITE}\ndelete_extraneous: {{ at_most: 3 }}"))?;
    deleted.succeeded();
    assert_eq!(deleted.counts(), ["1", "0", "3"]);
    assert_eq!(shop.bucket.keys()?, ["other/old.html", "web/index.html", "website"]);
    Ok(())
}
