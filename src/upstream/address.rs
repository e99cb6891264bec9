//! The private-address guard: which addresses an upstream may not have, unless the configuration says
//! `dangerouslyAllowLocalIP`.
//!
//! Everything that is not globally routable unicast is refused. That takes in all that Next refuses; on top
//! come the IPv6 ranges outside of `2000::/3`, of which none is routed, and which hold the forms that embed
//! an IPv4 address. Names are judged by the addresses they resolve to, see [`super::remote`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// IPv4 ranges that lead into the own machine or network, or nowhere: the IANA special-purpose registry
/// (RFC 6890 and its updates), multicast, and the anycast services for DNS sinks and multicast relays.
const PRIVATE_V4: [(Ipv4Addr, u32); 19] = [
    (Ipv4Addr::UNSPECIFIED, 8),      // this network; on Linux 0.0.0.0 is the own machine
    (Ipv4Addr::new(10, 0, 0, 0), 8), // private, RFC 1918
    (Ipv4Addr::new(100, 64, 0, 0), 10), // carrier-grade NAT, RFC 6598
    (Ipv4Addr::new(127, 0, 0, 0), 8), // loopback
    (Ipv4Addr::new(168, 63, 129, 16), 32), // Azure's own services for a virtual machine
    (Ipv4Addr::new(169, 254, 0, 0), 16), // link-local; clouds answer with credentials at 169.254.169.254
    (Ipv4Addr::new(172, 16, 0, 0), 12), // private, RFC 1918
    (Ipv4Addr::new(192, 0, 0, 0), 24), // protocol assignments, RFC 6890
    (Ipv4Addr::new(192, 0, 2, 0), 24), // documentation, RFC 5737
    (Ipv4Addr::new(192, 31, 196, 0), 24), // AS112, RFC 7535
    (Ipv4Addr::new(192, 52, 193, 0), 24), // AMT, RFC 7450
    (Ipv4Addr::new(192, 88, 99, 0), 24), // 6to4 relays, RFC 7526
    (Ipv4Addr::new(192, 168, 0, 0), 16), // private, RFC 1918
    (Ipv4Addr::new(192, 175, 48, 0), 24), // AS112, RFC 7534
    (Ipv4Addr::new(198, 18, 0, 0), 15), // benchmarks, RFC 2544
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation, RFC 5737
    (Ipv4Addr::new(203, 0, 113, 0), 24), // documentation, RFC 5737
    (Ipv4Addr::new(224, 0, 0, 0), 4), // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4), // reserved, and the broadcast address
];

/// The part of `2000::/3` that is not globally routable, or that embeds an IPv4 address.
const PRIVATE_V6: [(Ipv6Addr, u32); 5] = [
    // Protocol assignments, RFC 2928: Teredo, benchmarks, AMT, AS112, ORCHID and more
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation, RFC 3849
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),     // 6to4, RFC 3056: an IPv4 address follows
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48), // AS112, RFC 7534
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),     // documentation, RFC 9637
];

/// All of the unicast space that is given out so far, RFC 4291.
const GLOBAL_UNICAST_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Where clouds answer machines and containers with their credentials and settings: all that is link-local, and
/// those of AWS, Google, Alibaba, Azure and Oracle that are not.
#[cfg(feature = "server")]
const METADATA_V4: [(Ipv4Addr, u32); 4] = [
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(100, 100, 100, 200), 32),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(192, 0, 0, 192), 32),
];
#[cfg(feature = "server")]
const METADATA_V6: [(Ipv6Addr, u32); 3] = [
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0), 32),
];

/// Is the address anything else than a globally routable unicast one? IPv4-mapped IPv6 addresses are judged by
/// the IPv4 address; every other embedding (compatible, NAT64, 6to4, Teredo) is refused whatever it holds.
#[must_use]
pub fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or_else(|| is_private_v6(v6), is_private_v4),
    }
}

/// Does the URL name a private address outright? The URL parser has then already read every odd notation
/// (octal, hexadecimal, one number, escapes, full-width digits) as the address it means. `false` for
/// names: those are looked up first.
#[must_use]
pub fn host_is_private_literal(url: &Url) -> bool {
    literal_ip(url).is_some_and(is_private)
}

/// The address that a URL names outright, `None` when it holds a name.
#[must_use]
pub fn literal_ip(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(ip) => Some(ip.into()),
        Host::Ipv6(ip) => Some(ip.into()),
        Host::Domain(_) => None,
    }
}

/// Does a cloud hand out credentials at this address? IPv4-mapped IPv6 addresses are judged by the IPv4 address.
#[cfg(feature = "server")]
pub(super) fn gives_credentials(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => METADATA_V4.into_iter().any(|network| within_v4(v4, network)),
        IpAddr::V6(v6) => METADATA_V6.into_iter().any(|network| within_v6(v6, network)),
    }
}

/// The IPv4 address that a gateway, tunnel or translator would send to what is addressed to `ip`: NAT64 (RFC 6052 and
/// 8215), 6to4 (RFC 3056), Teredo (RFC 4380), SIIT (RFC 2765) and the IPv4-compatible form. `None` for all others.
#[cfg(feature = "server")]
pub(super) fn embedded_ipv4(ip: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = ip else { return None };
    let last = Ipv4Addr::from_bits(v6.to_bits() as u32);
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 1, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => Some(last),
        [0, 0, 0, 0, 0, 0, high, _] if high != 0 => Some(last),
        [0x2002, high, low, ..] => Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))),
        [0x2001, 0, ..] => Some(Ipv4Addr::from_bits(!last.to_bits())),
        _ => None,
    }
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    PRIVATE_V4.into_iter().any(|network| within_v4(ip, network))
}

