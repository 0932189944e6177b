//! The output variables of an upload, within what a step may set. Pure.

use shared::limits;

use crate::Bucket;

/// 100 files: up to here everything is told of each.
const DETAILED: usize = 100;
/// 64 bytes: what a variable counts besides its name and value.
const OVERHEAD: usize = 64;
/// 16 KiB are left for what else the step may set.
const RESERVED: usize = 16 << 10;
/// What Octopus has in place of a version.
const NOT_VERSIONED: &str = "Not versioned";

/// What became of the files, and of objects that no file stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) uploaded: usize,
    pub(crate) unchanged: usize,
    pub(crate) deleted: usize,
}

/// An object that is there now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Item<'a> {
    pub(crate) key: &'a str,
    pub(crate) version: Option<&'a str>,
}

/// Names and values.
pub(crate) type Outputs = Vec<(String, String)>;

/// All output variables, and a line about those for which there is no room.
pub(crate) fn outputs(bucket: &Bucket, items: &[Item<'_>], counts: Counts) -> (Outputs, Option<String>) {
    let mut outputs = vec![
        ("Uploaded".to_owned(), counts.uploaded.to_string()),
        ("Unchanged".to_owned(), counts.unchanged.to_string()),
        ("Deleted".to_owned(), counts.deleted.to_string()),
    ];
    if let [item] = items {
        outputs.extend(details(bucket, item).map(|(name, value)| (format!("Package.{name}"), value)));
    }
    let mut left_out = Vec::new();
    let files = items.iter().map(|item| (format!("Files[{}]", item.key), version(item)));
    add(&mut outputs, files.collect(), "Files[key]", &mut left_out);
    if items.len() <= DETAILED {
        let each = |item| details(bucket, item).map(|(name, value)| (format!("Package.{name}[{}]", item.key), value));
        add(&mut outputs, items.iter().flat_map(each).collect(), "Package.…[key]", &mut left_out);
    }
    (outputs, note(&left_out, items.len()))
}

fn add(outputs: &mut Outputs, more: Outputs, kind: &'static str, left_out: &mut Vec<&'static str>) {
    if size(outputs) + size(&more) <= limits::OUTPUTS_BYTES - RESERVED {
        outputs.extend(more);
    } else {
        left_out.push(kind);
    }
}

fn size(outputs: &Outputs) -> usize {
    outputs.iter().map(|(name, value)| name.len() + value.len() + OVERHEAD).sum()
}

fn note(left_out: &[&str], count: usize) -> Option<String> {
    (!left_out.is_empty()).then(|| {
        format!(
            "The outputs {} are left out: for {count} files they are more than the {} bytes that a step's outputs may have.",
            left_out.join(" and "),
            limits::OUTPUTS_BYTES
        )
    })
}

fn details(bucket: &Bucket, item: &Item<'_>) -> [(&'static str, String); 5] {
    [
        ("Key", item.key.to_owned()),
        ("S3Uri", format!("s3://{}/{}", bucket.name(), item.key)),
        ("Uri", bucket.url(item.key)),
        ("Arn", bucket.arn(item.key)),
        ("ObjectVersion", version(item)),
    ]
}

fn version(item: &Item<'_>) -> String {
    item.version.unwrap_or(NOT_VERSIONED).to_owned()
}

#[cfg(test)]
mod tests {
    use crate::bucket::tests::bucket;

    use super::*;

    fn value<'a>(outputs: &'a Outputs, name: &str) -> Option<&'a str> {
        outputs.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_single_object_is_told_by_plain_names_and_by_its_key() {
        let items = [Item { key: "web/a b.html", version: Some("v1") }];
        let counts = Counts { uploaded: 1, ..Counts::default() };
        let (outputs, note) = outputs(&bucket("cn-north-1"), &items, counts);
        assert_eq!(note, None);
        for (name, expected) in [
            ("Key", "web/a b.html"),
            ("S3Uri", "s3://shop/web/a b.html"),
            ("Uri", "https://shop.s3.cn-north-1.amazonaws.com.cn/web/a%20b.html"),
            ("Arn", "arn:aws-cn:s3:::shop/web/a b.html"),
            ("ObjectVersion", "v1"),
        ] {
            assert_eq!(value(&outputs, &format!("Package.{name}")), Some(expected));
            assert_eq!(value(&outputs, &format!("Package.{name}[web/a b.html]")), Some(expected));
        }
        assert_eq!(value(&outputs, "Files[web/a b.html]"), Some("v1"));
        assert_eq!((value(&outputs, "Uploaded"), value(&outputs, "Deleted")), (Some("1"), Some("0")));
    }

    #[test]
    fn of_several_objects_no_plain_name_tells() {
        let items = [Item { key: "a", version: None }, Item { key: "b", version: None }];
        let (outputs, _) = outputs(&bucket("eu-west-1"), &items, Counts::default());
        assert_eq!(value(&outputs, "Package.Key"), None);
        assert_eq!(value(&outputs, "Package.Arn[b]"), Some("arn:aws:s3:::shop/b"));
        assert_eq!(value(&outputs, "Files[b]"), Some("Not versioned"));
    }

    #[test]
    fn of_many_objects_only_versions_are_told_and_of_too_many_only_counts() {
        let keys: Vec<_> = (0..6000).map(|n| format!("{n:06}")).collect();
        let items: Vec<_> = keys.iter().map(|key| Item { key, version: None }).collect();
        let (some, note) = outputs(&bucket("eu-west-1"), &items[..101], Counts::default());
        assert_eq!((some.len(), note), (3 + 101, None));
        let (most, note) = outputs(&bucket("eu-west-1"), &items, Counts::default());
        assert_eq!((most.len(), note), (3 + 6000, None));
        let long: Vec<_> = keys.iter().map(|key| format!("{key}{}", "x".repeat(200))).collect();
        let items: Vec<_> = long.iter().map(|key| Item { key, version: None }).collect();
        let (few, note) = outputs(&bucket("eu-west-1"), &items, Counts::default());
        assert_eq!(few.len(), 3);
        assert!(note.expect("a note").starts_with("The outputs Files[key] are left out: for 6000 files"));
    }
}
