//! What the agent is told: flags win over the environment, the environment over the TOML file, that over the defaults.

use std::{
    collections::BTreeMap,
    fmt, fs,
    mem::take,
    path::{Path, PathBuf},
    thread::available_parallelism,
};

use aws::{Proxy, Settings};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use shared::limits;

use crate::{
    environment::Surroundings,
    failure::{Exit, Failure},
    step_users::StepUsers,
};

/// Where everything is kept unless told otherwise.
const DATA_DIR: &str = "./longshore-worker-data";

/// What `run` can be told by flags and environment.
#[derive(Args, Clone, Default)]
pub struct Options {
    /// TOML file with any of the settings below (with _ instead of -).
    #[arg(long, env = "LONGSHORE_WORKER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder for identity, journal and logs; on a local disk [default: ./longshore-worker-data].
    #[arg(long, env = "LONGSHORE_WORKER_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Folder in memory (tmpfs) for what is secret [default: /run/longshore-worker, else below /dev/shm].
    #[arg(long, env = "LONGSHORE_WORKER_RUNTIME_DIR", value_name = "DIR")]
    runtime_dir: Option<PathBuf>,
    /// Steps that may run at once, 1 to 64 [default: two a core].
    #[arg(long, env = "LONGSHORE_WORKER_SLOTS", value_name = "N")]
    slots: Option<u32>,
    /// Where AWS is, if it is not where AWS says it is.
    #[arg(long, env = "LONGSHORE_WORKER_AWS_ENDPOINT_URL", value_name = "URL")]
    aws_endpoint_url: Option<String>,
    /// Where one AWS service is, e.g. s3=https://s3.internal:9000; may be repeated; in the file, a table [aws_endpoints].
    #[arg(long, env = "LONGSHORE_WORKER_AWS_ENDPOINT", value_name = "SERVICE=URL", value_delimiter = ',', value_parser = aws::service_endpoint)]
    aws_endpoint: Vec<(String, String)>,
    /// PEM file of certificate authorities to trust for AWS, besides the host's and those built in [default: AWS_CA_BUNDLE].
    #[arg(long, env = "LONGSHORE_WORKER_CA_BUNDLE", value_name = "FILE")]
    ca_bundle: Option<PathBuf>,
    /// Proxy for https:// addresses of AWS, for the agent and for steps [default: HTTPS_PROXY].
    #[arg(long, env = "LONGSHORE_WORKER_HTTPS_PROXY", value_name = "URL", hide_env_values = true)]
    https_proxy: Option<String>,
    /// Proxy for http:// addresses [default: HTTP_PROXY].
    #[arg(long, env = "LONGSHORE_WORKER_HTTP_PROXY", value_name = "URL", hide_env_values = true)]
    http_proxy: Option<String>,
    /// Hosts, domains and networks that are reached without a proxy [default: NO_PROXY]; this host and instance metadata always are.
    #[arg(long, env = "LONGSHORE_WORKER_NO_PROXY", value_name = "HOST", value_delimiter = ',')]
    no_proxy: Vec<String>,
    /// Where the instance metadata service is [default: AWS_EC2_METADATA_SERVICE_ENDPOINT, else http://169.254.169.254].
    #[arg(long, env = "LONGSHORE_WORKER_METADATA_ENDPOINT", value_name = "URL")]
    metadata_endpoint: Option<String>,
    /// Where the worker's own role comes from; nothing else is ever tried [default: imds].
    #[arg(long, env = "LONGSHORE_WORKER_ROLE_SOURCE", value_name = "SOURCE")]
    role_source: Option<RoleSourceName>,
    /// AWS region of steps that name none [default: that of the instance].
    #[arg(long, env = "LONGSHORE_WORKER_REGION", value_name = "REGION")]
    region: Option<String>,
    /// Users that steps run as, each step as one of its own: auto, off, or a range of numeric ids like 60100-60163, which
    /// need no passwd entry [default: auto, which is 60100-60163 where that is possible].
    #[arg(long, env = "LONGSHORE_WORKER_STEP_USERS", value_name = "USERS")]
    step_users: Option<StepUsers>,
    /// Join with the join string in this file first, if this worker has not joined yet.
    #[arg(long, env = "LONGSHORE_WORKER_JOIN_STRING_FILE", value_name = "FILE")]
    join_string_file: Option<PathBuf>,
    /// One JSON object a line instead of text.
    #[arg(long, env = "LONGSHORE_WORKER_LOG_JSON")]
    log_json: bool,
}

