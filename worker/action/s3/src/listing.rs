//! What a bucket holds already: which of the objects are there, and which no file stands for.

use std::collections::HashMap;

use action::Failure;
use aws_sdk_s3::types::Object;
use shared::reason::Reason;

use crate::{Bucket, plan::Planned};

/// 1,000 keys a page (Amazon S3 API, ListObjectsV2).
const PAGE: usize = 1000;
/// 4 pages more than would do if nothing else were there, and as many pages again for each: beyond that, asking for each object
/// costs less than listing what others keep beside them.
const SPARE_PAGES: usize = 4;

/// What is known of the place of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Presence {
    Unknown,
    Absent,
    /// With so many bytes.
    Sized(u64),
}

/// Objects that no file stands for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Extraneous {
    /// No more than may be deleted.
    pub(crate) keys: Vec<String>,
    /// All of them.
    pub(crate) count: u64,
}

/// What the bucket holds of the objects, in their order: by listing what their keys have in common. Without the permission to list,
/// and among very many others, it stays unknown.
pub(crate) async fn presence(bucket: &Bucket, objects: &[Planned]) -> Result<Vec<Presence>, Failure> {
    let mut tally = Tally::new(objects, 0, &|_| false);
    let most = SPARE_PAGES * (objects.len() / PAGE + 2);
    match walk(bucket, common_prefix(objects), most, &mut tally).await {
        Ok(is_whole) => Ok(tally.presence(is_whole)),
        Err(failure) if failure.reason == Reason::PermissionMissing => Ok(tally.presence(false)),
        Err(failure) => Err(failure),
    }
}

/// The same, and whatever else is below the prefix; of that, no more keys than so many.
///
/// # Errors
/// `PERMISSION_MISSING` without s3:ListBucket.
pub(crate) async fn extraneous(
    bucket: &Bucket,
    prefix: &str,
    objects: &[Planned],
    at_most: u32,
    is_left_out: &(dyn Fn(&str) -> bool + Sync),
) -> Result<(Vec<Presence>, Extraneous), Failure> {
    let mut tally = Tally::new(objects, at_most, is_left_out);
    walk(bucket, prefix, usize::MAX, &mut tally).await?;
    let presence = tally.presence(true);
    Ok((presence, tally.extraneous))
}

/// Whether it came to the end.
async fn walk(bucket: &Bucket, prefix: &str, most_pages: usize, tally: &mut Tally<'_>) -> Result<bool, Failure> {
    let list = bucket.client.list_objects_v2().bucket(&bucket.name).prefix(prefix);
    let mut pages = list.set_expected_bucket_owner(bucket.owner()).into_paginator().send();
    for _ in 0..most_pages {
        match pages.next().await {
            None => return Ok(true),
            Some(Ok(page)) => page.contents.unwrap_or_default().into_iter().for_each(|object| tally.add(object)),
            Some(Err(error)) => return Err(bucket.call("ListObjectsV2", "s3:ListBucket", "").failure(&error)),
        }
    }
    Ok(false)
}

struct Tally<'a> {
    places: HashMap<&'a str, usize>,
    sizes: Vec<Option<u64>>,
    most_keys: usize,
    /// By key: what the step does not look at stays as it is.
    is_left_out: &'a (dyn Fn(&str) -> bool + Sync),
    extraneous: Extraneous,
}

impl<'a> Tally<'a> {
    fn new(objects: &'a [Planned], most_keys: u32, is_left_out: &'a (dyn Fn(&str) -> bool + Sync)) -> Self {
        Self {
            places: objects.iter().enumerate().map(|(place, object)| (object.key.as_str(), place)).collect(),
            sizes: vec![None; objects.len()],
            most_keys: usize::try_from(most_keys).unwrap_or(usize::MAX),
            is_left_out,
            extraneous: Extraneous::default(),
        }
    }

    fn add(&mut self, object: Object) {
        let size = u64::try_from(object.size.unwrap_or_default()).unwrap_or_default();
        let Some(key) = object.key else { return };
        if let Some(place) = self.places.get(key.as_str()) {
            self.sizes[*place] = Some(size);
        } else if !is_folder(&key, size) && !(self.is_left_out)(&key) {
            self.extraneous.count += 1;
            if self.extraneous.keys.len() < self.most_keys {
                self.extraneous.keys.push(key);
            }
        }
    }

    fn presence(&self, is_whole: bool) -> Vec<Presence> {
        let absent = if is_whole { Presence::Absent } else { Presence::Unknown };
        self.sizes.iter().map(|size| size.map_or(absent, Presence::Sized)).collect()
    }
}

/// What the console makes for a folder that is to be shown though nothing is in it.
fn is_folder(key: &str, size: u64) -> bool {
    key.ends_with('/') && size == 0
}

/// Keys are in order: what the first and the last have in common, all have.
fn common_prefix(objects: &[Planned]) -> &str {
    let (Some(first), Some(last)) = (objects.first(), objects.last()) else { return "" };
    let common = first.key.char_indices().zip(last.key.chars()).find(|((_, one), other)| one != other);
    let end = common.map_or(first.key.len().min(last.key.len()), |((place, _), _)| place);
    &first.key[..end]
}

#[cfg(test)]
mod tests {
    use shared::plan::upload::ObjectSettings;

    use super::*;

    fn objects(keys: &[&str]) -> Vec<Planned> {
        let object =
            |&key: &&str| Planned { path: key.into(), key: key.into(), length: 1, settings: ObjectSettings::default() };
        keys.iter().map(object).collect()
    }

    fn listed(tally: &mut Tally<'_>, objects: &[(&str, i64)]) {
        for (key, size) in objects {
            tally.add(Object::builder().key(*key).size(*size).build());
        }
    }

    #[test]
    fn what_is_listed_is_there_and_the_rest_is_absent_only_if_all_was_listed() {
        let objects = objects(&["web/a", "web/b"]);
        let mut tally = Tally::new(&objects, 0, &|_| false);
        listed(&mut tally, &[("web/a", 7)]);
        assert_eq!(tally.presence(true), [Presence::Sized(7), Presence::Absent]);
        assert_eq!(tally.presence(false), [Presence::Sized(7), Presence::Unknown]);
    }

    #[test]
    fn all_that_is_extraneous_is_counted_and_no_more_kept_than_may_be_deleted() {
        let objects = objects(&["web/a"]);
        let mut tally = Tally::new(&objects, 2, &|key| key.ends_with(".map"));
        listed(
            &mut tally,
            &[("web/", 0), ("web/a", 1), ("web/a.map", 1), ("web/b", 1), ("web/c/", 1), ("web/d", 1), ("web/e/", 0)],
        );
        assert_eq!(tally.extraneous.count, 3);
        assert_eq!(tally.extraneous.keys, ["web/b", "web/c/"]);
    }

    #[test]
    fn keys_are_listed_by_what_they_have_in_common() {
        for (keys, prefix) in [
            (vec!["web/a", "web/b"], "web/"),
            (vec!["web/a", "web/ab", "web/abc"], "web/a"),
            (vec!["a", "b"], ""),
            (vec!["ü", "ö"], ""),
            (vec!["xü", "xüa"], "xü"),
            (vec!["one"], "one"),
            (vec![], ""),
        ] {
            assert_eq!(common_prefix(&objects(&keys)), prefix, "{keys:?}");
        }
    }
}
