//! The policies for stacks and uploads are enough for everything that they are for, and what is taken out of them is named by whoever
//! misses it. The emulator asks nobody for `iam:PassRole`, for permissions of KMS, or for those to make what a template has; and a
//! call that names a change set by its ARN alone is about no stack for it, where for AWS it is about the change set's.

use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::{
    Instance, World,
    emulator::{ACCOUNT, REGION},
    parts::{host_path, part, project},
    world::Ec2Host,
};

const ROLE: &str = "shop-deployer";
const STACK: &str = "stack-deployer-with-role.json";
const UPLOAD: &str = "s3-uploader.json";

/// Calls that name a change set by its ARN.
const BY_CHANGE_SET: [&str; 4] = [
    "cloudformation:DeleteChangeSet",
    "cloudformation:DescribeChangeSet",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:GetTemplate",
];

const NESTED: &str = "Resources:\n  Jobs:\n    Type: AWS::SQS::Queue\n";
const TEMPLATE: &str = r#"Parameters:
  Delay: { Type: Number, Default: 1 }
Resources:
  Queues:
    Type: AWS::CloudFormation::Stack
    Properties: { TemplateURL: nested.yaml }
  Feed:
    Type: AWS::SQS::Queue
    Properties: { DelaySeconds: !Ref Delay }
"#;

/// A world whose one worker may do exactly what a policy says.
struct Stage {
    world: World,
    _host: Ec2Host,
    policy: Value,
    is_about_stacks: bool,
}

/// How a deployment of one step ended.
struct Ended {
    state: String,
    reason: String,
    log: String,
}

