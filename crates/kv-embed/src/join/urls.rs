use std::net::IpAddr;

/// Whether two members have the same peer URLs, by their text or by the addresses that their names stand for; if
/// not, the difference, in etcd's words.
pub(super) async fn compare(one: &[String], other: &[String]) -> Result<(), String> {
    if one.len() != other.len() {
        return Err(format!("len({}) != len({})", list(one), list(other)));
    }
    let (one, other) = (sorted(one), sorted(other));
    for (one, other) in one.into_iter().zip(other) {
        if one == other {
            continue;
        }
        let (first, second) = (resolve(one).await, resolve(other).await);
        if first != second {
            return Err(format!(
                "{first:?}(resolved from {one:?}) != {second:?}(resolved from {other:?})"
            ));
        }
    }
    Ok(())
}

fn list(urls: &[String]) -> String {
    let quoted: Vec<String> = urls.iter().map(|url| format!("{url:?}")).collect();
    format!("[{}]", quoted.join(" "))
}

fn sorted(urls: &[String]) -> Vec<&String> {
    let mut urls: Vec<&String> = urls.iter().collect();
    urls.sort();
    urls
}

/// The URL with an address in place of the name in it, if there is one to be found.
async fn resolve(url: &str) -> String {
    let parts = url.split_once("://").and_then(|(scheme, authority)| {
        let (host, port) = authority.rsplit_once(':')?;
        Some((scheme, host, port))
    });
    let Some((scheme, host, port)) = parts.filter(|(_, host, _)| is_name(host)) else {
        return url.to_owned();
    };
    let Ok(number) = port.parse() else {
        return url.to_owned();
    };
    let found = tokio::net::lookup_host((host, number)).await;
    let address = found.ok().and_then(|mut addresses| addresses.next());
    address.map_or_else(|| url.to_owned(), |address| format!("{scheme}://{address}"))
}

fn is_name(host: &str) -> bool {
    !host.starts_with('[') && host.parse::<IpAddr>().is_err()
}
