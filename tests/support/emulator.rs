//! The AWS of the tests: an emulator that verifies signatures, policies, trust and expiry, and whose stacks really fail.

use std::{fmt, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;

use crate::{
    http::{self, Response},
    parts, port,
    process::Process,
    sigv4::{self, Unsigned},
    wait::until,
};

/// The AWS account everything is in. The emulator takes 12 digits as the key id of that account's root.
pub const ACCOUNT: &str = "123456789012";
/// Where everything is.
pub const REGION: &str = "eu-west-1";

/// The IAM user that vends roles to instances, as EC2 does inside AWS.
const EC2: &str = "ec2-service";

/// Credentials of either kind.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// Public half.
    pub id: String,
    /// Secret half.
    pub secret: String,
    /// Only for a session.
    pub session_token: Option<String>,
    /// When a session ends, as AWS says it.
    pub expiration: Option<String>,
}

impl AccessKey {
    /// What the emulator takes as the key of an account's root.
    #[must_use]
    pub fn of_root(account: &str) -> Self {
        Self { id: account.into(), secret: "test".into(), session_token: None, expiration: None }
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A running emulator.
#[derive(Debug)]
pub struct Emulator {
    process: Process,
    client: Client,
}

/// How to ask a running emulator; cheap to copy to whoever needs AWS.
#[derive(Clone, Debug)]
pub struct Client {
    host: String,
    ec2: Option<AccessKey>,
}

impl Emulator {
    /// Starts one on a free port of loopback.
    ///
    /// # Errors
    /// When it is not installed or does not come up.
    pub fn start(folder: &Path) -> Result<Self> {
        Self::start_at(folder, "127.0.0.1")
    }

    /// Starts one on a free port of an address.
    ///
    /// # Errors
    /// When it is not installed or does not come up.
    pub fn start_at(folder: &Path, address: &str) -> Result<Self> {
        let port = port::free_port();
        let home = folder.join("emulator");
        std::fs::create_dir_all(&home).with_context(|| format!("{} cannot be made", home.display()))?;
        let mut command = Command::new(parts::part("ministack")?);
        // Nothing of the caller's AWS settings reaches it: its environment is made here from nothing.
        command
            .env_clear()
            .env("PATH", parts::host_path())
            .env("HOME", &home)
            .env("TMPDIR", &home)
            .env("AUTH", "true")
            .env("BIND_HOST", address)
            .env("GATEWAY_PORT", port.to_string())
            .env("IOT_MTLS_ENABLED", "0")
            .env("SFTP_ENABLED", "0")
            .current_dir(&home);
        let mut process = Process::start("the AWS emulator", &mut command, &folder.join("logs/emulator.log"))?;
        let host = format!("{address}:{port}");
        until("the AWS emulator to answer", Duration::from_secs(60), || {
            if let Some(status) = process.ended()? {
                bail!("the AWS emulator ended with {status}:\n{}", process.log());
            }
            let health = http::send(&host, "GET", "/_ministack/health", &[("host".into(), host.clone())], "");
            Ok(health.ok().filter(|answer| answer.status == 200))
        })?;
        let mut client = Client { host, ec2: None };
        client.create_user(EC2, r#"{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}"#)?;
        client.ec2 = Some(client.create_access_key(EC2)?);
        Ok(Self { process, client })
    }

    /// How to ask it.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Client {
    /// For `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.host)
    }

    /// The same, asked through whoever stands before it at this address.
    #[must_use]
    pub fn through(&self, address: &str) -> Self {
        Self { host: address.into(), ..self.clone() }
    }

    /// Adds an IAM user whose only policy has this statement.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub fn create_user(&self, name: &str, statement: &str) -> Result<()> {
        self.as_root("iam", "CreateUser", &[("UserName", name)])?;
        let policy = policy(statement);
        let put = [("UserName", name), ("PolicyName", "only"), ("PolicyDocument", policy.as_str())];
        self.as_root("iam", "PutUserPolicy", &put)?;
        Ok(())
    }

    /// Makes a key pair for a user.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub fn create_access_key(&self, user: &str) -> Result<AccessKey> {
        let answer = self.as_root("iam", "CreateAccessKey", &[("UserName", user)])?;
        Ok(AccessKey {
            id: element(&answer, "AccessKeyId")?,
            secret: element(&answer, "SecretAccessKey")?,
            session_token: None,
            expiration: None,
        })
    }

