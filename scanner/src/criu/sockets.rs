//! Sockets among the open files.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use cryoscan_proto::{InetSkEntry, NetlinkSkEntry, PacketSockEntry, UnixSkEntry};

/// An IPv4 or IPv6 socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InetSocket {
    /// Inode: in hex the name of its tcp-stream image.
    pub ino: u32,
    /// 2 IPv4, 10 IPv6.
    pub family: u32,
    /// 1 stream, 2 datagram, 3 raw.
    pub socket_type: u32,
    /// Protocol number of IP: 6 TCP, 17 UDP.
    pub proto: u32,
    /// State in TCP's numbers (linux/tcp_states.h): 1 established, 7 closed, 10 listening. A UDP
    /// socket without a peer is 7.
    pub state: u32,
    /// Its own address; `None` when the image gives none that is one.
    pub local: Option<SocketAddr>,
    /// The other side's; `None` when it has none.
    pub remote: Option<SocketAddr>,
    /// The network interface it is bound to.
    pub interface: Option<Vec<u8>>,
    /// Id of the network namespace.
    pub net_ns: Option<u32>,
}

/// A unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixSocket {
    /// Key of sk-queues.img.
    pub id: u32,
    /// Inode.
    pub ino: u32,
    /// 1 stream, 2 datagram, 5 seqpacket.
    pub socket_type: u32,
    /// As [`InetSocket::state`].
    pub state: u32,
    /// Inode of the other end; 0: none.
    pub peer: u32,
    /// Empty; a path; or an abstract name, after a NUL.
    pub name: Vec<u8>,
    /// The folder that a path which is not absolute begins in.
    pub folder: Option<Vec<u8>>,
    /// Whether its path is gone.
    pub deleted: bool,
    /// Id of the network namespace.
    pub net_ns: Option<u32>,
}

/// A socket to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetlinkSocket {
    /// Inode.
    pub ino: u32,
    /// A number of linux/netlink.h: 0 `NETLINK_ROUTE`, 15 `NETLINK_KOBJECT_UEVENT`.
    pub protocol: u32,
    /// As [`InetSocket::state`].
    pub state: u32,
    /// Its own address; often the pid.
    pub port: u32,
    /// Id of the network namespace.
    pub net_ns: Option<u32>,
}

/// A socket that sees packets below IP: for sniffers and DHCP clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketSocket {
    /// 2 datagram, 3 raw.
    pub socket_type: u32,
    /// A number of linux/if_ether.h: 3 all packets.
    pub protocol: u32,
    /// The interface; 0: any.
    pub interface: u32,
    /// Id of the network namespace.
    pub net_ns: Option<u32>,
}

/// The state in the words of ss(8), for the numbers of linux/tcp_states.h.
const STATES: [&str; 12] = [
    "UNKNOWN",
    "ESTAB",
    "SYN-SENT",
    "SYN-RECV",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "TIME-WAIT",
    "UNCONN",
    "CLOSE-WAIT",
    "LAST-ACK",
    "LISTEN",
    "CLOSING",
];

/// A state in the words of ss(8); `UNKNOWN` for a number that is none of linux/tcp_states.h.
pub fn state_name(state: u32) -> &'static str {
    usize::try_from(state).ok().and_then(|state| STATES.get(state)).copied().unwrap_or("UNKNOWN")
}

impl InetSocket {
    /// The protocol in lower case, as ss(8) has it.
    pub fn protocol_name(&self) -> Option<&'static str> {
        Some(match self.proto {
            0 => "ip",
            1 => "icmp",
            6 => "tcp",
            17 => "udp",
            58 => "icmpv6",
            136 => "udplite",
            _ => return None,
        })
    }
}

impl From<&InetSkEntry> for InetSocket {
    fn from(entry: &InetSkEntry) -> Self {
        let remote = address(&entry.dst_addr, entry.dst_port());
        Self {
            ino: entry.ino(),
            family: entry.family(),
            socket_type: entry.r#type(),
            proto: entry.proto(),
            state: entry.state(),
            local: address(&entry.src_addr, entry.src_port()),
            remote: remote.filter(|to| to.port() != 0 || !to.ip().is_unspecified()),
            interface: entry.ifname.clone().filter(|name| !name.is_empty()),
            net_ns: entry.ns_id,
        }
    }
}

