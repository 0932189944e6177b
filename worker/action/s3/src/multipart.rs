//! One object in many parts: several at once, each summed, and nothing left behind when it fails.

use action::Failure;
use aws_sdk_s3::{
    error::{ProvideErrorMetadata, SdkError},
    operation::complete_multipart_upload::CompleteMultipartUploadOutput,
    types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use shared::{plan::upload::ObjectSettings, reason::Reason};

use crate::{
    Bucket, Stored,
    bucket::PARTS_AT_ONCE,
    checksum::{Algorithm, Sum},
    content::{Content, Piece, Range},
    object::{described, permissions, versioned},
    patience::{persistently, time_for},
};

/// 16 MiB: up to here an object goes whole.
pub(crate) const WHOLE_BYTES: u64 = 16 << 20;
/// 16 MiB: a part, as long as 10,000 of them are enough.
const PART_BYTES: u64 = 16 << 20;
/// 10,000 parts (Amazon S3 User Guide, "Amazon S3 multipart upload limits").
const PARTS: u64 = 10_000;
/// 5 TiB: a larger file is not uploaded (the same page; some regions take more).
pub(crate) const OBJECT_BYTES: u64 = 5 << 40;
/// Parts are whole MiB, so that a person can compute with them.
const MEBIBYTE: u64 = 1 << 20;
/// 10 minutes more for the answer to CompleteMultipartUpload: putting many parts together takes S3 minutes (Amazon S3 API,
/// CompleteMultipartUpload). In bytes of the slowest way.
const COMPLETION: u64 = 600 * (64 << 10);

/// How an object of that length is cut: by its length alone, so that it is cut the same again.
pub(crate) fn parts(length: u64) -> Vec<Range> {
    let size = part_bytes(length);
    let starts = (0..length.div_ceil(size)).map(|index| index * size);
    starts.map(|start| Range { start, length: size.min(length - start) }).collect()
}

fn part_bytes(length: u64) -> u64 {
    length.div_ceil(PARTS).next_multiple_of(MEBIBYTE).max(PART_BYTES)
}

/// Stores an object in parts. If that fails, or the step is cancelled, the parts that arrived are removed.
pub(crate) async fn put(
    bucket: &Bucket,
    key: &str,
    content: &Content,
    settings: &ObjectSettings,
) -> Result<Stored, Failure> {
    let upload = Multipart::create(bucket, key, content, settings).await?;
    let sent = tokio::select! {
        biased;
        () = bucket.cancelled.cancelled() => Err(upload.cancelled()),
        sent = upload.send() => sent,
    };
    let stored = match sent {
        Ok(sent) => upload.complete(sent).await,
        Err(failure) => Err(failure),
    };
    match stored {
        Ok(stored) => Ok(stored),
        Err(failure) => Err(upload.abort(failure).await),
    }
}

struct Multipart<'a> {
    bucket: &'a Bucket,
    key: &'a str,
    content: &'a Content,
    permissions: String,
    id: String,
    /// Whether S3 sums the object as a whole; otherwise over the sums of its parts.
    is_summed_whole: bool,
}

/// A part that S3 has.
struct Sent {
    number: i32,
    e_tag: String,
    sum: Sum,
}

impl<'a> Multipart<'a> {
    async fn create(
        bucket: &'a Bucket,
        key: &'a str,
        content: &'a Content,
        settings: &ObjectSettings,
    ) -> Result<Self, Failure> {
        let permissions = permissions(settings, true);
        let request = || {
            let create = bucket.client.create_multipart_upload().bucket(&bucket.name).key(key);
            described!(create, settings)
                .checksum_algorithm(named(bucket.algorithm))
                .checksum_type(ChecksumType::FullObject)
                .set_expected_bucket_owner(bucket.owner())
                .send()
        };
        let created = persistently(request).await;
        let created =
            created.map_err(|error| bucket.call("CreateMultipartUpload", &permissions, key).failure(&error))?;
        let is_summed_whole = created.checksum_type == Some(ChecksumType::FullObject);
        Ok(Self { bucket, key, content, permissions, id: created.upload_id.unwrap_or_default(), is_summed_whole })
    }

