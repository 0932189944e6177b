//! Configuration: flags, then `LONGSHORE_…` variables, then a TOML file, then defaults; put together once.

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    mem::take,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use shared::{limits, size};

use crate::{enrolment::Urls, exit::Exit, issuer::IssuerUrl};

/// What can be set; absent means that another layer or the default decides. The TOML file has the same keys, with `_`.
#[derive(Args, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// TOML file with any of these settings
    #[arg(long, value_name = "FILE", env = "LONGSHORE_CONFIG")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Folder for everything the coordinator keeps [default: ./longshore-data]
    #[arg(long, value_name = "DIR", env = "LONGSHORE_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// File of the master key that seals secrets [default: master.key in the data folder]
    #[arg(long, value_name = "FILE", env = "LONGSHORE_MASTER_KEY_FILE")]
    pub master_key_file: Option<PathBuf>,
    /// Where the CLI connects to [default: 0.0.0.0:7300]
    #[arg(long, value_name = "ADDRESS:PORT", env = "LONGSHORE_ADMIN_LISTEN")]
    pub admin_listen: Option<SocketAddr>,
    /// Where hosts join as workers [default: 0.0.0.0:7301]
    #[arg(long, value_name = "ADDRESS:PORT", env = "LONGSHORE_JOIN_LISTEN")]
    pub join_listen: Option<SocketAddr>,
    /// Where workers connect to [default: 0.0.0.0:7302]
    #[arg(long, value_name = "ADDRESS:PORT", env = "LONGSHORE_WORKER_LISTEN")]
    pub worker_listen: Option<SocketAddr>,
    /// Name or address under which CLI and workers find this host; best first [default: the host name]
    #[arg(long, value_name = "NAME", env = "LONGSHORE_PUBLIC_ADDRESS", value_delimiter = ',')]
    pub public_address: Vec<String>,
    /// Bytes of all artifacts together, e.g. 500 GiB; what would not fit is not taken [default: 100 GiB]
    #[arg(long, value_name = "BYTES", env = "LONGSHORE_ARTIFACT_QUOTA")]
    pub artifact_quota: Option<String>,
    /// How long artifacts are kept after their deployment ended, e.g. 30d [default: 90d]
    #[arg(long, value_name = "TIME", env = "LONGSHORE_ARTIFACT_RETENTION")]
    pub artifact_retention: Option<String>,
    /// Where AWS is asked instead of AWS itself
    #[arg(long, value_name = "URL", env = "LONGSHORE_AWS_ENDPOINT_URL")]
    pub aws_endpoint_url: Option<String>,
    /// Public https:// URL under which AWS fetches what verifies this coordinator's tokens; without it there are none
    #[arg(long, value_name = "URL", env = "LONGSHORE_OIDC_ISSUER")]
    pub oidc_issuer: Option<String>,
    /// Where that is served, as plain HTTP for what terminates TLS before it [default: 127.0.0.1:7304]
    #[arg(long, value_name = "ADDRESS:PORT", env = "LONGSHORE_OIDC_LISTEN")]
    pub oidc_listen: Option<SocketAddr>,
    /// Where one AWS service is, e.g. sts=https://sts.internal; may be repeated; in the file, a table [aws_endpoints]
    #[arg(long, value_name = "SERVICE=URL", env = "LONGSHORE_AWS_ENDPOINT", value_delimiter = ',', value_parser = aws::service_endpoint)]
    #[serde(rename = "aws_endpoints", deserialize_with = "table")]
    pub aws_endpoint: Vec<(String, String)>,
    /// PEM file of certificate authorities to trust for AWS, besides the host's and those built in [default: AWS_CA_BUNDLE]
    #[arg(long, value_name = "FILE", env = "LONGSHORE_CA_BUNDLE")]
    pub ca_bundle: Option<PathBuf>,
    /// Proxy for https:// addresses of AWS [default: HTTPS_PROXY]
    #[arg(long, value_name = "URL", env = "LONGSHORE_HTTPS_PROXY", hide_env_values = true)]
    pub https_proxy: Option<String>,
    /// Proxy for http:// addresses of AWS [default: HTTP_PROXY]
    #[arg(long, value_name = "URL", env = "LONGSHORE_HTTP_PROXY", hide_env_values = true)]
    pub http_proxy: Option<String>,
    /// Hosts, domains and networks that are reached without a proxy [default: NO_PROXY]; this host always is
    #[arg(long, value_name = "HOST", env = "LONGSHORE_NO_PROXY", value_delimiter = ',')]
    pub no_proxy: Vec<String>,
    /// What AWS's own programs would take from the environment: the lowest layer
    #[arg(skip)]
    #[serde(skip)]
    pub surroundings: aws::Settings,
    /// How log lines look [default: text]
    #[arg(long, value_name = "text|json", env = "LONGSHORE_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// What the coordinator runs with.