impl From<UnixSkEntry> for UnixSocket {
    fn from(entry: UnixSkEntry) -> Self {
        let (id, ino, state, peer) = (entry.id(), entry.ino(), entry.state(), entry.peer());
        let socket_type = entry.r#type();
        let mut name = entry.name.unwrap_or_default();
        // The kernel counts the NUL behind a path as part of the address (unix(7)).
        if name.first() != Some(&0) && name.last() == Some(&0) {
            name.pop();
        }
        let folder = entry.name_dir.filter(|folder| !folder.is_empty());
        let (deleted, net_ns) = (entry.deleted.unwrap_or(false), entry.ns_id);
        Self { id, ino, socket_type, state, peer, name, folder, deleted, net_ns }
    }
}

impl From<NetlinkSkEntry> for NetlinkSocket {
    fn from(entry: NetlinkSkEntry) -> Self {
        Self {
            ino: entry.ino(),
            protocol: entry.protocol(),
            state: entry.state(),
            port: entry.portid(),
            net_ns: entry.ns_id,
        }
    }
}

impl From<PacketSockEntry> for PacketSocket {
    fn from(entry: PacketSockEntry) -> Self {
        Self {
            socket_type: entry.r#type(),
            protocol: entry.protocol(),
            interface: entry.ifindex(),
            net_ns: entry.ns_id,
        }
    }
}

/// Words hold the bytes of the address in network order, read as numbers of a little-endian host.
fn address(words: &[u32], port: u32) -> Option<SocketAddr> {
    let ip = match *words {
        [word] => IpAddr::from(Ipv4Addr::from(word.to_le_bytes())),
        [_, _, _, _] => {
            let mut bytes = [0; 16];
            for (bytes, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
                *bytes = word.to_le_bytes();
            }
            IpAddr::from(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::try_from(port).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(src: &[u32], dst: &[u32], dst_port: u32) -> InetSocket {
        InetSocket::from(&InetSkEntry {
            proto: Some(6),
            state: Some(10),
            src_port: Some(8080),
            dst_port: Some(dst_port),
            src_addr: src.to_vec(),
            dst_addr: dst.to_vec(),
            ..Default::default()
        })
    }

    #[test]
    fn addresses_in_words() {
        let cases = [
            (&[16_777_343][..], Some("127.0.0.1:8080")),
            (&[0], Some("0.0.0.0:8080")),
            (&[0, 0, 0, 16_777_216], Some("[::1]:8080")),
            (&[0x0100_80fe, 0, 0, 0x0200_0000], Some("[fe80:1::2]:8080")),
            (&[0, 0, 0xffff_0000, 16_777_343], Some("127.0.0.1:8080")), // IPv4-mapped.
            (&[], None),
            (&[1, 2], None),
        ];
        for (words, expected) in cases {
            let local = socket(words, &[], 0).local.map(|address| address.to_string());
            assert_eq!(local.as_deref(), expected, "{words:?}");
        }
    }

    #[test]
    fn only_a_connected_socket_has_a_remote_side() {
        assert_eq!(socket(&[0], &[0], 0).remote, None);
        assert_eq!(socket(&[0], &[16_777_343], 70_000).remote, None);
        let connected = socket(&[0], &[16_777_343], 5432);
        assert_eq!(connected.remote.map(|to| to.to_string()).as_deref(), Some("127.0.0.1:5432"));
        assert_eq!(connected.protocol_name(), Some("tcp"));
        assert_eq!(state_name(connected.state), "LISTEN");
    }

    #[test]
    fn states_that_are_none() {
        assert_eq!((state_name(0), state_name(1), state_name(11)), ("UNKNOWN", "ESTAB", "CLOSING"));
        assert_eq!((state_name(12), state_name(u32::MAX)), ("UNKNOWN", "UNKNOWN"));
    }

    #[test]
    fn unix_names() {
        let cases = [
            (&b"/run/app.sock\0"[..], &b"/run/app.sock"[..]),
            (b"/run/app.sock", b"/run/app.sock"),
            (b"\0abstract\0", b"\0abstract\0"), // NULs are part of an abstract name.
            (b"", b""),
        ];
        for (stored, expected) in cases {
            let entry = UnixSkEntry { name: Some(stored.to_vec()), ..Default::default() };
            assert_eq!(UnixSocket::from(entry).name, expected);
        }
    }
}
