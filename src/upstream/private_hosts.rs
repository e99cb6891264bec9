//! The private hosts that may be fetched all the same: `allowedPrivateHosts`.

use std::net::IpAddr;

use ipnet::IpNet;
use url::Host;

use super::address::{embedded_ipv4, gives_credentials, is_private};
use crate::error::{Error, Result};

/// Names, addresses and ranges of an internal network that images may come from.
///
/// A name lets exactly this name resolve to private addresses, a range or an address lets these addresses be
/// fetched by whatever name. Where clouds hand out credentials and settings, neither a name nor a range leads: such
/// an address has to be listed itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedPrivateHosts {
    /// In lower case and ASCII, without the dot at the end.
    names: Vec<String>,
    networks: Vec<IpNet>,
}

impl AllowedPrivateHosts {
    /// Reads a list such as `["images.internal", "10.20.0.0/16", "fd12:3456::7"]`.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] that quotes the entry which is none of these, or allows more than was meant.
    pub fn parse<S: AsRef<str>>(entries: &[S]) -> Result<Self> {
        let mut hosts = Self::default();
        for (at, entry) in entries.iter().map(AsRef::as_ref).enumerate() {
            let invalid =
                |why: &str| Error::InvalidOption(format!("allowedPrivateHosts[{at}]: {entry:?} {why}"));
            if let Ok(ip) = entry.parse::<IpAddr>() {
                hosts.networks.push(ip.into());
            } else if entry.contains('/') {
                let network = entry.parse::<IpNet>().map_err(|_| invalid(NEITHER))?;
                if network.trunc() != network {
                    return Err(invalid(&format!(
                        "has bits behind its prefix; the range is {}",
                        network.trunc()
                    )));
                }
                if network.prefix_len() == 0 {
                    return Err(invalid(
                        "allows every address, which is what images.dangerouslyAllowLocalIP is for",
                    ));
                }
                hosts.networks.push(network);
            } else {
                hosts.names.push(name(entry).map_err(|why| invalid(&why))?);
            }
        }
        if let Some(mapped) = hosts.networks.iter().find(|network| is_mapped(network)) {
            return Err(Error::InvalidOption(format!(
                "allowedPrivateHosts: {mapped} is an IPv4 range in IPv6 form; write the IPv4 range"
            )));
        }
        Ok(hosts)
    }

    /// Whether the list has no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.networks.is_empty()
    }

    /// Whether the list lets this private address be fetched. `name` is what was looked up, `None` where the url names
    /// the address itself.
    #[must_use]
    pub fn allows(&self, name: Option<&str>, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        if self.networks.iter().any(|network| *network == IpNet::from(ip)) {
            return true;
        }
        // What a gateway translates leads to the address inside, so that one has to be allowed too.
        let inside = embedded_ipv4(ip).map(IpAddr::from);
        if gives_credentials(ip)
            || inside.is_some_and(|inside| is_private(inside) && !self.allows(name, inside))
        {
            return false;
        }
        self.networks.iter().any(|network| network.contains(&ip))
            || name.is_some_and(|name| self.has_name(name))
    }

    fn has_name(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        self.names.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
    }
}

const NEITHER: &str = "is no host name, no address and no range such as 10.0.0.0/8; a scheme, a port or a path does not belong here";

/// The name as the URL parser writes it, so that both sides of a comparison are alike.
fn name(entry: &str) -> std::result::Result<String, String> {
    if entry.contains('*') {
        return Err("has a wildcard; list each name, or the range of their addresses".to_owned());
    }
    match Host::parse(entry) {
        Ok(Host::Domain(domain)) => {
            let name = domain.strip_suffix('.').unwrap_or(&domain);
            let is_name = |label: &str| {
                !label.is_empty()
                    && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            };
            if name.split('.').all(is_name) { Ok(name.to_owned()) } else { Err(NEITHER.to_owned()) }
        }
        Ok(Host::Ipv4(ip)) => Err(format!("is an address; write it as {ip}")),
        Ok(Host::Ipv6(ip)) => Err(format!("is an address; write it as {ip}")),
        Err(_) => Err(NEITHER.to_owned()),
    }
}

