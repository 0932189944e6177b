//! One connection: name to address, TCP, TLS.

use std::{io, sync::Arc, time::Duration};

use rustls::{CertificateError, ClientConfig};
use rustls_pki_types::ServerName;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::codegen::http::Uri;

/// 10 seconds for TCP and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a connection did not come about, in a sentence with what to check.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens.
    #[error("Nothing listens at {address}: check the address, and that the coordinator runs.")]
    Refused {
        /// `host:port`.
        address: String,
    },
    /// The name has no address, or there is no way to it.
    #[error("{address} cannot be reached: check the name, the network and the firewall.")]
    Unreachable {
        /// `host:port`.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// No answer within 10 seconds.
    #[error("{address} did not answer within 10 seconds: check the address, the network and the firewall.")]
    TimedOut {
        /// `host:port`.
        address: String,
    },
    /// Its authority is not trusted.
    #[error(
        "{address} is not trusted: its certificate is of another authority than the one that is known here. Either this is \
         not your coordinator, or the CA file or join string is of another one."
    )]
    NotTrusted {
        /// `host:port`.
        address: String,
    },
    /// Its certificate is for other names.
    #[error(
        "The certificate of {address} is not made for the name \"{name}\": use a name it is made for, or start the \
         coordinator with --public-address {name}."
    )]
    WrongName {
        /// `host:port`.
        address: String,
        /// The name that was asked for.
        name: String,
    },
    /// Its certificate is not valid now.
    #[error(
        "The certificate of {address} expired, or is not valid yet: check the clocks of both hosts; restarting the \
         coordinator renews its certificate."
    )]
    OutOfTime {
        /// `host:port`.
        address: String,
    },
    /// It refused the certificate shown to it.
    #[error("{address} refused this program's certificate: it expired, was revoked, or is of another coordinator.")]
    CertificateRefused {
        /// `host:port`.
        address: String,
    },
    /// The other side speaks something else.
    #[error("{address} does not speak TLS 1.3 as a coordinator does: check the port.")]
    NotACoordinator {
        /// `host:port`.
        address: String,
        /// What went wrong.
        source: io::Error,
    },
}

pub(super) async fn connect(uri: &Uri, config: Arc<ClientConfig>) -> Result<TlsStream<TcpStream>, ConnectError> {
    // `channel` made sure of both.
    let (host, port) = (uri.host().unwrap_or_default(), uri.port_u16().unwrap_or_default());
    let address = format!("{host}:{port}");
    let attempt = async {
        let stream = dial(host, port, &address).await?;
        shake_hands(host, stream, config, &address).await
    };
    timeout(CONNECT_TIMEOUT, attempt).await.unwrap_or(Err(ConnectError::TimedOut { address: address.clone() }))
}

async fn dial(host: &str, port: u16, address: &str) -> Result<TcpStream, ConnectError> {
    let stream = TcpStream::connect((bare(host), port)).await.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectError::Refused { address: address.into() },
        io::ErrorKind::TimedOut => ConnectError::TimedOut { address: address.into() },
        _ => ConnectError::Unreachable { address: address.into(), source: error },
    })?;
    // Small control messages must not wait for the acknowledgement of the ones before.
    stream.set_nodelay(true).map_err(|source| ConnectError::Unreachable { address: address.into(), source })?;
    Ok(stream)
}

async fn shake_hands(
    host: &str,
    stream: TcpStream,
    config: Arc<ClientConfig>,
    address: &str,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let name = ServerName::try_from(bare(host).to_owned()).map_err(|error| ConnectError::Unreachable {
        address: address.into(),
        source: io::Error::new(io::ErrorKind::InvalidInput, error),
    })?;
    TlsConnector::from(config).connect(name, stream).await.map_err(|error| tls_error(error, host, address))
}

/// A host without the brackets that IPv6 addresses have in URLs.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

fn tls_error(error: io::Error, host: &str, address: &str) -> ConnectError {
    use CertificateError as C;
    let address = address.to_owned();
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return ConnectError::NotACoordinator { address, source: error };
    };
    match tls {
        rustls::Error::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            ConnectError::WrongName { address, name: bare(host).into() }
        }
        rustls::Error::InvalidCertificate(
            C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. },
        ) => ConnectError::OutOfTime { address },
        rustls::Error::InvalidCertificate(_) => ConnectError::NotTrusted { address },
        rustls::Error::AlertReceived(alert) if super::explain::is_about_our_certificate(*alert) => {
            ConnectError::CertificateRefused { address }
        }
        _ => ConnectError::NotACoordinator { address, source: error },
    }
}