    async fn send(&self) -> Result<Vec<Sent>, Failure> {
        let parts = stream::iter((1..).zip(parts(self.content.length)));
        let sending = parts.map(|(number, range)| self.send_part(number, range)).buffered(PARTS_AT_ONCE);
        let sent = sending.try_collect().await?;
        self.content.unchanged().await?;
        Ok(sent)
    }

    async fn send_part(&self, number: i32, range: Range) -> Result<Sent, Failure> {
        let _turn = self.bucket.parts.acquire().await;
        let piece = self.content.piece(range, self.bucket.algorithm).await?;
        let sent = persistently(|| self.ask_for_part(number, range, &piece)).await;
        let e_tag = sent.map_err(|error| self.failure("UploadPart", &error))?;
        self.bucket.add_sent(range.length);
        Ok(Sent { number, e_tag, sum: piece.sum })
    }

    async fn ask_for_part(
        &self,
        number: i32,
        range: Range,
        piece: &Piece,
    ) -> Result<
        String,
        SdkError<
            aws_sdk_s3::operation::upload_part::UploadPartError,
            aws_smithy_runtime_api::client::orchestrator::HttpResponse,
        >,
    > {
        let body = piece.stream().await.map_err(SdkError::construction_failure)?;
        let part = self.bucket.client.upload_part().bucket(&self.bucket.name).key(self.key).upload_id(&self.id);
        let part = match piece.sum.algorithm {
            Algorithm::Crc64Nvme => part.checksum_crc64_nvme(piece.sum.text()),
            Algorithm::Crc32 => part.checksum_crc32(piece.sum.text()),
            Algorithm::Crc32C => part.checksum_crc32_c(piece.sum.text()),
        };
        let part = part.part_number(number).set_expected_bucket_owner(self.bucket.owner()).body(body);
        let sent = part.customize().config_override(time_for(range.length)).send().await?;
        Ok(sent.e_tag.unwrap_or_default())
    }

    async fn complete(&self, sent: Vec<Sent>) -> Result<Stored, Failure> {
        let algorithm = self.bucket.algorithm;
        let sums: Vec<Sum> = sent.iter().map(|part| part.sum).collect();
        let whole = Sum::whole(algorithm, &sums);
        let parts = CompletedMultipartUpload::builder().set_parts(Some(sent.iter().map(completed).collect())).build();
        let request = || {
            let complete = self.bucket.client.complete_multipart_upload().bucket(&self.bucket.name).key(self.key);
            let complete = match algorithm {
                _ if !self.is_summed_whole => complete,
                Algorithm::Crc64Nvme => complete.checksum_crc64_nvme(whole.text()),
                Algorithm::Crc32 => complete.checksum_crc32(whole.text()),
                Algorithm::Crc32C => complete.checksum_crc32_c(whole.text()),
            };
            complete
                .upload_id(&self.id)
                .set_checksum_type(self.is_summed_whole.then_some(ChecksumType::FullObject))
                .mpu_object_size(i64::try_from(self.content.length).unwrap_or(i64::MAX))
                .multipart_upload(parts.clone())
                .set_expected_bucket_owner(self.bucket.owner())
                .customize()
                .config_override(time_for(COMPLETION))
                .send()
        };
        let expected = [whole.text(), Sum::composite(algorithm, &sums)];
        match persistently(request).await {
            Ok(stored) => self.verified(stored, &expected),
            // It was put together, and only the answer was lost.
            Err(error) if error.code() == Some("NoSuchUpload") => {
                let failure = self.failure("CompleteMultipartUpload", &error);
                self.found(&expected).await.ok_or(failure)
            }
            Err(error) => Err(self.failure("CompleteMultipartUpload", &error)),
        }
    }

    fn verified(&self, stored: CompleteMultipartUploadOutput, expected: &[String; 2]) -> Result<Stored, Failure> {
        let told =
            [stored.checksum_crc64_nvme, stored.checksum_crc32, stored.checksum_crc32_c].into_iter().flatten().next();
        if let Some(told) = told.filter(|told| !expected.contains(told)) {
            let sentence = format!(
                "s3://{}/{} was put together from its parts with the checksum {told}, and should have {}: upload it again.",
                self.bucket.name, self.key, expected[0]
            );
            return Err(Failure::new(Reason::UploadFailed, sentence));
        }
        Ok(Stored {
            e_tag: stored.e_tag.unwrap_or_default(),
            version_id: versioned(stored.version_id),
            checksum: expected[0].clone(),
        })
    }