fn is_mapped(network: &IpNet) -> bool {
    matches!(network, IpNet::V6(network) if network.prefix_len() >= 96 && network.addr().to_ipv4_mapped().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(entries: &[&str]) -> AllowedPrivateHosts {
        AllowedPrivateHosts::parse(entries).unwrap()
    }

    #[track_caller]
    fn assert_allows(allowed: bool, entries: &[&str], name: Option<&str>, addresses: &[&str]) {
        for address in addresses {
            let ip = address.parse().unwrap();
            assert!(is_private(ip), "{address} needs no leave");
            assert_eq!(hosts(entries).allows(name, ip), allowed, "{entries:?}: {name:?} {address}");
        }
    }

    #[test]
    fn a_range_allows_its_addresses_by_any_name_and_no_others() {
        let ranges = ["10.20.0.0/16", "fd12:3456::/32", "192.168.7.9"];
        let inside = [
            "10.20.0.0",
            "10.20.255.255",
            "::ffff:10.20.1.1",
            "fd12:3456::1",
            "fd12:3456:ffff::",
            "192.168.7.9",
        ];
        assert_allows(true, &ranges, None, &inside);
        assert_allows(true, &ranges, Some("any.test"), &inside);
        let outside = ["10.19.255.255", "10.21.0.0", "fd12:3457::", "192.168.7.8", "127.0.0.1", "::1"];
        assert_allows(false, &ranges, None, &outside);
        assert_allows(false, &[], None, &inside);
    }

    #[test]
    fn a_name_allows_exactly_itself() {
        let names = ["images.internal", "minio", "Bücher.intern."];
        for name in
            ["images.internal", "IMAGES.internal", "images.internal.", "minio", "xn--bcher-kva.intern"]
        {
            assert_allows(true, &names, Some(name), &["10.0.0.1", "127.0.0.1", "fd00::1"]);
        }
        for name in ["a.images.internal", "internal", "images.internal.evil.test", "images.internal..", ""] {
            assert_allows(false, &names, Some(name), &["10.0.0.1"]);
        }
        assert_allows(false, &names, None, &["10.0.0.1"]);
    }

    #[test]
    fn addresses_that_give_credentials_have_to_be_listed_themselves() {
        let metadata = [
            "169.254.169.254",
            "169.254.170.2",
            "169.254.0.1",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
        ];
        let wide =
            ["128.0.0.0/1", "0.0.0.0/1", "fc00::/7", "fe80::/10", "169.254.0.0/16", "metadata.internal"];
        assert_allows(false, &wide, Some("metadata.internal"), &metadata);
        assert_allows(true, &["169.254.169.254"], None, &["169.254.169.254", "::ffff:169.254.169.254"]);
        assert_allows(true, &["169.254.169.254/32", "fd00:ec2::254/128"], None, &["169.254.169.254"]);
        assert_allows(true, &["fd00:ec2::254"], Some("x.test"), &["fd00:ec2::254"]);
        assert_allows(false, &["169.254.169.254"], None, &["169.254.170.2", "fd00:ec2::254"]);
    }

    #[test]
    fn a_translated_address_is_allowed_only_with_what_is_inside() {
        let translating = ["64:ff9b::/96", "2002::/16", "::/96", "64:ff9b:1::/48", "2001::/32"];
        assert_allows(true, &translating, None, &["64:ff9b::8.8.8.8", "2002:808:808::1"]);
        let inside = [
            "64:ff9b::169.254.169.254",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::127.0.0.1",
            "2002:a9fe:a9fe::1",
            "2002:7f00:1::",
            "::169.254.169.254",
            // Teredo hides the client's address behind its complement.
            "2001:0:1:2:3:4:f5ff:fffe",
        ];
        assert_allows(false, &translating, None, &inside);
        assert_allows(true, &["64:ff9b::/96", "10.0.0.0/8"], None, &["64:ff9b::10.0.0.1"]);
        assert_allows(false, &["64:ff9b::/96", "169.254.0.0/16"], None, &["64:ff9b::169.254.169.254"]);
    }

    #[test]
    fn entries_that_can_not_be_meant_are_refused_by_name() {
        for (entry, why) in [
            ("", "is no host name"),
            ("http://10.0.0.1", "is no host name"),
            ("minio:9000", "is no host name"),
            ("10.0.0.1:9000", "is no host name"),
            ("10.0.0.0/33", "is no host name"),
            ("10.0.0/8", "is no host name"),
            ("fe80::1%eth0", "is no host name"),
            ("a b", "is no host name"),
            ("a..b", "is no host name"),
            (".", "is no host name"),
            ("user@host", "is no host name"),
            ("10.1.2.3/8", "the range is 10.0.0.0/8"),
            ("0.0.0.0/0", "dangerouslyAllowLocalIP"),
            ("::/0", "dangerouslyAllowLocalIP"),
            ("*.internal", "has a wildcard"),
            ("127.1", "write it as 127.0.0.1"),
            ("0x7f000001", "write it as 127.0.0.1"),
            ("[::1]", "write it as ::1"),
            ("::ffff:10.0.0.0/104", "write the IPv4 range"),
        ] {
            let error = AllowedPrivateHosts::parse(&["images.internal", entry]).unwrap_err();
            let text = error.to_string();
            assert!(matches!(error, Error::InvalidOption(_)) && text.contains(why), "{entry:?}: {text}");
        }
    }
}
