//! Parts of an address.

use url::{Host, Url};

use super::{Answer, Call, fault};

pub(super) fn part(call: &Call<'_>) -> Answer {
    let (text, part) = call.with_one("which part, e.g. Host")?;
    let Ok(url) = Url::parse(text.trim()) else {
        return match part.to_lowercase().as_str() {
            "isabsoluteuri" => Ok("False".into()),
            _ => Err(fault("needs a whole address before the |, e.g. https://host/path")),
        };
    };
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default();
    Ok(match part.to_lowercase().as_str() {
        "absolutepath" | "path" => url.path().into(),
        "absoluteuri" => url.as_str().into(),
        "authority" => match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.into(),
        },
        "dnssafehost" | "host" => host.into(),
        "fragment" => url.fragment().map(|fragment| format!("#{fragment}")).unwrap_or_default(),
        "hostandport" => port.map_or_else(|| host.into(), |port| format!("{host}:{port}")),
        "hostnametype" => match url.host() {
            Some(Host::Domain(_)) => "Dns",
            Some(Host::Ipv4(_)) => "IPv4",
            Some(Host::Ipv6(_)) => "IPv6",
            None => "Basic",
        }
        .into(),
        "isabsoluteuri" => "True".into(),
        "isdefaultport" => said(url.port().is_none()),
        "isfile" => said(url.scheme() == "file"),
        "isloopback" => said(is_loopback(&url)),
        "isunc" => said(url.scheme() == "file" && !host.is_empty()),
        "pathandquery" => format!("{}{}", url.path(), query(&url)),
        "port" => port.map_or_else(|| "-1".into(), |port| port.to_string()),
        "query" => query(&url),
        "scheme" => url.scheme().into(),
        "schemeandserver" => match url.port() {
            Some(port) => format!("{}://{host}:{port}", url.scheme()),
            None => format!("{}://{host}", url.scheme()),
        },
        "userinfo" => match url.password() {
            Some(password) => format!("{}:{password}", url.username()),
            None => url.username().into(),
        },
        _ => {
            return Err(fault(&format!(
                "knows no part \"{part}\": Scheme, Host, Port, Path, Query, Fragment and others are"
            )));
        }
    })
}

fn query(url: &Url) -> String {
    url.query().map(|query| format!("?{query}")).unwrap_or_default()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => url.scheme() == "file",
    }
}

fn said(yes: bool) -> String {
    if yes { "True" } else { "False" }.into()
}
