//! Which coordinator to talk to, and as whom: environment variables, then the profile that `longshore login` wrote.

use std::{
    env, fs,
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{failure::Failure, secret::Secret};

const COORDINATOR: &str = "LONGSHORE_COORDINATOR";
const TOKEN: &str = "LONGSHORE_TOKEN";
const CA_FILE: &str = "LONGSHORE_CA_FILE";

/// Where Linux distributions keep the authorities they trust, Debian's place first.
const SYSTEM_AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Everything needed to talk to a coordinator.
#[derive(Debug)]
pub(crate) struct Profile {
    /// `https://host:port`.
    pub(crate) coordinator: String,
    /// Proves who asks.
    pub(crate) token: Secret,
    /// PEM of the authority that the coordinator's certificate is of; absent: those that the system trusts.
    pub(crate) ca: Option<String>,
}

/// What stands in `profile.toml`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    coordinator: String,
    token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca: Option<String>,
}

impl Profile {
    /// What the environment and the stored profile say, the environment first.
    ///
    /// # Errors
    /// When neither names a coordinator and a token, or a file cannot be read.
    pub(crate) fn load() -> Result<Self, Failure> {
        Self::merge(|name| env::var(name).ok().filter(|value| !value.is_empty()), stored(&path()?)?)
    }

    fn merge(var: impl Fn(&str) -> Option<String>, stored: Option<Stored>) -> Result<Self, Failure> {
        let Some(coordinator) = var(COORDINATOR).or_else(|| stored.as_ref().map(|stored| stored.coordinator.clone()))
        else {
            return Err(Failure::usage(format!(
                "No coordinator is known: run `longshore login --coordinator https://host:7300 --token-file FILE \
                 --ca-file FILE`, or set {COORDINATOR}, {TOKEN} and {CA_FILE}."
            )));
        };
        // A token goes only to the coordinator that it was stored for.
        let stored = stored.filter(|stored| same_place(&stored.coordinator, &coordinator));
        let (kept_token, kept_ca) = stored.map(|stored| (stored.token, stored.ca)).unzip();
        let Some(token) = var(TOKEN).or(kept_token) else {
            return Err(Failure::usage(format!(
                "No token is known for {coordinator}: set {TOKEN}, or run `longshore login --coordinator {coordinator} \
                 --token-file FILE`."
            )));
        };
        let ca = match var(CA_FILE) {
            Some(file) => Some(read_authority(Path::new(&file))?),
            None => kept_ca.flatten(),
        };
        Ok(Self { coordinator, token: Secret::kept(token).trimmed(), ca })
    }

    /// Keeps the profile for the next call, readable by its owner only.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn store(&self) -> Result<PathBuf, Failure> {
        let path = path()?;
        let stored = Stored {
            coordinator: self.coordinator.clone(),
            token: self.token.expose().to_owned(),
            ca: self.ca.clone(),
        };
        let text = toml::to_string(&stored).map_err(io::Error::other).and_then(|text| replace(&path, &text));
        text.map_err(|error| Failure::usage(format!("The profile {} cannot be written: {error}.", path.display())))?;
        Ok(path)
    }

    /// The authorities to trust, as PEM.
    ///
    /// # Errors
    /// When the profile names none and the system has none.
    pub(crate) fn authorities(&self) -> Result<Vec<u8>, Failure> {
        if let Some(ca) = &self.ca {
            return Ok(ca.clone().into_bytes());
        }
        SYSTEM_AUTHORITIES.iter().find_map(|path| fs::read(path).ok()).ok_or_else(|| {
            Failure::usage(format!(
                "It is not known which authority to trust: give the coordinator's CA (ca.pem in its data folder) with \
                 `longshore login --ca-file FILE` or {CA_FILE}."
            ))
        })
    }
}

/// Reads the PEM file of an authority.
///
/// # Errors
/// When it cannot be read or holds no certificate.
pub(crate) fn read_authority(path: &Path) -> Result<String, Failure> {
    let named = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("The CA file {named} cannot be read: {error}.")))?;
    service::tls::roots_from_pem(text.as_bytes())
        .map_err(|error| Failure::usage(format!("The CA file {named} cannot be used. {error}")))?;
    Ok(text)
}

fn path() -> Result<PathBuf, Failure> {
    let folder = |name, below: &str| {
        env::var_os(name).filter(|value| !value.is_empty()).map(|value| PathBuf::from(value).join(below))
    };
    folder("XDG_CONFIG_HOME", "longshore")
        .or_else(|| folder("HOME", ".config/longshore"))
        .map(|folder| folder.join("profile.toml"))
        .ok_or_else(|| Failure::usage("Neither HOME nor XDG_CONFIG_HOME is set, so there is no place for a profile."))
}

fn stored(path: &Path) -> Result<Option<Stored>, Failure> {
    let named = path.display();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        // Without a home folder for the tool there is no profile either.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(Failure::usage(format!("The profile {named} cannot be read: {error}."))),
    };
    if fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0) {
        return Err(Failure::usage(format!(
            "The profile {named} holds a token and others may read it: run `chmod 600 {named}`."
        )));
    }
    // The parser's own message shows the line, which may be the token's.
    toml::from_str(&text).map(Some).map_err(|_| {
        Failure::usage(format!("The profile {named} is damaged: run `longshore login` again, which writes it anew."))
    })
}

/// Writes beside it and renames, so that nobody ever sees half a profile.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let draft = path.with_extension(format!("toml.{}", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

fn same_place(one: &str, other: &str) -> bool {
    one.trim_end_matches('/').eq_ignore_ascii_case(other.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored_profile() -> Option<Stored> {
        Some(Stored { coordinator: "https://a:7300".into(), token: "kept".into(), ca: Some("pem".into()) })
    }

    #[test]
    fn the_environment_wins() {
        let var = |name: &str| (name == TOKEN).then(|| "given\n".to_owned());
        let profile = Profile::merge(var, stored_profile()).expect("a profile");
        assert_eq!(profile.token.expose(), "given");
        assert_eq!((profile.coordinator.as_str(), profile.ca.as_deref()), ("https://a:7300", Some("pem")));
    }

    #[test]
    fn a_stored_token_is_never_sent_to_another_coordinator() {
        let var = |name: &str| (name == COORDINATOR).then(|| "https://b:7300".to_owned());
        let failure = Profile::merge(var, stored_profile()).expect_err("no token for it");
        assert!(failure.sentence.contains(TOKEN), "{}", failure.sentence);
    }

    #[test]
    fn without_anything_the_sentence_says_how_to_log_in() {
        let failure = Profile::merge(|_| None, None).expect_err("nothing is known");
        assert!(failure.sentence.contains("longshore login"), "{}", failure.sentence);
    }

    #[test]
    fn a_profile_is_for_its_owners_eyes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("longshore/profile.toml");
        replace(&path, "coordinator = \"https://a:7300\"\ntoken = \"t\"\n").expect("written");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert!(stored(&path).expect("readable").is_some());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("opened up");
        assert!(stored(&path).is_err_and(|failure| failure.sentence.contains("chmod 600")));
    }

    #[test]
    fn a_damaged_profile_does_not_show_its_token() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("profile.toml");
        replace(&path, "token = \"canary").expect("written");
        let failure = stored(&path).err().expect("damaged");
        assert!(!failure.sentence.contains("canary"), "{}", failure.sentence);
    }
}
