//! Makes buckets that nobody else can look into.

use action::Failure;
use aws_sdk_s3::{
    operation::create_bucket::CreateBucketError,
    types::{
        BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, ObjectOwnership,
        PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
        ServerSideEncryptionConfiguration, ServerSideEncryptionRule, VersioningConfiguration,
    },
};
use shared::reason::Reason;

use crate::{Bucket, patience::persistently, refusal::Call};

/// The region that S3 means when a request names none, and must not be named (Amazon S3 API, CreateBucket, LocationConstraint).
const UNNAMED_REGION: &str = "us-east-1";

impl Bucket {
    /// Makes the bucket in the step's region, if it is not there: without public access and ACLs, encrypted, and with versions. One
    /// that is ours already is given the same settings. An empty key is S3's own encryption (SSE-S3).
    ///
    /// # Errors
    /// `BUCKET_REFUSED` when somebody else has a bucket of that name; `PERMISSION_MISSING`, and as AWS answers.
    pub async fn create_private(&self, kms_key: &str) -> Result<(), Failure> {
        self.create().await?;
        self.block_public_access().await?;
        self.encrypt(kms_key).await?;
        self.keep_versions().await
    }

    async fn create(&self) -> Result<(), Failure> {
        let place = (self.region != UNNAMED_REGION).then(|| {
            let region = BucketLocationConstraint::from(self.region.as_str());
            CreateBucketConfiguration::builder().location_constraint(region).build()
        });
        let request = || {
            self.client
                .create_bucket()
                .bucket(&self.name)
                .object_ownership(ObjectOwnership::BucketOwnerEnforced)
                .set_create_bucket_configuration(place.clone())
                .send()
        };
        match persistently(request).await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(CreateBucketError::BucketAlreadyOwnedByYou(_)) => Ok(()),
                Some(CreateBucketError::BucketAlreadyExists(_)) => Err(self.taken()),
                _ => {
                    Err(self.call("CreateBucket", "s3:CreateBucket, s3:PutBucketOwnershipControls", "").failure(&error))
                }
            },
        }
    }

    async fn block_public_access(&self) -> Result<(), Failure> {
        let block = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true)
            .build();
        let request = || {
            let put = self.client.put_public_access_block().bucket(&self.name);
            put.public_access_block_configuration(block.clone()).set_expected_bucket_owner(self.owner()).send()
        };
        let call = self.call("PutPublicAccessBlock", "s3:PutBucketPublicAccessBlock", "");
        persistently(request).await.map(drop).map_err(|error| call.failure(&error))
    }

    async fn encrypt(&self, kms_key: &str) -> Result<(), Failure> {
        let call = self.call("PutBucketEncryption", "s3:PutEncryptionConfiguration", "");
        let rules = encryption(kms_key).map_err(|error| unmade(&call, &error))?;
        let request = || {
            let put = self.client.put_bucket_encryption().bucket(&self.name);
            put.server_side_encryption_configuration(rules.clone()).set_expected_bucket_owner(self.owner()).send()
        };
        persistently(request).await.map(drop).map_err(|error| call.failure(&error))
    }

    async fn keep_versions(&self) -> Result<(), Failure> {
        let versions = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        let request = || {
            let put = self.client.put_bucket_versioning().bucket(&self.name);
            put.versioning_configuration(versions.clone()).set_expected_bucket_owner(self.owner()).send()
        };
        let call = self.call("PutBucketVersioning", "s3:PutBucketVersioning", "");
        persistently(request).await.map(drop).map_err(|error| call.failure(&error))
    }

    fn taken(&self) -> Failure {
        let sentence = format!(
            "The bucket {} cannot be created: another AWS account has one of that name. Choose another name.",
            self.name
        );
        Failure::new(Reason::BucketRefused, sentence)
    }
}

fn encryption(
    kms_key: &str,
) -> Result<ServerSideEncryptionConfiguration, aws_smithy_types::error::operation::BuildError> {
    let by = match kms_key {
        "" => ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256),
        key => {
            ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::AwsKms).kms_master_key_id(key)
        }
    };
    // One call to KMS for many objects instead of one for each.
    let rule = ServerSideEncryptionRule::builder().bucket_key_enabled(!kms_key.is_empty());
    let rule = rule.apply_server_side_encryption_by_default(by.build()?).build();
    ServerSideEncryptionConfiguration::builder().rules(rule).build()
}

fn unmade(call: &Call<'_>, error: &dyn std::error::Error) -> Failure {
    Failure::new(Reason::Internal, format!("{} of the bucket {} cannot be asked: {error}.", call.name, call.bucket))
}
