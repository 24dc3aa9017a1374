//! Whose process is at the other end of a connection from this computer (security rules 9 and 10). Linux tells;
//! elsewhere a token, or the `state` of a sign-in, has to do.

use std::net::SocketAddr;

/// Whether a connection may be served at all. Reads files of the system, so it may block.
pub fn is_own(peer: SocketAddr, local: SocketAddr) -> bool {
    peer.ip().is_loopback() && owner::is_own(peer, local)
}

/// Whether a connection comes from another user, who is not the administrator: a relay from another computer or
/// system may run as that. `false` where the system does not tell. Reads files of the system, so it may block.
pub fn is_of_another_user(peer: SocketAddr, local: SocketAddr) -> bool {
    owner::is_of_another_user(peer, local)
}

/// Whether another user's process listens on a port of this computer. `false` where the system
/// does not tell. Reads files of the system, so it may block.
pub fn is_held_by_another_user(port: u16) -> bool {
    owner::is_held_by_another_user(port)
}

#[cfg(target_os = "linux")]
mod owner {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

    const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];
    const LISTEN: &str = "0A";
    const ADMINISTRATOR: u32 = 0;

    /// One line of the kernel's table of TCP sockets.
    #[derive(Debug, PartialEq, Eq)]
    pub(super) struct Socket<'a> {
        pub(super) local: SocketAddr,
        pub(super) remote: SocketAddr,
        pub(super) state: &'a str,
        pub(super) uid: u32,
        /// Whether a process still has it; the uid means nothing otherwise.
        pub(super) is_held: bool,
    }

    pub(super) fn is_own(peer: SocketAddr, local: SocketAddr) -> bool {
        let uid = tables().iter().find_map(|table| uid_of(table, peer, local));
        uid == Some(own_uid())
    }

    pub(super) fn is_of_another_user(peer: SocketAddr, local: SocketAddr) -> bool {
        is_foreign(&tables(), peer, local, own_uid())
    }

    /// A connection that its process has closed again may have been anybody's.
    pub(super) fn is_foreign(
        tables: &[impl AsRef<str>],
        peer: SocketAddr,
        local: SocketAddr,
        own: u32,
    ) -> bool {
        let uid = tables.iter().find_map(|table| uid_of(table.as_ref(), peer, local));
        !tables.is_empty() && uid.is_none_or(|uid| uid != own && uid != ADMINISTRATOR)
    }

    pub(super) fn is_held_by_another_user(port: u16) -> bool {
        tables().iter().any(|table| is_foreign_listener(table, port, own_uid()))
    }

    pub(super) fn uid_of(table: &str, peer: SocketAddr, local: SocketAddr) -> Option<u32> {
        let mut sockets = table.lines().filter_map(parse);
        let found = sockets.find(|socket| socket.is_held && socket.local == peer && socket.remote == local);
        found.map(|socket| socket.uid)
    }

    pub(super) fn is_foreign_listener(table: &str, port: u16, own: u32) -> bool {
        table.lines().filter_map(parse).any(|socket| {
            let is_here = socket.local.ip().is_unspecified() || socket.local.ip().is_loopback();
            socket.state == LISTEN && socket.local.port() == port && is_here && socket.uid != own
        })
    }

    fn parse(line: &str) -> Option<Socket<'_>> {
        let mut fields = line.split_ascii_whitespace();
        let local = address(fields.nth(1)?)?;
        let remote = address(fields.next()?)?;
        let state = fields.next()?;
        let uid = fields.nth(3)?.parse().ok()?;
        let is_held = fields.nth(1)? != "0";
        Some(Socket { local, remote, state, uid, is_held })
    }

    /// `0100007F:1F90`: each group of eight digits is four bytes as the processor keeps them.
    fn address(text: &str) -> Option<SocketAddr> {
        let (address, port) = text.split_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let mut bytes = Vec::with_capacity(16);
        for at in (0..address.len()).step_by(8) {
            let group = u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?;
            bytes.extend(group.to_ne_bytes());
        }
        let ip: IpAddr = match bytes.len() {
            4 => Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into(),
            16 => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical(),
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }

    fn tables() -> Vec<String> {
        TABLES.iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect()
    }

    fn own_uid() -> u32 {
        rustix::process::geteuid().as_raw()
    }
}

#[cfg(not(target_os = "linux"))]
mod owner {
    use std::net::SocketAddr;

    pub(super) fn is_own(_peer: SocketAddr, _local: SocketAddr) -> bool {
        true
    }

    pub(super) fn is_of_another_user(_peer: SocketAddr, _local: SocketAddr) -> bool {
        false
    }

    pub(super) fn is_held_by_another_user(_port: u16) -> bool {
        false
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    /// As an x86 kernel writes it: a listener of root, both ends of a connection to it from user
    /// 1000, one from a dual-stack socket, and one that its process has closed.
    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 0100007F:C001 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 12 1 0 20 0 0 10 -1
   2: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 13 1 0 20 0 0 10 -1
   3: 0000000000000000FFFF00000100007F:C002 0000000000000000FFFF00000100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 14 1 0
   4: 0100007F:C003 0100007F:1F90 05 00000000:00000000 00:00000000 00000000     0        0 0 1 0
";

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_table_is_read() {
        let uid = |port| owner::uid_of(TABLE, at(port), at(0x1F90));
        assert_eq!(uid(0xC001), Some(1000));
        assert_eq!(uid(0xC002), Some(1001), "an IPv6 socket that speaks IPv4");
        assert_eq!(uid(0xC003), None, "nobody has it any more");
        assert_eq!(uid(0xC004), None);
        assert_eq!(owner::uid_of(TABLE, at(0xC001), at(80)), None, "a connection to another port");
        assert_eq!(owner::uid_of("garbage\n1: x y", at(1), at(2)), None);
        assert!(owner::is_foreign_listener(TABLE, 0x1F90, 1000));
        assert!(!owner::is_foreign_listener(TABLE, 0x1F90, 0));
        assert!(!owner::is_foreign_listener(TABLE, 0xC001, 0), "a connection is no listener");
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_sign_in_is_answered_to_its_user_and_the_administrator_alone() {
        let is_foreign = |port, own| owner::is_foreign(&[TABLE], at(port), at(0x1F90), own);
        assert!(!is_foreign(0xC001, 1000));
        assert!(is_foreign(0xC001, 1001) && is_foreign(0xC002, 1000));
        assert!(is_foreign(0xC003, 1000), "whose it was is not known");
        let answer = owner::is_foreign(&[TABLE], at(0x1F90), at(0xC001), 1000);
        assert!(!answer, "the administrator's end");
        assert!(!owner::is_foreign(&[""; 0], at(0xC001), at(0x1F90), 7), "the system does not tell");
    }

    #[test]
    fn our_own_connection_is_ours_and_an_unknown_one_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let local = listener.local_addr().expect("an address");
        let stream = TcpStream::connect(local).expect("connected");
        let peer = stream.local_addr().expect("an address");
        assert!(is_own(peer, local) && !is_of_another_user(peer, local));
        assert!(!is_held_by_another_user(local.port()));
        assert!(!is_own(
            local,
            peer.ip().to_string().parse().map(|ip| SocketAddr::new(ip, 1)).expect("an address")
        ));
        assert!(!is_own(SocketAddr::from(([192, 0, 2, 1], 5)), local));
        drop((stream, listener.accept().expect("accepted")));
    }
}
