//! Which resources hold what is lost with them.

/// Types whose deletion or replacement loses data, keys that decrypt it, or an address or identity that others know. Sorted.
const STATEFUL: &[&str] = &[
    "AWS::ACMPCA::CertificateAuthority",
    "AWS::APS::Workspace",
    "AWS::AmazonMQ::Broker",
    "AWS::Backup::BackupVault",
    "AWS::Backup::LogicallyAirGappedBackupVault",
    "AWS::Bedrock::KnowledgeBase",
    "AWS::Cassandra::Keyspace",
    "AWS::Cassandra::Table",
    "AWS::CloudTrail::EventDataStore",
    "AWS::CodeArtifact::Domain",
    "AWS::CodeArtifact::Repository",
    "AWS::CodeCommit::Repository",
    "AWS::Cognito::IdentityPool",
    "AWS::Cognito::UserPool",
    "AWS::Connect::Instance",
    "AWS::CustomerProfiles::Domain",
    "AWS::DAX::Cluster",
    "AWS::DSQL::Cluster",
    "AWS::DirectoryService::MicrosoftAD",
    "AWS::DirectoryService::SimpleAD",
    "AWS::DocDB::DBCluster",
    "AWS::DocDB::DBInstance",
    "AWS::DocDBElastic::Cluster",
    "AWS::DynamoDB::GlobalTable",
    "AWS::DynamoDB::Table",
    "AWS::EC2::EIP",
    "AWS::EC2::Volume",
    "AWS::ECR::PublicRepository",
    "AWS::ECR::Repository",
    "AWS::EFS::FileSystem",
    "AWS::ElastiCache::CacheCluster",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::ElastiCache::ServerlessCache",
    "AWS::Elasticsearch::Domain",
    "AWS::Events::Archive",
    "AWS::FSx::FileSystem",
    "AWS::FSx::Snapshot",
    "AWS::FSx::StorageVirtualMachine",
    "AWS::FSx::Volume",
    "AWS::Glue::Database",
    "AWS::Glue::Registry",
    "AWS::Glue::Schema",
    "AWS::Glue::Table",
    "AWS::HealthImaging::Datastore",
    "AWS::HealthLake::FHIRDatastore",
    "AWS::IoTAnalytics::Channel",
    "AWS::IoTAnalytics::Dataset",
    "AWS::IoTAnalytics::Datastore",
    "AWS::KMS::Key",
    "AWS::KMS::ReplicaKey",
    "AWS::Kendra::Index",
    "AWS::Kinesis::Stream",
    "AWS::KinesisVideo::Stream",
    "AWS::Lightsail::Bucket",
    "AWS::Lightsail::Database",
    "AWS::Lightsail::Disk",
    "AWS::Location::GeofenceCollection",
    "AWS::Logs::LogGroup",
    "AWS::Logs::LogStream",
    "AWS::MSK::Cluster",
    "AWS::MSK::ServerlessCluster",
    "AWS::MSK::Topic",
    "AWS::MemoryDB::Cluster",
    "AWS::Neptune::DBCluster",
    "AWS::Neptune::DBInstance",
    "AWS::NeptuneGraph::Graph",
    "AWS::Omics::AnnotationStore",
    "AWS::Omics::ReferenceStore",
    "AWS::Omics::SequenceStore",
    "AWS::Omics::VariantStore",
    "AWS::OpenSearchServerless::Collection",
    "AWS::OpenSearchService::Domain",
    "AWS::Personalize::Dataset",
    "AWS::Personalize::DatasetGroup",
    "AWS::QBusiness::Index",
    "AWS::QLDB::Ledger",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
    "AWS::RDS::DBShardGroup",
    "AWS::RDS::GlobalCluster",
    "AWS::Redshift::Cluster",
    "AWS::RedshiftServerless::Namespace",
    "AWS::Rekognition::Collection",
    "AWS::Route53::HostedZone",
    "AWS::S3::Bucket",
    "AWS::S3Express::DirectoryBucket",
    "AWS::S3Outposts::Bucket",
    "AWS::S3Tables::Namespace",
    "AWS::S3Tables::Table",
    "AWS::S3Tables::TableBucket",
    "AWS::S3Vectors::Index",
    "AWS::S3Vectors::VectorBucket",
    "AWS::SDB::Domain",
    "AWS::SQS::Queue",
    "AWS::SSM::Parameter",
    "AWS::SageMaker::Domain",
    "AWS::SageMaker::FeatureGroup",
    "AWS::SageMaker::ModelPackageGroup",
    "AWS::SageMaker::NotebookInstance",
    "AWS::SageMaker::Space",
    "AWS::SecretsManager::Secret",
    "AWS::Serverless::SimpleTable",
    "AWS::Timestream::Database",
    "AWS::Timestream::InfluxDBCluster",
    "AWS::Timestream::InfluxDBInstance",
    "AWS::Timestream::Table",
    "AWS::VerifiedPermissions::PolicyStore",
    "AWS::WorkSpaces::Workspace",
];

/// Whether losing a resource of this type loses more than its configuration: data, keys, or an address that others know. Only
/// types that are known to; a nested stack is none itself, what is in it may be.
#[must_use]
pub fn is_stateful(resource_type: &str) -> bool {
    STATEFUL.binary_search(&resource_type).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_has_nothing_twice() {
        assert!(STATEFUL.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn what_holds_data_is_told_from_what_only_works_on_it() {
        for held in
            ["AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::RDS::DBInstance", "AWS::EFS::FileSystem", "AWS::KMS::Key"]
        {
            assert!(is_stateful(held), "{held}");
        }
        for idle in ["AWS::Lambda::Function", "AWS::EC2::VPC", "AWS::CloudFormation::Stack", "Custom::Thing", ""] {
            assert!(!is_stateful(idle), "{idle}");
        }
    }
}