// A proxy's URL may hold a password.
impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Options")
    }
}

/// Where everything is kept.
#[derive(Args, Clone, Debug)]
pub struct DataDir {
    /// Folder for identity, journal and logs.
    #[arg(long, env = "LONGSHORE_WORKER_DATA_DIR", value_name = "DIR", default_value = DATA_DIR)]
    pub data_dir: PathBuf,
}

/// The same settings, as a TOML file has them.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct File {
    data_dir: Option<PathBuf>,
    runtime_dir: Option<PathBuf>,
    slots: Option<u32>,
    aws_endpoint_url: Option<String>,
    ca_bundle: Option<PathBuf>,
    https_proxy: Option<String>,
    http_proxy: Option<String>,
    #[serde(default)]
    no_proxy: Vec<String>,
    #[serde(default)]
    aws_endpoints: BTreeMap<String, String>,
    metadata_endpoint: Option<String>,
    role_source: Option<RoleSourceName>,
    region: Option<String>,
    step_users: Option<StepUsers>,
    join_string_file: Option<PathBuf>,
    log_json: Option<bool>,
}

/// Where a worker's own role can come from.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoleSourceName {
    /// The instance's metadata service, version 2.
    #[default]
    Imds,
    /// The container's credential service: ECS tasks, EKS pod identities.
    Container,
    /// A token in a file, which AWS STS takes for the role: IAM roles for service accounts.
    WebIdentity,
}

impl fmt::Display for RoleSourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Imds => "imds",
            Self::Container => "container",
            Self::WebIdentity => "web-identity",
        })
    }
}

/// What holds, after everything was looked at. Neither its `Debug` nor what is printed shows a proxy's password.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Config {
    /// Folder for identity, journal and logs.
    pub data_dir: PathBuf,
    /// Folder in memory; none means one is looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_dir: Option<PathBuf>,
    /// Steps at once, 1 to 64.
    pub slots: u32,
    /// Where instance metadata is, if not where AWS says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata_endpoint: Option<String>,
    /// Where the worker's own role comes from.
    pub role_source: RoleSourceName,
    /// Region of steps that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Users that steps run as.
    pub step_users: StepUsers,
    /// Where a join string lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join_string_file: Option<PathBuf>,
    /// Log as JSON.
    pub log_json: bool,
    /// How AWS is reached.
    #[serde(flatten)]
    pub aws: Settings,
}

impl Config {
    /// Puts flags, environment, file and defaults together.
    ///
    /// # Errors
    /// With exit code 64, when the file cannot be read or a value is out of range.
    pub fn resolve(options: Options, surroundings: Surroundings) -> Result<Self, Failure> {
        let mut options = options;
        let mut file = options.config.as_deref().map(read).transpose()?.unwrap_or_default();
        let aws = options.take_aws().or(file.take_aws()).or(surroundings.aws);
        let config = Self {
            data_dir: options.data_dir.or(file.data_dir).unwrap_or_else(|| DATA_DIR.into()),
            runtime_dir: options.runtime_dir.or(file.runtime_dir),
            slots: options.slots.or(file.slots).unwrap_or_else(default_slots),
            metadata_endpoint: options.metadata_endpoint.or(file.metadata_endpoint).or(surroundings.metadata_endpoint),
            role_source: options.role_source.or(file.role_source).unwrap_or_default(),
            region: options.region.or(file.region),
            step_users: options.step_users.or(file.step_users).unwrap_or_default(),
            join_string_file: options.join_string_file.or(file.join_string_file),
            log_json: options.log_json || file.log_json.unwrap_or(false),
            aws: Settings { host: "the worker's host", ..aws },
        };
        config.check()?;
        Ok(config)
    }