fn is_private_v6(ip: Ipv6Addr) -> bool {
    !within_v6(ip, GLOBAL_UNICAST_V6) || PRIVATE_V6.into_iter().any(|network| within_v6(ip, network))
}

fn within_v4(ip: Ipv4Addr, (network, prefix): (Ipv4Addr, u32)) -> bool {
    (ip.to_bits() ^ network.to_bits()) >> (32 - prefix) == 0
}

fn within_v6(ip: Ipv6Addr, (network, prefix): (Ipv6Addr, u32)) -> bool {
    (ip.to_bits() ^ network.to_bits()) >> (128 - prefix) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_private(private: bool, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(is_private(address.parse().unwrap()), private, "{address}");
        }
    }

    #[test]
    fn every_special_ipv4_range_is_private_from_its_first_to_its_last_address() {
        assert_private(
            true,
            &[
                "0.0.0.0",
                "0.255.255.255",
                "10.0.0.0",
                "10.255.255.255",
                "100.64.0.0",
                "100.127.255.255",
                "127.0.0.1",
                "127.255.255.255",
                "168.63.129.16",
                "169.254.0.0",
                "169.254.169.254",
                "169.254.255.255",
                "172.16.0.0",
                "172.31.255.255",
                "192.0.0.1",
                "192.0.0.255",
                "192.0.2.1",
                "192.31.196.1",
                "192.52.193.1",
                "192.88.99.1",
                "192.168.0.0",
                "192.168.255.255",
                "192.175.48.1",
                "198.18.0.0",
                "198.19.255.255",
                "198.51.100.1",
                "203.0.113.255",
                "224.0.0.1",
                "239.255.255.255",
                "240.0.0.1",
                "255.255.255.255",
            ],
        );
    }

    #[test]
    fn ipv4_addresses_just_outside_are_public() {
        assert_private(
            false,
            &[
                "1.0.0.0",
                "1.1.1.1",
                "8.8.8.8",
                "9.255.255.255",
                "11.0.0.0",
                "100.63.255.255",
                "100.128.0.0",
                "126.255.255.255",
                "128.0.0.0",
                "168.63.129.15",
                "168.63.129.17",
                "169.253.255.255",
                "169.255.0.0",
                "172.15.255.255",
                "172.32.0.0",
                "192.0.1.0",
                "192.0.3.0",
                "192.167.255.255",
                "192.169.0.0",
                "198.17.255.255",
                "198.20.0.0",
                "203.0.112.255",
                "203.0.114.0",
                "223.255.255.255",
            ],
        );
    }

    #[test]
    fn ipv6_addresses_that_stay_inside_or_lead_nowhere_are_private() {
        assert_private(
            true,
            &[
                "::",
                "::1",
                "::2",
                "100::",
                "64:ff9b::1.1.1.1",
                "64:ff9b:1::1",
                "fc00::",
                "fdff::1",
                "fe80::1",
                "febf::1",
                "fec0::1",
                "ff02::1",
                "2001::1",
                "2001:0:1::1",
                "2001:2::1",
                "2001:3::1",
                "2001:4:112::1",
                "2001:10::1",
                "2001:20::1",
                "2001:30::1",
                "2001:1ff::1",
                "2001:db8::1",
                "2002:7f00:1::",
                "2002:101:101::",
                "2620:4f:8000::1",
                "3fff::1",
                "5f00::1",
                "4000::1",
                "::127.0.0.1",
                "::8.8.8.8",
                "::ffff:0:127.0.0.1",
                "::ffff:0:8.8.8.8",
            ],
        );
    }

    #[test]
    fn global_ipv6_addresses_are_public() {
        assert_private(
            false,
            &[
                "2606:4700:4700::1111",
                "2a00:1450::1",
                "2001:200::1",
                "2001:4860:4860::8888",
                "2003::1",
                "3ffe::1",
            ],
        );
    }

    #[test]
    fn a_mapped_address_is_judged_by_the_ipv4_address_in_it() {
        assert_private(true, &["::ffff:127.0.0.1", "::ffff:10.1.2.3", "::ffff:a9fe:a9fe"]);
        assert_private(false, &["::ffff:8.8.8.8"]);
    }

    #[test]
    fn odd_notations_of_a_private_address_are_seen_through() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "0",
            "0x0",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
            "①②⑦.0.0.1",
            "127。0。0。1",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:0:0:1]",
            "[64:ff9b::7f00:1]",
            "10.0.0.1:8080",
            "user:pass@192.168.1.1",
        ] {
            let url = Url::parse(&format!("http://{host}/x.png")).unwrap();
            assert!(host_is_private_literal(&url), "{host} is {:?}", url.host());
        }
    }

    #[test]
    fn public_literals_and_names_pass() {
        for host in
            ["8.8.8.8", "134744072", "[2606:4700::1111]", "example.com", "localhost", "127.0.0.1.nip.io"]
        {
            let url = Url::parse(&format!("http://{host}/x.png")).unwrap();
            assert!(!host_is_private_literal(&url), "{host}");
        }
        assert!(!host_is_private_literal(&Url::parse("data:,x").unwrap()));
    }
}