#[derive(Clone, Debug, Serialize)]
pub struct Config {
    /// Folder for everything it keeps.
    pub data_dir: PathBuf,
    /// File of the master key.
    pub master_key_file: PathBuf,
    /// Where the CLI connects to.
    pub admin_listen: SocketAddr,
    /// Where hosts join.
    pub join_listen: SocketAddr,
    /// Where workers connect to.
    pub worker_listen: SocketAddr,
    /// Names and addresses under which others find this host, best first.
    pub public_address: Vec<String>,
    /// Under which URL AWS finds it as an issuer of tokens; it issues none without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oidc_issuer: Option<IssuerUrl>,
    /// Where what verifies these tokens is served.
    pub oidc_listen: SocketAddr,
    /// Bytes of all artifacts together.
    #[serde(serialize_with = "shown_size")]
    pub artifact_quota: u64,
    /// How long artifacts are kept after their deployment ended.
    #[serde(serialize_with = "shown_span")]
    pub artifact_retention: Duration,
    /// How log lines look.
    pub log_format: LogFormat,
    /// How AWS is reached.
    #[serde(flatten)]
    pub aws: aws::Settings,
}

// A proxy's URL may hold a password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Settings")
    }
}

impl Settings {
    /// With the authorities and proxies that the process's environment names, where nothing else does; never endpoints.
    #[must_use]
    pub fn in_environment(mut self) -> Self {
        let variables =
            env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let aws::Settings { ca_bundle, proxy, .. } = aws::Settings::from_environment(variables);
        self.surroundings = aws::Settings { ca_bundle, proxy, ..aws::Settings::default() };
        self
    }

    fn take_aws(&mut self) -> aws::Settings {
        aws::Settings {
            endpoint_url: self.aws_endpoint_url.take(),
            endpoints: take(&mut self.aws_endpoint).into_iter().collect(),
            ca_bundle: self.ca_bundle.take(),
            proxy: aws::Proxy {
                https: self.https_proxy.take(),
                http: self.http_proxy.take(),
                no_proxy: take(&mut self.no_proxy),
            },
            ..aws::Settings::default()
        }
    }
}

impl Config {
    /// Puts the layers together.
    ///
    /// # Errors
    /// Exit 64 with a sentence that names file and key.
    pub fn resolve(flags: Settings) -> Result<Self, Exit> {
        let mut flags = flags;
        let mut file = match &flags.config {
            Some(path) => read(path)?,
            None => Settings::default(),
        };
        let aws = flags.take_aws().or(file.take_aws()).or(take(&mut flags.surroundings));
        let data_dir = flags.data_dir.or(file.data_dir).unwrap_or_else(|| PathBuf::from("longshore-data"));
        let listen = |flag: Option<SocketAddr>, file: Option<SocketAddr>, port| {
            flag.or(file).unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], port)))
        };
        let public_address = if flags.public_address.is_empty() { file.public_address } else { flags.public_address };
        let config = Self {
            master_key_file: flags
                .master_key_file
                .or(file.master_key_file)
                .unwrap_or_else(|| data_dir.join("master.key")),
            admin_listen: listen(flags.admin_listen, file.admin_listen, 7300),
            join_listen: listen(flags.join_listen, file.join_listen, 7301),
            worker_listen: listen(flags.worker_listen, file.worker_listen, 7302),
            public_address,
            oidc_issuer: flags.oidc_issuer.or(file.oidc_issuer).map(|url| issuer(&url)).transpose()?,
            oidc_listen: flags
                .oidc_listen
                .or(file.oidc_listen)
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 7304))),
            artifact_quota: artifact_quota(flags.artifact_quota.or(file.artifact_quota).as_deref())?,
            artifact_retention: artifact_retention(flags.artifact_retention.or(file.artifact_retention).as_deref())?,
            aws: aws::Settings { host: "the coordinator's host", ..aws },
            log_format: flags.log_format.or(file.log_format).unwrap_or_default(),
            data_dir,
        };
        config.check()?;
        Ok(config)
    }

    /// As TOML.
    ///
    /// # Errors
    /// Exit 70 when it cannot be written so.
    pub fn print(&self) -> Result<String, Exit> {
        toml::to_string(self).map_err(|error| Exit::software(format!("The configuration cannot be shown: {error}.")))
    }

    /// Names and addresses that the server certificate carries.
    #[must_use]
    pub fn certificate_names(&self) -> Vec<String> {
        let mut names = self.public_names();
        for always in ["localhost", "127.0.0.1", "::1"] {
            names.push(always.to_owned());
        }
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        names
    }

    /// Where hosts find the listeners that were bound.
    #[must_use]
    pub fn urls(&self, join: SocketAddr, worker: SocketAddr) -> Urls {
        Urls { join: self.urls_of(join), worker: self.urls_of(worker) }
    }

    /// Where others find a listener that was bound, best first.
    #[must_use]
    pub fn urls_of(&self, bound: SocketAddr) -> Vec<String> {
        let names = if self.public_address.is_empty() && bound.ip().is_loopback() {
            vec![bound.ip().to_string()]
        } else {
            self.public_names()
        };
        names.iter().map(|name| format!("https://{}:{}", bracketed(name), bound.port())).collect()
    }

    fn public_names(&self) -> Vec<String> {
        if !self.public_address.is_empty() {
            return self.public_address.clone();
        }
        // The host name may mean nothing to others, or to this host itself.
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
        if is_host(&host) { vec![host, "localhost".into()] } else { vec!["localhost".into()] }
    }

    fn check(&self) -> Result<(), Exit> {
        let mut ports = vec![
            ("--admin-listen", self.admin_listen),
            ("--join-listen", self.join_listen),
            ("--worker-listen", self.worker_listen),
        ];
        if self.oidc_issuer.is_some() {
            ports.push(("--oidc-listen", self.oidc_listen));
        }
        for (at, (flag, address)) in ports.iter().enumerate() {
            let same = ports[..at].iter().find(|(_, other)| address.port() != 0 && other == address);
            if let Some((other, _)) = same {
                return Err(Exit::usage(format!(
                    "{other} and {flag} are both {address}: each needs a port of its own."
                )));
            }
        }
        if let Some(name) = self.public_address.iter().find(|name| !is_host(name)) {
            return Err(Exit::usage(format!(
                "--public-address is \"{name}\": it must be a host name or an IP address, without https:// and port."
            )));
        }
        self.aws.check().map_err(|fault| Exit::usage(fault.sentence))
    }
}