    /// As a TOML file that would say the same.
    ///
    /// # Errors
    /// When a path is not UTF-8.
    pub fn to_toml(&self) -> Result<String, Failure> {
        toml::to_string(self)
            .map_err(|error| Failure::new(Exit::Usage, format!("The configuration cannot be shown: {error}.")))
    }

    fn check(&self) -> Result<(), Failure> {
        if !(1..=limits::MAX_SLOTS).contains(&self.slots) {
            return Err(usage(format!("slots is {}: it must be between 1 and {}.", self.slots, limits::MAX_SLOTS)));
        }
        self.check_step_users()?;
        let is_url = self.metadata_endpoint.as_deref().is_none_or(|url| {
            url.parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some() && uri.scheme_str() == Some("http"))
        });
        if !is_url {
            return Err(usage("metadata-endpoint must be a URL like http://169.254.169.254, without TLS.".into()));
        }
        self.aws.check().map_err(|fault| usage(fault.sentence))
    }
}

impl Options {
    fn take_aws(&mut self) -> Settings {
        Settings {
            endpoint_url: self.aws_endpoint_url.take(),
            endpoints: take(&mut self.aws_endpoint).into_iter().collect(),
            ca_bundle: self.ca_bundle.take(),
            proxy: Proxy {
                https: self.https_proxy.take(),
                http: self.http_proxy.take(),
                no_proxy: take(&mut self.no_proxy),
            },
            ..Settings::default()
        }
    }
}

impl File {
    fn take_aws(&mut self) -> Settings {
        Settings {
            endpoint_url: self.aws_endpoint_url.take(),
            endpoints: take(&mut self.aws_endpoints),
            ca_bundle: self.ca_bundle.take(),
            proxy: Proxy {
                https: self.https_proxy.take(),
                http: self.http_proxy.take(),
                no_proxy: take(&mut self.no_proxy),
            },
            ..Settings::default()
        }
    }
}

impl Config {
    fn check_step_users(&self) -> Result<(), Failure> {
        let StepUsers::Range(range) = self.step_users else { return Ok(()) };
        let own = rustix::process::geteuid().as_raw();
        let wrong = if range.count() < self.slots {
            format!(
                "are fewer than the {} slots: every step needs one of its own. Give more, or fewer --slots",
                self.slots
            )
        } else if range.contains(own) {
            format!("contain {own}, as which the agent itself runs: give a range without it")
        } else if own != 0 {
            format!(
                "can only be had by an agent that runs as root, and this one runs as uid {own}: run it as root, or give --step-users off"
            )
        } else {
            return Ok(());
        };
        Err(usage(format!("The step users {range} {wrong}.")))
    }
}

fn read(path: &Path) -> Result<File, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| usage(format!("The configuration file {} cannot be read: {error}.", path.display())))?;
    toml::from_str(&text).map_err(|error| {
        let sentence = format!("The configuration file {} is wrong: {}", path.display(), error.to_string().trim_end());
        usage(sentence)
    })
}

fn default_slots() -> u32 {
    let cores = available_parallelism().map_or(1, usize::from);
    u32::try_from(2 * cores).unwrap_or(limits::MAX_SLOTS).min(limits::MAX_SLOTS)
}

