//! A role that is exchanged, refused and taken away under a running agent.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::*;
use crate::{
    config::{Config, Options},
    credentials::stand_in::{Reply, StandIn, answer, in_seconds},
    environment::{RoleVariables, Surroundings},
};

/// STS that says of every key that it is the role of the key's name.
async fn sts() -> StandIn {
    StandIn::start(|request| {
        let key = request.head.split("credential=").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or("nobody");
        let arn = format!("arn:aws:sts::123456789012:assumed-role/{key}/i-0abc");
        let xml = format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Arn>{arn}</Arn>\
             <UserId>AROAEXAMPLE:i-0abc</UserId><Account>123456789012</Account></GetCallerIdentityResult>\
             <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
        );
        answer(200, xml)
    })
    .await
}

/// Metadata whose role is `first`, then `second`, then none; each stage lasts until the test says so.
async fn metadata(stage: Arc<AtomicUsize>) -> StandIn {
    StandIn::start(move |request| -> Reply {
        let role = ["first", "second", ""][stage.load(Ordering::Relaxed)];
        match request.line.as_str() {
            "put /latest/api/token" => answer(200, "token"),
            "get /latest/meta-data/instance-id" => answer(200, "i-0abc"),
            "get /latest/meta-data/services/partition" => answer(200, "aws"),
            "get /latest/meta-data/iam/security-credentials/" if role.is_empty() => answer(404, ""),
            "get /latest/meta-data/iam/security-credentials/" => answer(200, role),
            line if line.ends_with(role) => {
                let ends = in_seconds(3600);
                let json = format!(
                    r#"{{"Code":"Success","AccessKeyId":"{role}","SecretAccessKey":"s","Token":"t","Expiration":"{ends}"}}"#
                );
                answer(200, json)
            }
            _ => answer(404, ""),
        }
    })
    .await
}

fn aws(metadata: &str, sts: &str) -> Aws {
    service::tls::install_provider();
    let around = Surroundings { metadata_endpoint: Some(metadata.into()), ..Surroundings::default() };
    let config = Config::resolve(Options::default(), around).expect("sound");
    let config = Config { region: Some("eu-west-1".into()), ..config };
    let settings = aws::Settings { endpoint_url: Some(sts.into()), ..aws::Settings::default() };
    let way = aws::Aws::new(&settings).expect("sound");
    Aws::with(&config, RoleVariables::default(), way, settings)
}

#[tokio::test]
async fn a_role_that_is_exchanged_is_seen_at_the_next_look_and_aws_is_asked_only_then() {
    let stage = Arc::new(AtomicUsize::new(0));
    let (metadata, sts) = (metadata(stage.clone()).await, sts().await);
    let aws = aws(&metadata.url(), &sts.url());
    let mut watch = Watch::default();
    for _ in 0..3 {
        let seen = watch.look(&aws).await;
        let identity = seen.identity.clone().expect("an identity");
        assert_eq!(identity.arn, "arn:aws:sts::123456789012:assumed-role/first/i-0abc");
        assert_eq!(identity.source, "worker-role (imds)");
        assert_eq!(seen.instance.as_ref().map(|instance| instance.id.as_str()), Some("i-0abc"));
        assert!(seen.problem.is_none() && seen.obtained_at > 0 && seen.expires_at > seen.obtained_at);
    }
    assert_eq!(sts.requests().len(), 1, "the same access key needs no second question");

    stage.store(1, Ordering::Relaxed);
    let seen = watch.look(&aws).await;
    assert!(seen.identity.is_some_and(|identity| identity.arn.contains("assumed-role/second/")));
    assert_eq!(sts.requests().len(), 2);

    stage.store(2, Ordering::Relaxed);
    let seen = watch.look(&aws).await;
    assert_eq!(seen.identity, None, "what was taken away is nobody's any more");
    assert_eq!(seen.problem.map(|problem| problem.reason), Some("NO_INSTANCE_ROLE".into()));
    assert_eq!(watch.patience(), LOOK_AGAIN, "one may be attached soon");
}

#[tokio::test]
async fn off_ec2_it_looks_seldom_and_a_role_that_sts_refuses_has_no_identity() {
    let nowhere = aws("http://127.0.0.1:1", "http://127.0.0.1:1");
    let mut watch = Watch::default();
    let seen = watch.look(&nowhere).await;
    assert_eq!(seen.problem.map(|problem| problem.reason), Some("NOT_ON_EC2".into()));
    assert_eq!(watch.patience(), LOOK_SELDOM);

    let metadata = metadata(Arc::default()).await;
    let refusing = StandIn::start(|_| {
        answer(
            403,
            "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code><Message>no</Message></Error></ErrorResponse>",
        )
    })
    .await;
    let refused = aws(&metadata.url(), &refusing.url());
    let seen = Watch::default().look(&refused).await;
    assert_eq!(seen.identity, None);
    let problem = seen.problem.expect("a problem");
    assert!(problem.detail.contains("worker-role (imds)"), "{}", problem.detail);
}
