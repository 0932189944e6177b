//! Whether an object is already what would be stored. When that cannot be told, it is not.

use action::Failure;
use aws_sdk_s3::{
    operation::head_object::HeadObjectOutput,
    types::{ChecksumType, ServerSideEncryption, StorageClass},
};
use shared::plan::upload::ObjectSettings;

use crate::{
    checksum::{Algorithm, Sum},
    content::Content,
    multipart::parts,
};

/// A checksum that S3 keeps of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Kept {
    algorithm: Algorithm,
    text: String,
    /// Over the sums of its parts.
    is_composite: bool,
}

/// What of an object differs from what would be stored, as far as its head tells; none if only its content may.
pub(crate) fn difference(length: u64, settings: &ObjectSettings, head: &HeadObjectOutput) -> Option<&'static str> {
    let same = |wanted: &str, there: Option<&str>| wanted == there.unwrap_or_default();
    [
        ("its size", u64::try_from(head.content_length().unwrap_or_default()) == Ok(length)),
        ("its Content-Type", same(&settings.content_type, head.content_type())),
        ("its Cache-Control", same(&settings.cache_control, head.cache_control())),
        ("its Content-Disposition", same(&settings.content_disposition, head.content_disposition())),
        ("its Content-Encoding", same(&settings.content_encoding, head.content_encoding())),
        ("its Content-Language", same(&settings.content_language, head.content_language())),
        ("its metadata", has_metadata(settings, head)),
        ("its storage class", has_storage_class(settings, head)),
        ("its encryption", has_encryption(settings, head)),
    ]
    .into_iter()
    .find_map(|(what, is_same)| (!is_same).then_some(what))
}

/// The checksum that tells most, if S3 has one.
pub(crate) fn kept(head: &HeadObjectOutput) -> Option<Kept> {
    let (algorithm, text) = [
        (Algorithm::Crc64Nvme, head.checksum_crc64_nvme()),
        (Algorithm::Crc32C, head.checksum_crc32_c()),
        (Algorithm::Crc32, head.checksum_crc32()),
    ]
    .into_iter()
    .find_map(|(algorithm, text)| Some((algorithm, text?.to_owned())))?;
    // Base64 as it is written here has no dash; a composite ends with one and the number of parts.
    let is_composite = head.checksum_type() == Some(&ChecksumType::Composite) || text.contains('-');
    Some(Kept { algorithm, text, is_composite })
}

impl Kept {
    /// Whether it is that of the content. A composite tells it only of an object that was cut as it would be cut here.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) async fn is_of(&self, content: &Content) -> Result<bool, Failure> {
        if !self.is_composite {
            return Ok(content.sum(content.whole(), self.algorithm).await?.text() == self.text);
        }
        let ranges = parts(content.length);
        if !self.text.ends_with(&format!("-{}", ranges.len())) {
            return Ok(false);
        }
        let mut sums = Vec::with_capacity(ranges.len());
        for range in ranges {
            sums.push(content.sum(range, self.algorithm).await?);
        }
        Ok(Sum::composite(self.algorithm, &sums) == self.text)
    }
}

fn has_metadata(settings: &ObjectSettings, head: &HeadObjectOutput) -> bool {
    let there = head.metadata();
    let count = there.map_or(0, |there| there.len());
    let has = |(key, value): (&String, &String)| there.and_then(|there| there.get(key)) == Some(value);
    count == settings.metadata.len() && settings.metadata.iter().all(has)
}

/// S3 does not tell the standard class.
fn has_storage_class(settings: &ObjectSettings, head: &HeadObjectOutput) -> bool {
    let there = head.storage_class().unwrap_or(&StorageClass::Standard).as_str();
    settings.storage_class.is_empty() || settings.storage_class == there
}

/// S3 tells a key's ARN, of which its id is the end. What an alias stands for it does not tell.
fn has_encryption(settings: &ObjectSettings, head: &HeadObjectOutput) -> bool {
    let there = head.server_side_encryption().map_or("", ServerSideEncryption::as_str);
    let key = head.ssekms_key_id().unwrap_or_default();
    let is_key = |wanted: &str| wanted.is_empty() || key == wanted || key.ends_with(&format!("/{wanted}"));
    settings.encryption.is_empty() || settings.encryption == there && is_key(&settings.kms_key)
}

#[cfg(test)]
mod tests;
