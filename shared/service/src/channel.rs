//! gRPC channels over our own TLS, and what to tell a person when one does not come about.

use std::{sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tonic::{
    codegen::http::Uri,
    transport::{Channel, Endpoint},
};
use tower::service_fn;

mod connect;
mod explain;

pub use connect::ConnectError;
pub use explain::explain;

/// 10 seconds between keep-alive pings: a dead path is known before offers are taken back.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// 20 seconds for the answer to a ping.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// 1 MiB in flight on one stream: a log over 10 ms of round trip still fills 100 MB/s.
const STREAM_WINDOW: u32 = 1 << 20;
/// 4 MiB in flight on one connection, so that one slow stream cannot starve the control stream.
const CONNECTION_WINDOW: u32 = 4 << 20;

/// A URL that no channel can be made for.
#[derive(Debug, thiserror::Error)]
#[error("\"{url}\" is not a coordinator's address: {fault}. Write it like https://host:7300.")]
pub struct BadUrl {
    /// As given.
    pub url: String,
    /// What is wrong with it.
    pub fault: &'static str,
}

/// A channel that connects when it is first used, and again whenever its connection broke.
///
/// # Errors
/// [`BadUrl`] when it is not `https://host:port`.
pub fn channel(url: &str, config: ClientConfig) -> Result<Channel, BadUrl> {
    let endpoint = endpoint(url)?;
    let config = Arc::new(config);
    let connector = service_fn(move |uri: Uri| {
        let config = config.clone();
        async move { connect::connect(&uri, config).await.map(TokioIo::new) }
    });
    Ok(endpoint.connect_with_connector_lazy(connector))
}

fn endpoint(url: &str) -> Result<Endpoint, BadUrl> {
    let bad = |fault| BadUrl { url: url.into(), fault };
    let uri: Uri = url.parse().map_err(|_| bad("it is not a URL"))?;
    if uri.scheme_str() != Some("https") {
        return Err(bad("it does not begin with https://"));
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err(bad("it names no host"));
    }
    if uri.port_u16().is_none() {
        return Err(bad("it names no port"));
    }
    if !matches!(uri.path(), "" | "/") {
        return Err(bad("something stands after the port"));
    }
    Ok(Endpoint::from(uri)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW))
}

#[cfg(test)]
mod tests {
    use super::endpoint;

    #[test]
    fn an_address_of_the_wrong_shape_says_what_is_wrong_with_it() {
        for (url, fault) in [
            ("http://host:7300", "does not begin with https"),
            ("https://host", "names no port"),
            ("host:7300", "does not begin with https"),
            ("https://host:7300/path", "after the port"),
            ("not a url", "not a URL"),
        ] {
            let sentence = endpoint(url).expect_err(url).to_string();
            assert!(sentence.contains(fault), "{url}: {sentence}");
        }
        assert!(endpoint("https://[::1]:7300").is_ok());
    }
}