    /// Adds a role that instances may have and whose only policy has this statement.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub fn create_instance_role(&self, name: &str, statement: &str) -> Result<()> {
        let trust = policy(&format!(
            r#"{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{ACCOUNT}:user/{EC2}"}},"Action":"sts:AssumeRole"}}"#
        ));
        self.create_role(name, &trust, statement).map(drop)
    }

    /// Adds a role that has this trust policy, and one other policy with this statement; answers its ARN.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub fn create_role(&self, name: &str, trust: &str, statement: &str) -> Result<String> {
        self.as_root("iam", "CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", trust)])?;
        let policy = policy(statement);
        let put = [("RoleName", name), ("PolicyName", "only"), ("PolicyDocument", policy.as_str())];
        self.as_root("iam", "PutRolePolicy", &put)?;
        Ok(format!("arn:aws:iam::{ACCOUNT}:role/{name}"))
    }

    /// Gives a role another trust policy.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub fn update_trust(&self, role: &str, trust: &str) -> Result<()> {
        self.as_root("iam", "UpdateAssumeRolePolicy", &[("RoleName", role), ("PolicyDocument", trust)]).map(drop)
    }

    /// A session of a role, as EC2 gets one for an instance: its name is the instance's id.
    ///
    /// # Errors
    /// When STS refuses.
    pub fn instance_session(&self, role: &str, instance: &str, duration: Duration) -> Result<AccessKey> {
        let arn = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
        let seconds = duration.as_secs().to_string();
        let ec2 = self.ec2.as_ref().context("the emulator is not set up")?;
        let parameters =
            [("RoleArn", arn.as_str()), ("RoleSessionName", instance), ("DurationSeconds", seconds.as_str())];
        let answer = self.call(ec2, "sts", "AssumeRole", &parameters)?;
        Ok(AccessKey {
            id: element(&answer, "AccessKeyId")?,
            secret: element(&answer, "SecretAccessKey")?,
            session_token: Some(element(&answer, "SessionToken")?),
            expiration: Some(element(&answer, "Expiration")?),
        })
    }

    /// Where a stack stands, and none when there is no such stack.
    ///
    /// # Errors
    /// When the emulator refuses for another reason.
    pub fn stack_status(&self, stack: &str) -> Result<Option<String>> {
        match self.as_root("cloudformation", "DescribeStacks", &[("StackName", stack)]) {
            Ok(answer) => element(&answer, "StackStatus").map(Some),
            Err(error) if error.to_string().contains("does not exist") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Calls an action as the account's root.
    ///
    /// # Errors
    /// When the emulator refuses; the sentence has its answer.
    pub fn as_root(&self, service: &str, action: &str, parameters: &[(&str, &str)]) -> Result<String> {
        self.call(&AccessKey::of_root(ACCOUNT), service, action, parameters)
    }

    /// Sends a signed request to S3, whose protocol is plain HTTP.
    ///
    /// # Errors
    /// When the emulator cannot be reached; a refusal is an answer.
    pub(crate) fn s3(&self, key: &AccessKey, request: &Unsigned<'_>) -> Result<Response> {
        let headers = sigv4::sign_any(key, "s3", REGION, &self.host, request, Timestamp::now());
        let mark = if request.query.is_empty() { "" } else { "?" };
        let path = format!("{}{mark}{}", request.path, request.query);
        http::send(&self.host, request.method, &path, &headers, request.body)
    }

    /// Calls an action of a service that speaks AWS's query protocol; answers its XML.
    ///
    /// # Errors
    /// When the emulator refuses; the sentence has its answer.
    pub fn call(&self, key: &AccessKey, service: &str, action: &str, parameters: &[(&str, &str)]) -> Result<String> {
        let version = match service {
            "iam" => "2010-05-08",
            "sts" => "2011-06-15",
            "cloudformation" => "2010-05-15",
            other => bail!("{other} does not speak the query protocol here"),
        };
        let mut body = format!("Action={action}&Version={version}");
        for (name, value) in parameters {
            body.push_str(&format!("&{name}={}", percent_encode(value)));
        }
        let headers = sigv4::sign(key, service, REGION, &self.host, &body, Timestamp::now());
        let answer = http::send(&self.host, "POST", "/", &headers, &body)?;
        ensure!(answer.status == 200, "{service}:{action} was refused with {}: {}", answer.status, answer.body);
        Ok(answer.body)
    }
}

fn policy(statement: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#)
}

/// The text of the first element of that name.
pub(crate) fn element(xml: &str, name: &str) -> Result<String> {
    let open = format!("<{name}>");
    let start = xml.find(&open).with_context(|| format!("there is no {name} in {xml}"))? + open.len();
    let end = xml[start..].find("</").with_context(|| format!("{name} has no end in {xml}"))? + start;
    Ok(xml[start..end].to_owned())
}

pub(crate) fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(byte as char),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
        encoded
    })
}
