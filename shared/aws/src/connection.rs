//! The HTTP client under every AWS client. What fails here becomes a [`Fault`] here, where the address, the proxy and the
//! certificate are known; [`fault_in`] finds it again in whatever the SDK wraps around it.

use std::{
    error::Error,
    io,
    sync::{Arc, OnceLock},
};

use aws_smithy_http_client::{
    Connector,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
            SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    shared::IntoShared,
};
use http::Uri;
use rustls::CertificateError;
use shared::reason::{Fault, Reason};
use tokio::{sync::OnceCell, task};

use crate::{CONNECT_TIMEOUT, probe, proxy::without_password, roots, settings::Settings};

/// Makes its two connectors when they are first needed. The one for `http://` needs no authorities at all.
#[derive(Clone, Debug)]
pub(crate) struct Http(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Arc<Settings>,
    plain: OnceLock<SharedHttpConnector>,
    tls: OnceCell<SharedHttpConnector>,
}

impl Http {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self(Arc::new(Inner { settings, plain: OnceLock::new(), tls: OnceCell::new() }))
    }

    pub(crate) fn client(&self) -> SharedHttpClient {
        self.clone().into_shared()
    }

    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let uri: Uri = request.uri().parse().map_err(|error| ConnectorError::user(Box::new(error)))?;
        let asked = match uri.scheme_str() {
            Some("https") => self.0.tls().await.map_err(broken)?.call(request).await,
            _ => self.0.plain().call(request).await,
        };
        match asked {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.0.explain(&uri, error).await),
        }
    }
}

impl HttpClient for Http {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        self.clone().into_shared()
    }
}

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let http = self.clone();
        HttpConnectorFuture::new(async move { http.ask(request).await })
    }
}

impl Inner {
    fn plain(&self) -> &SharedHttpConnector {
        self.plain.get_or_init(|| {
            let connector = Connector::builder()
                .connector_settings(connector_settings())
                .proxy_config(self.settings.proxy.for_http());
            connector.build_http().into_shared()
        })
    }

    async fn tls(&self) -> Result<&SharedHttpConnector, Fault> {
        self.tls
            .get_or_try_init(async || {
                let settings = Arc::clone(&self.settings);
                // Hundreds of files, perhaps.
                let made = task::spawn_blocking(move || tls_connector(&settings)).await;
                made.map_err(|error| Fault::new(Reason::Internal, format!("The way to AWS was not made: {error}.")))?
            })
            .await
    }

    /// The same kind of error, so that it is repeated or not as before, with a fault in it.
    async fn explain(&self, uri: &Uri, error: ConnectorError) -> ConnectorError {
        if let Some(refused) = certificate_error(&error) {
            return broken(self.distrusted(uri, refused.clone()).await);
        }
        let fault = Box::new(self.unreached(uri, &error));
        match () {
            () if error.is_timeout() => ConnectorError::timeout(fault),
            () if error.is_user() => ConnectorError::user(fault),
            () if error.is_io() => ConnectorError::io(fault),
            () => ConnectorError::other(fault, error.as_other()),
        }
    }

    async fn distrusted(&self, uri: &Uri, refused: CertificateError) -> Fault {
        let chain = probe::chain_at(uri, self.settings.proxy.before(uri)).await;
        let sentence =
            probe::sentence(&format!("{}{}", origin(uri), self.way(uri)), self.settings.host, &refused, &chain);
        Fault::new(Reason::AwsCertificateNotTrusted, sentence)
    }

    fn unreached(&self, uri: &Uri, error: &ConnectorError) -> Fault {
        let cause = if error.is_timeout() { "it did not answer in time".to_owned() } else { root_cause(error) };
        Fault::new(
            Reason::AwsUnavailable,
            format!(
                "AWS could not be reached: there is no connection to {}{}: {cause}. Check the region, and the way from {} to there: \
                 DNS, routes, proxy, firewall, VPC endpoints.",
                origin(uri),
                self.way(uri),
                self.settings.host
            ),
        )
    }

    fn way(&self, uri: &Uri) -> String {
        let proxy = self.settings.proxy.before(uri);
        proxy.map(|proxy| format!(" through the proxy {}", without_password(&origin(proxy.uri())))).unwrap_or_default()
    }
}

/// The fault that was found while connecting, if it was that.
pub(crate) fn fault_in<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Fault> {
    find(error)
}

/// The innermost sentence of an error: the outer ones only say that something failed.
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = below(cause) {
        cause = deeper;
    }
    cause.to_string().trim_end_matches('.').to_owned()
}

fn tls_connector(settings: &Settings) -> Result<SharedHttpConnector, Fault> {
    let trust = TrustStore::empty().with_pem_certificate(roots::pem(settings.ca_bundle.as_deref())?);
    let context = TlsContext::builder().with_trust_store(trust).build();
    let context = context.map_err(|error| {
        Fault::new(Reason::Internal, format!("The certificate authorities cannot be used: {error}."))
    })?;
    let connector = Connector::builder()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context)
        .connector_settings(connector_settings())
        .proxy_config(settings.proxy.for_https());
    Ok(connector.build().into_shared())
}

fn connector_settings() -> HttpConnectorSettings {
    HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build()
}

/// Nothing that another try would change.
fn broken(fault: Fault) -> ConnectorError {
    ConnectorError::other(Box::new(fault), None)
}

fn origin(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    format!("{}://{authority}", uri.scheme_str().unwrap_or("https"))
}

fn certificate_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CertificateError> {
    match find::<rustls::Error>(error)? {
        rustls::Error::InvalidCertificate(refused) => Some(refused),
        _ => None,
    }
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = below(error);
    }
    None
}

fn below<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    // What an io::Error wraps is not its source, but has one.
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}