fn table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    Ok(BTreeMap::deserialize(deserializer)?.into_iter().collect())
}

fn read(path: &Path) -> Result<Settings, Exit> {
    let text = fs::read_to_string(path)
        .map_err(|error| Exit::usage(format!("The configuration file {} cannot be read: {error}.", path.display())))?;
    toml::from_str(&text).map_err(|error| {
        Exit::usage(format!("The configuration file {} is wrong: {}", path.display(), error.to_string().trim()))
    })
}

fn issuer(url: &str) -> Result<IssuerUrl, Exit> {
    url.parse().map_err(|why| Exit::usage(format!("--oidc-issuer is \"{url}\": {why}.")))
}

fn artifact_quota(text: Option<&str>) -> Result<u64, Exit> {
    text.map_or(Ok(limits::ARTIFACT_QUOTA_BYTES), size::parse)
        .map_err(|why| Exit::usage(format!("--artifact-quota is wrong: {why}")))
}

fn artifact_retention(text: Option<&str>) -> Result<Duration, Exit> {
    text.map_or(Ok(limits::ARTIFACT_RETENTION), humantime::parse_duration).map_err(|why| {
        Exit::usage(format!("--artifact-retention is wrong: {why}. Write it with units, like 30d or 12h."))
    })
}

fn shown_size<S: Serializer>(bytes: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&size::exact(*bytes))
}

fn shown_span<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    const DAY: u64 = 24 * 3600;
    let (seconds, is_days) = (span.as_secs(), span.as_secs().is_multiple_of(DAY) && span.subsec_nanos() == 0);
    let text = if is_days { format!("{}d", seconds / DAY) } else { humantime::format_duration(*span).to_string() };
    serializer.serialize_str(&text)
}

fn is_host(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok() || rustls_pki_types::DnsName::try_from(name).is_ok()
}

