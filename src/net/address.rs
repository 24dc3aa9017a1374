//! Which addresses there are and who may dial them (design, 'Which addresses'; the ranges are
//! IANA's special-purpose registries for IPv4 and IPv6).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// How far an address reaches. A server keeps the class it was added with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum AddressClass {
    /// This computer.
    Loopback,
    /// A private network, or another range that the public internet does not route.
    Private,
    /// The public internet.
    #[default]
    Public,
}

impl AddressClass {
    /// The class of an address; `None` for those that nobody may dial: link-local, unspecified,
    /// multicast and broadcast.
    pub fn of_ip(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }

    /// The class of a literal address or `localhost`. `None` for a name, whose class shows when
    /// it is dialled, and for addresses that nobody may dial.
    pub fn of_host(url: &Url) -> Option<Self> {
        match HostKind::of(url) {
            HostKind::Class(class) => Some(class),
            HostKind::Name | HostKind::Never => None,
        }
    }

    /// Whether something bound to this class may dial `other`: its own or a more public one.
    pub fn may_dial(self, other: AddressClass) -> bool {
        other >= self
    }
}

/// What a URL's host tells before anything is resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HostKind {
    /// A name: its addresses are vetted at every dial.
    Name,
    /// A literal address or `localhost`.
    Class(AddressClass),
    /// A literal address that nobody may dial, or no host at all.
    Never,
}

impl HostKind {
    pub(super) fn of(url: &Url) -> Self {
        let class = match url.host() {
            Some(Host::Domain(name)) if is_localhost(name) => Some(AddressClass::Loopback),
            Some(Host::Domain(name)) if !name.is_empty() => return Self::Name,
            Some(Host::Ipv4(address)) => of_v4(address),
            Some(Host::Ipv6(address)) => of_v6(address),
            Some(Host::Domain(_)) | None => None,
        };
        class.map_or(Self::Never, Self::Class)
    }
}

/// Whether a name is `localhost` itself; names below it are ordinary names.
pub(super) fn is_localhost(name: &str) -> bool {
    name.strip_suffix('.').unwrap_or(name).eq_ignore_ascii_case("localhost")
}

fn of_v4(address: Ipv4Addr) -> Option<AddressClass> {
    use AddressClass::{Loopback, Private, Public};
    match address.octets() {
        [0, ..] | [169, 254, ..] | [224..=239, ..] | [255, 255, 255, 255] => None,
        [127, ..] => Some(Loopback),
        [10, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [100, 64..=127, ..] // carrier-grade NAT
        | [192, 0, 0 | 2, _] // protocol assignments, documentation
        | [192, 88, 99, _] // retired 6to4 relays
        | [198, 18 | 19, ..] // benchmarking
        | [198, 51, 100, _] // documentation
        | [203, 0, 113, _] // documentation
        | [240..=255, ..] => Some(Private),
        _ => Some(Public),
    }
}

fn of_v6(address: Ipv6Addr) -> Option<AddressClass> {
    use AddressClass::{Loopback, Private, Public};
    if let Some(mapped) = address.to_ipv4_mapped() {
        return of_v4(mapped);
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => None,
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Loopback),
        [0, 0, 0, 0, 0, 0, high, low] => of_carried(high, low), // IPv4-compatible
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => of_carried(high, low), // NAT64
        [0x2002, high, low, ..] => of_carried(high, low),       // 6to4
        [0xfe80..=0xfebf, ..] | [0xff00..=0xffff, ..] => None,
        [0x2001, 0..=0x1ff, ..] // protocol assignments, Teredo among them
        | [0x2001, 0xdb8, ..] // documentation
        | [0x3fff, 0..=0xfff, ..] => Some(Private), // documentation
        [0x2000..=0x3fff, ..] => Some(Public),
        _ => Some(Private),
    }
}

/// The class of an IPv6 address that carries an IPv4 one over a gateway: there is no way to this
/// computer through a gateway, so a carried loopback address is only a trick.
fn of_carried(high: u16, low: u16) -> Option<AddressClass> {
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    of_v4(Ipv4Addr::new(a, b, c, d)).filter(|class| *class != AddressClass::Loopback)
}

#[cfg(test)]
mod tests {
    use super::*;
    use AddressClass::{Loopback, Private, Public};

