//! A bucket of the emulator, as its owner sees it.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::{
    emulator::{ACCOUNT, AccessKey, Client, REGION, element, percent_encode},
    http::Response,
    sigv4::Unsigned,
};

/// A bucket. It goes with its emulator.
#[derive(Clone, Debug)]
pub struct Bucket {
    aws: Client,
    name: String,
    owner: AccessKey,
}

impl Bucket {
    /// Makes one.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub fn create(aws: &Client, name: &str) -> Result<Self> {
        Self::create_of(aws, name, ACCOUNT)
    }

    /// The same as another AWS account of 12 digits.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub fn create_of(aws: &Client, name: &str, account: &str) -> Result<Self> {
        let bucket = Self { aws: aws.clone(), name: name.into(), owner: AccessKey::of_root(account) };
        let place = format!(
            "<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>"
        );
        bucket.ok("PUT", "", "", &place)?;
        Ok(bucket)
    }

    /// The same bucket, which keeps every version of its objects from now on.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub fn keeping_versions(self) -> Result<Self> {
        let versions = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        self.ok("PUT", "", "versioning=", versions)?;
        Ok(self)
    }

    /// One that is there already.
    #[must_use]
    pub fn existing(aws: &Client, name: &str) -> Self {
        Self { aws: aws.clone(), name: name.into(), owner: AccessKey::of_root(ACCOUNT) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Stores an object.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub fn put(&self, key: &str, text: &str) -> Result<()> {
        self.ok("PUT", key, "", text).map(drop)
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub fn delete(&self, key: &str) -> Result<()> {
        self.ok("DELETE", key, "", "").map(drop)
    }

    /// An object's bytes, as text.
    ///
    /// # Errors
    /// When it is not there.
    pub fn text(&self, key: &str) -> Result<String> {
        Ok(self.ok("GET", key, "", "")?.body)
    }

    /// What is told of an object, by header in lower case.
    ///
    /// # Errors
    /// When it is not there.
    pub fn head(&self, key: &str) -> Result<BTreeMap<String, String>> {
        Ok(self.ok("HEAD", key, "", "")?.headers.into_iter().collect())
    }

    /// An object's tags.
    ///
    /// # Errors
    /// When it is not there.
    pub fn tags(&self, key: &str) -> Result<BTreeMap<String, String>> {
        let answer = self.ok("GET", key, "tagging=", "")?.body;
        let tags = answer.split("<Tag>").skip(1);
        tags.map(|tag| Ok((element(tag, "Key")?, element(tag, "Value")?))).collect()
    }

    /// Every key with how often it was stored, whether deleted since or not.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub fn versions(&self) -> Result<BTreeMap<String, usize>> {
        let mut versions = BTreeMap::new();
        let mut query = "versions=".to_owned();
        loop {
            let page = self.ok("GET", "", &query, "")?.body;
            for version in page.split("<Version>").skip(1) {
                *versions.entry(element(version, "Key")?).or_default() += 1;
            }
            if element(&page, "IsTruncated")? != "true" {
                return Ok(versions);
            }
            let marker = |name: &str| element(&page, name).map(|marker| percent_encode(&marker));
            let (key, version) = (marker("NextKeyMarker")?, marker("NextVersionIdMarker")?);
            query = format!("key-marker={key}&version-id-marker={version}&versions=");
        }
    }

    /// The keys of the objects that are there, in order; no more than one page of 1,000.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub fn keys(&self) -> Result<Vec<String>> {
        let page = self.ok("GET", "", "list-type=2", "")?.body;
        page.split("<Contents>").skip(1).map(|object| element(object, "Key")).collect()
    }

    /// How many uploads in parts were begun and neither completed nor aborted.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub fn unfinished(&self) -> Result<usize> {
        Ok(self.ok("GET", "", "uploads=", "")?.body.matches("<UploadId>").count())
    }

    fn ok(&self, method: &str, key: &str, query: &str, body: &str) -> Result<Response> {
        let key: String = key.split('/').map(|part| format!("/{}", percent_encode(part))).collect();
        let path = format!("/{}{}", self.name, if key == "/" { "" } else { &key });
        let request = Unsigned { method, path: &path, query, headers: &[], body };
        let answer = self.aws.s3(&self.owner, &request)?;
        ensure!(answer.status < 300, "{method} {path}?{query} was refused with {}: {}", answer.status, answer.body);
        Ok(answer)
    }
}