fn bracketed(host: &str) -> String {
    if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(toml: &str) -> Settings {
        toml::from_str(toml).expect("settings")
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("coordinator.toml");
        fs::write(&file, "data_dir = \"/from/file\"\njoin_listen = \"127.0.0.1:1\"").expect("written");
        let flags = Settings { config: Some(file), ..settings("data_dir = \"/from/flag\"") };
        let config = Config::resolve(flags).expect("valid");
        assert_eq!(config.data_dir, Path::new("/from/flag"));
        assert_eq!(config.master_key_file, Path::new("/from/flag/master.key"));
        assert_eq!(config.join_listen.port(), 1);
        assert_eq!(config.worker_listen.port(), 7302);
    }

    #[test]
    fn an_unknown_key_in_the_file_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("coordinator.toml");
        fs::write(&file, "admin_lisen = \"127.0.0.1:1\"").expect("written");
        let exit = Config::resolve(Settings { config: Some(file), ..Settings::default() }).expect_err("a typing error");
        assert_eq!(exit.code, 64);
        assert!(exit.sentence.contains("admin_lisen"), "{exit}");
    }

    #[test]
    fn settings_that_cannot_work_are_refused_before_any_port_is_bound() {
        for (toml, part) in [
            ("admin_listen = \"0.0.0.0:7301\"", "--join-listen are both"),
            ("public_address = [\"https://host\"]", "--public-address"),
            ("aws_endpoint_url = \"localhost\"", "--aws-endpoint-url"),
            (
                "oidc_issuer = \"https://deploy.example.com/\"",
                "--oidc-issuer is \"https://deploy.example.com/\": it must not end",
            ),
            (
                "oidc_issuer = \"https://deploy.example.com\"\noidc_listen = \"0.0.0.0:7300\"",
                "--admin-listen and --oidc-listen are both",
            ),
            ("[aws_endpoints]\nSTS = \"http://x\"", "the service \"STS\""),
            ("ca_bundle = \"/nowhere/ca.pem\"", "--ca-bundle names the file /nowhere/ca.pem"),
            ("https_proxy = \"ftp://x\"", "--https-proxy"),
            ("artifact_quota = \"5\"", "--artifact-quota is wrong: \"5\" is no amount of bytes: write it like 500 MiB"),
            ("artifact_retention = \"long\"", "--artifact-retention is wrong:"),
        ] {
            let exit = Config::resolve(settings(toml)).expect_err(toml);
            assert!(exit.code == 64 && exit.sentence.contains(part), "{toml}: {exit}");
        }
    }

    #[test]
    fn what_is_printed_of_artifacts_can_be_read_again() {
        let config = Config::resolve(settings("artifact_quota = \"1536 MiB\"")).expect("valid");
        let printed = config.print().expect("printed");
        assert!(printed.contains("artifact_quota = \"1536 MiB\"\nartifact_retention = \"90d\""), "{printed}");
        let again = Config::resolve(settings(&printed)).expect("valid");
        assert_eq!(
            (again.artifact_quota, again.artifact_retention),
            (config.artifact_quota, config.artifact_retention)
        );
    }

    #[test]
    fn an_issuer_is_off_unless_it_has_a_url_and_is_then_served_on_loopback() {
        let config = Config::resolve(settings("oidc_listen = \"0.0.0.0:7300\"")).expect("its port is not opened");
        assert_eq!(config.oidc_issuer, None);
        let config = Config::resolve(settings("oidc_issuer = \"https://deploy.example.com/oidc\"")).expect("valid");
        assert_eq!(config.oidc_issuer.as_ref().map(IssuerUrl::path), Some("/oidc"));
        assert_eq!(config.oidc_listen.to_string(), "127.0.0.1:7304");
        assert!(config.print().expect("TOML").contains("oidc_issuer = \"https://deploy.example.com/oidc\""));
    }

    #[test]
    fn a_host_is_found_under_its_public_addresses() {
        let config = Config::resolve(settings("public_address = [\"deploy.internal\", \"::1\"]")).expect("valid");
        let urls = config.urls_of(SocketAddr::from(([0, 0, 0, 0], 7301)));
        assert_eq!(urls, ["https://deploy.internal:7301", "https://[::1]:7301"]);
        assert_eq!(config.certificate_names(), ["deploy.internal", "::1", "localhost", "127.0.0.1"]);
    }

    #[test]
    fn the_way_to_aws_comes_from_flags_then_the_file_then_the_surroundings() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("coordinator.toml");
        fs::write(&file, "https_proxy = \"http://file:1\"\n[aws_endpoints]\nsts = \"http://file:2\"").expect("written");
        let proxy = aws::Proxy {
            https: Some("http://around:1".into()),
            http: Some("http://ada:canary@around:2".into()),
            no_proxy: vec!["around".into()],
        };
        let flags = Settings {
            config: Some(file),
            surroundings: aws::Settings { proxy, ..aws::Settings::default() },
            ..settings("no_proxy = [\"flag\"]\n[aws_endpoints]\ns3 = \"http://flag:1\"")
        };
        let config = Config::resolve(flags).expect("valid");
        assert_eq!(
            (config.aws.endpoint("sts"), config.aws.endpoint("s3")),
            (Some("http://file:2"), Some("http://flag:1"))
        );
        assert_eq!(
            (config.aws.proxy.https.as_deref(), &config.aws.proxy.no_proxy),
            (Some("http://file:1"), &vec!["flag".into()])
        );
        for shown in [config.print().expect("printable"), format!("{config:?}")] {
            assert!(!shown.contains("canary") && shown.contains("http://ada:***@around:2"), "{shown}");
        }
        let again = fs::write(folder.path().join("again.toml"), config.print().expect("printable"));
        again.expect("written");
        let flags = Settings { config: Some(folder.path().join("again.toml")), ..Settings::default() };
        assert_eq!(Config::resolve(flags).expect("valid").aws.endpoints, config.aws.endpoints);
    }
}