    /// The object, if it is what was to be stored.
    async fn found(&self, expected: &[String; 2]) -> Option<Stored> {
        let head = self.bucket.client.head_object().bucket(&self.bucket.name).key(self.key);
        let head = head.checksum_mode(ChecksumMode::Enabled).set_expected_bucket_owner(self.bucket.owner());
        let head = head.send().await.ok()?;
        let told =
            [head.checksum_crc64_nvme, head.checksum_crc32, head.checksum_crc32_c].into_iter().flatten().next()?;
        expected.contains(&told).then(|| Stored {
            e_tag: head.e_tag.unwrap_or_default(),
            version_id: versioned(head.version_id),
            checksum: expected[0].clone(),
        })
    }

    /// Removes the parts; what remains of them is told.
    async fn abort(&self, failure: Failure) -> Failure {
        let client = &self.bucket.client;
        let request = || {
            let abort = client.abort_multipart_upload().bucket(&self.bucket.name).key(self.key).upload_id(&self.id);
            abort.set_expected_bucket_owner(self.bucket.owner()).send()
        };
        match request().await {
            Ok(_) => {
                Failure::new(failure.reason, format!("{} The parts that had arrived were removed.", failure.sentence))
            }
            Err(error) if error.code() == Some("NoSuchUpload") => failure,
            Err(error) => {
                let call = self.bucket.call("AbortMultipartUpload", "s3:AbortMultipartUpload", self.key);
                let why = call.failure(&error).sentence;
                let left = format!(
                    "{} Its parts could not be removed and cost money until they are (`aws s3api list-multipart-uploads` shows them): {why}",
                    failure.sentence
                );
                Failure::new(failure.reason, left)
            }
        }
    }

    fn cancelled(&self) -> Failure {
        let sentence = format!("s3://{}/{} was not stored: the step was cancelled.", self.bucket.name, self.key);
        Failure::new(Reason::UploadFailed, sentence)
    }

    fn failure<E>(
        &self,
        call: &str,
        error: &SdkError<E, aws_smithy_runtime_api::client::orchestrator::HttpResponse>,
    ) -> Failure
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        self.bucket.call(call, &self.permissions, self.key).failure(error)
    }
}

fn named(algorithm: Algorithm) -> ChecksumAlgorithm {
    match algorithm {
        Algorithm::Crc64Nvme => ChecksumAlgorithm::Crc64Nvme,
        Algorithm::Crc32 => ChecksumAlgorithm::Crc32,
        Algorithm::Crc32C => ChecksumAlgorithm::Crc32C,
    }
}

fn completed(part: &Sent) -> CompletedPart {
    let completed = CompletedPart::builder().part_number(part.number).e_tag(&part.e_tag);
    match part.sum.algorithm {
        Algorithm::Crc64Nvme => completed.checksum_crc64_nvme(part.sum.text()),
        Algorithm::Crc32 => completed.checksum_crc32(part.sum.text()),
        Algorithm::Crc32C => completed.checksum_crc32_c(part.sum.text()),
    }
    .build()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 5 GiB (Amazon S3 User Guide, "Amazon S3 multipart upload limits").
    const LARGEST_PART: u64 = 5 << 30;

    #[test]
    fn parts_grow_only_when_ten_thousand_would_not_do() {
        assert_eq!(part_bytes(1 << 30), PART_BYTES);
        assert_eq!(part_bytes(PARTS * PART_BYTES), PART_BYTES);
        assert_eq!(part_bytes(PARTS * PART_BYTES + 1), PART_BYTES + MEBIBYTE);
        assert_eq!(parts(WHOLE_BYTES + 1).last().map(|part| part.length), Some(1));
        assert_eq!(parts(1 << 30).len(), 64);
        assert!(parts(OBJECT_BYTES).len() as u64 <= PARTS);
    }

    proptest! {
        #[test]
        fn parts_cover_the_object_without_gap_and_within_awss_limits(length in 1..=OBJECT_BYTES) {
            let parts = parts(length);
            prop_assert!(parts.len() as u64 <= PARTS);
            let mut end = 0;
            for part in &parts {
                prop_assert_eq!(part.start, end);
                prop_assert!((1..=LARGEST_PART).contains(&part.length));
                end += part.length;
            }
            prop_assert_eq!(end, length);
        }
    }
}
