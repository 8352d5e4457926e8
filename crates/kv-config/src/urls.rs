use std::fmt;
use std::net::IpAddr;

use crate::ConfigError;

/// What a URL asks to be spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UrlScheme {
    /// Plain text.
    Http,
}

/// A checked `http://host:port`, as etcd accepts it: no path, port given.
///
/// Ordered by its text, which is how etcd sorts URL lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url {
    text: String,
    host: String,
    port: u16,
    scheme: UrlScheme,
}

/// The peer URLs of one member, sorted and without repetitions.
pub type PeerUrls = Vec<Url>;

impl Url {
    /// Host name or address, IPv6 ones without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The scheme.
    pub fn scheme(&self) -> UrlScheme {
        self.scheme
    }

    /// The text as etcd prints it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Reads one URL of the setting `flag`.
    pub(crate) fn parse(flag: &'static str, text: &str) -> Result<Self, ConfigError> {
        let text = text.trim();
        let bad = |reason: &str| ConfigError::Url {
            flag,
            value: text.into(),
            reason: reason.into(),
        };
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(bad(
                "URL scheme must be http or https, as in http://127.0.0.1:2379",
            ));
        };
        match scheme {
            "http" => {}
            "https" | "unix" | "unixs" => {
                return Err(ConfigError::Scheme {
                    flag,
                    value: text.into(),
                    scheme: scheme.into(),
                });
            }
            _ => return Err(bad("URL scheme must be http or https")),
        }
        let parsed = url::Url::parse(text).map_err(|error| bad(&error.to_string()))?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(bad("URL must not contain a path"));
        }
        // `port_or_known_default` would accept a URL without a port; etcd does not.
        let port = authority
            .rsplit_once(':')
            .filter(|(_, port)| !port.ends_with(']'))
            .and_then(|(_, port)| port.parse().ok())
            .ok_or_else(|| bad("URL address does not have the form \"host:port\""))?;
        let host = match parsed.host() {
            Some(url::Host::Domain(name)) => name.to_owned(),
            Some(url::Host::Ipv4(address)) => address.to_string(),
            Some(url::Host::Ipv6(address)) => address.to_string(),
            None => return Err(bad("URL has no host")),
        };
        Ok(Self {
            text: format!("{scheme}://{authority}"),
            host,
            port,
            scheme: UrlScheme::Http,
        })
    }

    /// Whether the host can be bound: an address, or `localhost`.
    fn can_bind(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads a comma-separated list, sorted and without repetitions; at least one URL.
pub(crate) fn parse_list(flag: &'static str, text: &str) -> Result<Vec<Url>, ConfigError> {
    let mut urls = text
        .split(',')
        .map(|url| Url::parse(flag, url))
        .collect::<Result<Vec<_>, _>>()?;
    urls.sort();
    urls.dedup();
    Ok(urls)
}

/// As [`parse_list`], for URLs that are going to be bound.
pub(crate) fn parse_listen_list(flag: &'static str, text: &str) -> Result<Vec<Url>, ConfigError> {
    let urls = parse_list(flag, text)?;
    match urls.iter().find(|url| !url.can_bind()) {
        Some(url) => Err(ConfigError::Url {
            flag,
            value: url.to_string(),
            reason: format!("expected IP in URL for binding ({url})"),
        }),
        None => Ok(urls),
    }
}

/// Checks the peer URLs that a request gives for a member; sorted. `None` if they are none that etcd takes: it wants
/// at least one, `http` or `https` with host and port and no path, or a `unix` socket.
pub fn checked_peer_urls(urls: &[String]) -> Option<Vec<String>> {
    let mut checked = urls
        .iter()
        .map(|url| is_peer_url(url.trim()).then(|| url.trim().to_owned()))
        .collect::<Option<Vec<_>>>()?;
    checked.sort();
    (!checked.is_empty()).then_some(checked)
}

fn is_peer_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    match scheme.to_ascii_lowercase().as_str() {
        "unix" | "unixs" => true,
        "http" | "https" => {
            let host_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (authority, after) = rest.split_at(host_end);
            let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            !after.starts_with('/') && is_host_and_port(host_and_port)
        }
        _ => false,
    }
}

/// One colon between host and port, unless the host stands in brackets; the port is a number if there is one.
fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let plain = !host.contains([':', '[', ']', ' ', '%']);
    (bracketed || plain) && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Joins URLs for a message.
pub(crate) fn join(urls: &[Url]) -> String {
    urls.iter().map(Url::as_str).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_deduplicated() {
        let urls = parse_list("f", "http://b:2, http://a:1,http://b:2").unwrap();
        assert_eq!(join(&urls), "http://a:1,http://b:2");
    }

    #[test]
    fn peer_urls_of_requests_are_checked_as_etcd_checks_them() {
        let check =
            |urls: &[&str]| checked_peer_urls(&urls.iter().map(ToString::to_string).collect::<Vec<_>>());
        for url in [
            "http://h:2380",
            "https://h:2380",
            "http://:2380",
            "http://[::1]:2380",
            "unix://somewhere",
            "unixs://localhost:1",
        ] {
            assert_eq!(check(&[url]), Some(vec![url.to_owned()]), "{url}");
        }
        assert_eq!(
            check(&[" http://b:2", "http://a:1"]).unwrap(),
            ["http://a:1", "http://b:2"]
        );
        assert_eq!(check(&[]), None);
        for url in [
            "",
            "h:1",
            "ftp://h:1",
            "http://h",
            "http://h:1/",
            "http://h:1/x",
            "http://h:x",
            "http://::1:1",
        ] {
            assert_eq!(check(&[url]), None, "{url}");
            assert_eq!(check(&["http://h:1", url]), None, "{url}");
        }
    }

    #[test]
    fn malformed_urls_are_refused() {
        for text in [
            "",
            "a:1",
            "ftp://a:1",
            "http://a",
            "http://a:1/x",
            "http://:1",
            "http://a:99999",
            "http://[::1]",
        ] {
            assert!(Url::parse("f", text).is_err(), "{text}");
        }
        assert_eq!(Url::parse("f", "http://[::1]:80").unwrap().host(), "::1");
    }

    #[test]
    fn schemes_that_are_not_served_yet_say_so() {
        let error = Url::parse("listen-client-urls", "https://127.0.0.1:2379").unwrap_err();
        assert!(
            error.to_string().contains("scheme https is not supported yet"),
            "{error}"
        );
    }

    #[test]
    fn names_cannot_be_bound() {
        let error = parse_listen_list("f", "http://example.com:2379").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("expected IP in URL for binding (http://example.com:2379)"),
            "{error}"
        );
    }
}