impl Stage {
    fn with(policy: &str) -> Result<Self> {
        let (policy, is_about_stacks) = (read(policy)?, policy == STACK);
        let world = World::start()?;
        world.aws().create_instance_role(ROLE, r#"{"Effect":"Deny","Action":"iam:*","Resource":"*"}"#)?;
        let mut host = world.unstarted_host("one", Instance::with_role(ROLE))?;
        world.bring_up(&mut host.host, "default")?;
        let stage = Self { world, _host: host, policy, is_about_stacks };
        stage.allow(|_| true)?;
        Ok(stage)
    }

    /// The role may do from now on what the policy says, without the actions that are not kept.
    fn allow(&self, keep: impl Fn(&str) -> bool) -> Result<()> {
        let mut policy = self.policy.clone();
        let statements = policy["Statement"].as_array_mut().context("a policy has statements")?;
        for statement in statements.iter_mut() {
            let actions = match &statement["Action"] {
                Value::Array(actions) => actions.clone(),
                one => vec![one.clone()],
            };
            let kept = actions.into_iter().filter(|action| keep(action.as_str().unwrap_or_default()));
            statement["Action"] = kept.collect();
        }
        statements.retain(|statement| statement["Action"] != Value::Array(vec![]));
        let kept: Vec<_> = BY_CHANGE_SET.into_iter().filter(|action| keep(action)).collect();
        if self.is_about_stacks {
            statements.push(json!({ "Effect": "Allow", "Action": kept, "Resource": "*" }));
        }
        let document = policy.to_string();
        let put = [("RoleName", ROLE), ("PolicyName", "only"), ("PolicyDocument", document.as_str())];
        self.world.aws().as_root("iam", "PutRolePolicy", &put).map(drop)
    }

    /// Deploys a step with these keys.
    fn run(&self, keys: &str) -> Result<Ended> {
        let yaml = format!(
            "project: shop\nsteps:\n  - name: Step\n    aws: {{ identity: worker-role, region: eu-west-1 }}\n    {keys}\n"
        );
        let folder = self.world.project("shop", &yaml)?;
        fs::create_dir_all(folder.join("dist"))?;
        for (name, text) in [("template.yaml", TEMPLATE), ("nested.yaml", NESTED), ("dist/index.html", "<h1>Shop</h1>")]
        {
            fs::write(folder.join(name), text)?;
        }
        // Two parts.
        fs::write(folder.join("dist/large.bin"), vec![7; (17 << 20) + 1])?;
        self.world.cli().ok(&["project", "apply", "-f", &folder.to_string_lossy()])?;
        let id = self.world.start_deployment("shop")?;
        let shown = self.world.ended(&id)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let attempt = &shown["steps"][0]["attempts"][0];
        Ok(Ended { state: text(&shown["state"]), reason: text(&attempt["reason"]), log: self.world.log(&id, "Step")? })
    }

    fn succeeds(&self, keys: &str) -> Result<Ended> {
        let ended = self.run(keys)?;
        assert_eq!(ended.state, "succeeded", "{keys}\n{}", ended.log);
        assert!(!ended.log.contains("not authorized"), "{keys}\n{}", ended.log);
        Ok(ended)
    }

    /// Without the action the step fails, and names it.
    fn misses(&self, action: &str, keys: &str) -> Result<()> {
        self.allow(|kept| kept != action)?;
        let ended = self.run(keys)?;
        let seen = (ended.state.as_str(), ended.reason.as_str(), ended.log.contains(action));
        assert_eq!(seen, ("failed", "PERMISSION_MISSING", true), "{action}\n{}", ended.log);
        self.allow(|_| true)
    }
}

#[test]
fn the_policy_for_stacks_is_enough_and_what_it_lacks_is_named() -> Result<()> {
    let stage = Stage::with(STACK)?;
    let role = format!("arn:aws:iam::{ACCOUNT}:role/shop-cloudformation");
    let deploy = |delay: u32, more: &str| {
        format!(
            "cloudformation: {{ deploy: {{ stack: shop-queues, template: template.yaml, parameters: {{ Delay: {delay} }}, tags: {{ team: \
             shop }}, role_arn: \"{role}\", staging: {{ bucket: shop-staging-{ACCOUNT}, create: true }}{more} }} }}"
        )
    };
    let protect = ", termination_protection: true, stack_policy: '{\"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"Update:*\", \
                   \"Principal\": \"*\", \"Resource\": \"*\"}]}'";
    stage.misses("s3:CreateBucket", &deploy(1, ""))?;
    stage.succeeds(&deploy(1, protect))?;
    for action in [
        "s3:ListBucket",
        "cloudformation:CreateChangeSet",
        "cloudformation:ExecuteChangeSet",
        "cloudformation:DescribeStacks",
    ] {
        stage.misses(action, &deploy(2, ""))?;
    }
    stage.succeeds(&deploy(3, ""))?;
    stage.succeeds(&deploy(4, ", change_set: direct, termination_protection: false"))?;
    let nothing = stage.succeeds(&deploy(4, ""))?;
    assert!(nothing.log.contains("No changes need to be performed."), "{}", nothing.log);
    let delete = format!("cloudformation: {{ delete: {{ stack: shop-queues, role_arn: \"{role}\" }} }}");
    stage.misses("cloudformation:DeleteStack", &delete)?;
    stage.succeeds(&delete)?;
    let foreign = stage.run(&deploy(1, "").replace("shop-queues", "other-queues"))?;
    assert_eq!(foreign.reason, "PERMISSION_MISSING", "{}", foreign.log);
    Ok(())
}

#[test]
fn the_policy_with_a_role_is_the_other_one_and_that_the_role_may_be_passed() -> Result<()> {
    let (mut with, without) = (read(STACK)?, read("stack-deployer.json")?);
    let statements = with["Statement"].as_array_mut().context("a policy has statements")?;
    statements.retain(|statement| statement["Action"] != "iam:PassRole");
    assert_eq!(with, without);
    Ok(())
}

#[test]
fn the_policy_for_uploads_is_enough_and_what_it_lacks_is_named() -> Result<()> {
    let stage = Stage::with(UPLOAD)?;
    stage.make_bucket()?;
    let upload = |more: &str| {
        format!("s3_upload: {{ bucket: shop-site-{ACCOUNT}, source: \"dist/**\", key_prefix: web/{more} }}")
    };
    let everything = upload(
        ", delete_extraneous: { at_most: 10 }, tags: { team: shop }, acl: private, encryption: \"aws:kms\", kms_key: ID-OF-THE-KEY",
    );
    stage.misses("s3:PutObject", &upload(""))?;
    stage.succeeds(&everything)?;
    let again = stage.succeeds(&everything)?;
    assert!(again.log.contains("= s3://"), "{}", again.log);
    let other = upload(", delete_extraneous: { at_most: 10 }").replace("dist/**", "dist/*.bin");
    stage.misses("s3:DeleteObject", &other)?;
    let deleted = stage.succeeds(&other)?;
    assert!(deleted.log.contains("web/index.html"), "{}", deleted.log);
    stage.misses("s3:ListBucket", &other)?;
    let elsewhere = stage.run(&upload("").replace("web/", "private/"))?;
    assert_eq!(elsewhere.reason, "PERMISSION_MISSING", "{}", elsewhere.log);
    let plain = ["s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"];
    stage.allow(|action| plain.contains(&action))?;
    stage.succeeds(&upload(""))?;
    Ok(())
}

impl Stage {
    /// Makes the bucket, which takes ACLs, as the account's root.
    fn make_bucket(&self) -> Result<()> {
        let bucket = format!("shop-site-{ACCOUNT}");
        let place = format!("LocationConstraint={REGION}");
        let made = Command::new(part("aws")?)
            .args(["s3api", "create-bucket", "--bucket", &bucket, "--object-ownership", "BucketOwnerPreferred"])
            .args(["--create-bucket-configuration", &place, "--region", REGION])
            .env_clear()
            .env("PATH", host_path())
            .env("AWS_ENDPOINT_URL", self.world.aws().url())
            .env("AWS_ACCESS_KEY_ID", ACCOUNT)
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .output()
            .context("the AWS CLI cannot be run")?;
        ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Ok(())
    }
}

/// A policy, for the one account that the emulator has.
fn read(file: &str) -> Result<Value> {
    let text = fs::read_to_string(project().join("deploy/iam").join(file))?;
    serde_json::from_str(&text.replace("444455556666", ACCOUNT)).with_context(|| format!("{file} is not JSON"))
}
