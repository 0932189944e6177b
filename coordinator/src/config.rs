//! Configuration: flags, then `LONGSHORE_…` variables, then a TOML file, then defaults; put together once.

use std::{
    fs,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::{enrolment::Urls, exit::Exit, issuer::IssuerUrl};

/// What can be set; absent means that another layer or the default decides. The TOML file has the same keys, with `_`.
#[derive(Args, Clone, Debug, Default, Deserialize)]
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
    /// Where AWS is asked instead of AWS itself
    #[arg(long, value_name = "URL", env = "LONGSHORE_AWS_ENDPOINT_URL")]
    pub aws_endpoint_url: Option<String>,
    /// Public https:// URL under which AWS fetches what verifies this coordinator's tokens; without it there are none
    #[arg(long, value_name = "URL", env = "LONGSHORE_OIDC_ISSUER")]
    pub oidc_issuer: Option<String>,
    /// Where that is served, as plain HTTP for what terminates TLS before it [default: 127.0.0.1:7304]
    #[arg(long, value_name = "ADDRESS:PORT", env = "LONGSHORE_OIDC_LISTEN")]
    pub oidc_listen: Option<SocketAddr>,
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
    /// Where AWS is asked instead of AWS itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_endpoint_url: Option<String>,
    /// Under which URL AWS finds it as an issuer of tokens; it issues none without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oidc_issuer: Option<IssuerUrl>,
    /// Where what verifies these tokens is served.
    pub oidc_listen: SocketAddr,
    /// How log lines look.
    pub log_format: LogFormat,
}

impl Config {
    /// Puts the layers together.
    ///
    /// # Errors
    /// Exit 64 with a sentence that names file and key.
    pub fn resolve(flags: Settings) -> Result<Self, Exit> {
        let file = match &flags.config {
            Some(path) => read(path)?,
            None => Settings::default(),
        };
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
            aws_endpoint_url: flags.aws_endpoint_url.or(file.aws_endpoint_url),
            oidc_issuer: flags.oidc_issuer.or(file.oidc_issuer).map(|url| issuer(&url)).transpose()?,
            oidc_listen: flags
                .oidc_listen
                .or(file.oidc_listen)
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 7304))),
            log_format: flags.log_format.or(file.log_format).unwrap_or_default(),
            data_dir,
        };
        config.check()?;
        Ok(config)
    }

    /// How AWS is reached.
    #[must_use]
    pub fn aws(&self) -> aws::Settings {
        aws::Settings {
            endpoint_url: self.aws_endpoint_url.clone(),
            host: "the coordinator's host",
            ..aws::Settings::default()
        }
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
        if let Some(url) = &self.aws_endpoint_url
            && !url.starts_with("https://")
            && !url.starts_with("http://")
        {
            return Err(Exit::usage(format!(
                "--aws-endpoint-url is \"{url}\": it must begin with https:// or http://."
            )));
        }
        Ok(())
    }
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
        ] {
            let exit = Config::resolve(settings(toml)).expect_err(toml);
            assert!(exit.code == 64 && exit.sentence.contains(part), "{toml}: {exit}");
        }
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
}