fn usage(sentence: String) -> Failure {
    Failure::new(Exit::Usage, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, Options) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("worker.toml");
        fs::write(&path, text).expect("written");
        (folder, Options { config: Some(path), ..Options::default() })
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let (_folder, mut options) = file("slots = 3\nregion = \"eu-west-1\"\n");
        options.region = Some("us-east-1".into());
        let around = Surroundings { metadata_endpoint: Some("http://127.0.0.1:1".into()), ..Surroundings::default() };
        let config = Config::resolve(options, around).expect("sound");
        assert_eq!((config.slots, config.region.as_deref()), (3, Some("us-east-1")));
        assert_eq!(config.data_dir, PathBuf::from(DATA_DIR));
        assert_eq!(config.metadata_endpoint.as_deref(), Some("http://127.0.0.1:1"));
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let (_folder, options) = file("slots = 3\nslotz = 4\n");
        let failure = Config::resolve(options, Surroundings::default()).expect_err("refused");
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.sentence.contains("slotz") && failure.sentence.contains("line 2"), "{failure}");
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        for slots in [0, 65] {
            let options = Options { slots: Some(slots), ..Options::default() };
            assert_eq!(Config::resolve(options, Surroundings::default()).expect_err("refused").exit, Exit::Usage);
        }
        let options = Options { aws_endpoint_url: Some("localhost".into()), ..Options::default() };
        assert!(
            Config::resolve(options, Surroundings::default())
                .expect_err("refused")
                .sentence
                .contains("aws-endpoint-url")
        );
    }

    #[test]
    fn what_is_printed_says_the_same_when_it_is_read() {
        let options = Options {
            slots: Some(7),
            region: Some("eu-west-1".into()),
            aws_endpoint: vec![("s3".into(), "https://s3.internal:9000".into())],
            https_proxy: Some("http://proxy.internal:3128".into()),
            no_proxy: vec!["internal.example".into()],
            role_source: Some(RoleSourceName::WebIdentity),
            ..Options::default()
        };
        let config = Config::resolve(options, Surroundings::default()).expect("sound");
        let (_folder, options) = file(&config.to_toml().expect("printable"));
        assert_eq!(Config::resolve(options, Surroundings::default()).expect("sound"), config);
    }

    #[test]
    fn the_way_to_aws_comes_from_flags_then_the_file_then_the_surroundings() {
        let text = "https_proxy = \"http://file:1\"\nca_bundle = \"/nowhere/file.pem\"\n[aws_endpoints]\nsts = \"http://file:2\"\n\
                    s3 = \"http://file:3\"\n";
        let (folder, mut options) = file(text);
        let bundle = folder.path().join("flag.pem");
        let pem = rcgen::generate_simple_self_signed(["ca".into()]).expect("a certificate").cert.pem();
        fs::write(&bundle, pem).expect("written");
        options.ca_bundle = Some(bundle.clone());
        options.aws_endpoint = vec![("s3".into(), "http://flag:1".into())];
        let around = Settings {
            proxy: Proxy {
                https: Some("http://around:1".into()),
                http: Some("http://ada:canary@around:2".into()),
                no_proxy: vec!["x".into()],
            },
            ..Settings::default()
        };
        let around = Surroundings { aws: around, ..Surroundings::default() };
        let config = Config::resolve(options, around).expect("sound");
        assert_eq!(
            (config.aws.endpoint("s3"), config.aws.endpoint("sts")),
            (Some("http://flag:1"), Some("http://file:2"))
        );
        assert_eq!(config.aws.ca_bundle, Some(bundle));
        assert_eq!(config.aws.proxy.https.as_deref(), Some("http://file:1"));
        assert_eq!(config.aws.proxy.http.as_deref(), Some("http://ada:canary@around:2"));
        for shown in [config.to_toml().expect("printable"), format!("{config:?}")] {
            assert!(!shown.contains("canary") && shown.contains("http://ada:***@around:2"), "{shown}");
        }
    }

    #[test]
    fn a_bundle_that_is_not_there_is_refused_at_the_start() {
        let options = Options { ca_bundle: Some("/nowhere/ca.pem".into()), ..Options::default() };
        let failure = Config::resolve(options, Surroundings::default()).expect_err("refused");
        assert!(
            failure.exit == Exit::Usage && failure.sentence.contains("--ca-bundle names the file /nowhere/ca.pem"),
            "{failure}"
        );
    }
}