    #[test]
    fn every_special_range_has_its_class() {
        let table: &[(&str, Option<AddressClass>)] = &[
            ("1.1.1.1", Some(Public)),
            ("100.63.255.255", Some(Public)),
            ("100.128.0.0", Some(Public)),
            ("172.15.255.255", Some(Public)),
            ("172.32.0.0", Some(Public)),
            ("192.0.1.1", Some(Public)),
            ("198.17.255.255", Some(Public)),
            ("198.20.0.0", Some(Public)),
            ("223.255.255.255", Some(Public)),
            ("127.0.0.1", Some(Loopback)),
            ("127.255.255.254", Some(Loopback)),
            ("10.0.0.1", Some(Private)),
            ("172.16.0.1", Some(Private)),
            ("172.31.255.255", Some(Private)),
            ("192.168.1.1", Some(Private)),
            ("100.64.0.1", Some(Private)),
            ("100.127.255.255", Some(Private)),
            ("192.0.0.170", Some(Private)),
            ("192.0.2.1", Some(Private)),
            ("192.88.99.1", Some(Private)),
            ("198.18.0.1", Some(Private)),
            ("198.19.255.255", Some(Private)),
            ("198.51.100.1", Some(Private)),
            ("203.0.113.1", Some(Private)),
            ("240.0.0.1", Some(Private)),
            ("0.0.0.0", None),
            ("0.1.2.3", None),
            ("169.254.169.254", None),
            ("224.0.0.1", None),
            ("239.255.255.255", None),
            ("255.255.255.255", None),
            ("2606:4700:4700::1111", Some(Public)),
            ("2001:200::1", Some(Public)),
            ("::1", Some(Loopback)),
            ("::ffff:127.0.0.1", Some(Loopback)),
            ("::ffff:10.0.0.1", Some(Private)),
            ("::ffff:1.1.1.1", Some(Public)),
            ("::ffff:169.254.169.254", None),
            ("::ffff:0.0.0.0", None),
            ("::127.0.0.1", None),
            ("::10.0.0.1", Some(Private)),
            ("64:ff9b::1.1.1.1", Some(Public)),
            ("64:ff9b::10.0.0.1", Some(Private)),
            ("64:ff9b::169.254.169.254", None),
            ("64:ff9b::127.0.0.1", None),
            ("64:ff9b:1::1", Some(Private)),
            ("2002:0a00:0001::1", Some(Private)),
            ("2002:7f00:0001::1", None),
            ("2002:0101:0101::1", Some(Public)),
            ("2001:0:1::1", Some(Private)),
            ("2001:db8::1", Some(Private)),
            ("3fff:1::1", Some(Private)),
            ("5f00::1", Some(Private)),
            ("100::1", Some(Private)),
            ("fc00::1", Some(Private)),
            ("fd00:ec2::254", Some(Private)),
            ("fec0::1", Some(Private)),
            ("::", None),
            ("fe80::1", None),
            ("febf::1", None),
            ("ff02::1", None),
        ];
        for (text, class) in table {
            assert_eq!(AddressClass::of_ip(text.parse().expect(text)), *class, "{text}");
        }
    }

    #[test]
    fn hosts_are_judged_however_they_are_spelled() {
        let kind = |url: &str| HostKind::of(&Url::parse(url).expect(url));
        assert_eq!(kind("http://LOCALHOST./"), HostKind::Class(Loopback));
        assert_eq!(kind("http://0x7f.1/"), HostKind::Class(Loopback));
        assert_eq!(kind("http://2130706433/"), HostKind::Class(Loopback));
        assert_eq!(kind("http://0177.0.0.1/"), HostKind::Class(Loopback));
        assert_eq!(kind("http://[::ffff:7f00:1]/"), HostKind::Class(Loopback));
        assert_eq!(kind("http://169.254.169.254/"), HostKind::Never);
        assert_eq!(kind("http://0/"), HostKind::Never);
        assert_eq!(kind("https://localhost.example.com/"), HostKind::Name);
        assert_eq!(kind("https://evil.localhost/"), HostKind::Name);
        assert_eq!(kind("https://mcp.example.com/"), HostKind::Name);
        assert_eq!(kind("mailto:me@example.com"), HostKind::Never);
    }

    #[test]
    fn classes_dial_their_own_and_the_more_public() {
        let all = [Loopback, Private, Public];
        let allowed =
            |from: AddressClass| all.into_iter().filter(|to| from.may_dial(*to)).collect::<Vec<_>>();
        assert_eq!(allowed(Public), [Public]);
        assert_eq!(allowed(Private), [Private, Public]);
        assert_eq!(allowed(Loopback), all);
    }
}
