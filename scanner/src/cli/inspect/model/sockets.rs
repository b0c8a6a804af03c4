//! Sockets in words: those of ss(8).

use std::fmt;
use std::net::SocketAddr;

use serde::Serialize;

use super::files::text;
use super::table::{Room, Tables};
use crate::criu::{
    FileEntry, InetSocket, NetlinkSocket, PacketSocket, Records, UnixSocket, state_name,
};

/// A socket, whoever has it open.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Socket {
    /// `inet`, `inet6`, `unix`, `netlink`, `packet`.
    pub family: &'static str,
    /// `stream`, `dgram`, `raw`, `seqpacket`, `unknown`.
    pub kind: &'static str,
    /// `tcp`, `udp`, `udplite`, `icmp`, `icmpv6`, or a number; of a netlink socket `route`, `audit` …;
    /// of a packet socket `all` or the EtherType as `0x0800`; `null` of a unix socket.
    pub protocol: Option<String>,
    /// `LISTEN`, `ESTAB`, `UNCONN`, `SYN-SENT`, `SYN-RECV`, `FIN-WAIT-1`, `FIN-WAIT-2`, `TIME-WAIT`,
    /// `CLOSE-WAIT`, `LAST-ACK`, `CLOSING`, `UNKNOWN`.
    pub state: &'static str,
    /// Its own address.
    pub local: Option<Endpoint>,
    /// The other side's.
    pub remote: Option<Endpoint>,
    /// Of a unix socket: its path; `@` stands for NUL, with which an abstract name begins.
    pub path: Option<String>,
    /// Whether that path is gone.
    pub deleted: bool,
    /// Inode; `null` of packet sockets.
    pub inode: Option<u32>,
    /// Of a unix socket: inode of the other end.
    pub peer: Option<u32>,
    /// The network interface it is bound to: a name, or the number of a packet socket's.
    pub interface: Option<String>,
    /// Bytes that the program has not read yet, as far as the checkpoint holds them.
    pub receive_queue: Option<u64>,
    /// Bytes that the other side has not acknowledged yet, as far as the checkpoint holds them.
    pub send_queue: Option<u64>,
    /// Id of its network namespace.
    pub net_ns: Option<u32>,
    /// Who has it open, by pid and descriptor. Nobody: it is under way inside another socket.
    pub open_by: Vec<Opener>,
}

/// An address and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Endpoint {
    /// IPv4 or IPv6 address; an IPv4 address that IPv6 wraps is shown bare.
    pub address: String,
    /// Port; of a raw socket the protocol.
    pub port: u16,
}

/// A descriptor of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Opener {
    /// The process.
    pub pid: u32,
    /// Its descriptor.
    pub fd: u32,
}

impl From<SocketAddr> for Endpoint {
    fn from(from: SocketAddr) -> Self {
        Self { address: from.ip().to_string(), port: from.port() }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.address.contains(':') {
            write!(f, "[{}]:{}", self.address, self.port)
        } else {
            write!(f, "{}:{}", self.address, self.port)
        }
    }
}

impl Socket {
    /// Whether it waits for connections.
    pub fn listens(&self) -> bool {
        self.state == "LISTEN"
    }
}

/// Every socket of a checkpoint, as far as there is room; `tables` knows who has them open.
pub(super) fn sockets(records: &Records, tables: &mut Tables<'_>, room: &mut Room) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for (file_id, file) in &records.files {
        let mut socket = match file {
            FileEntry::Inet(socket) => inet(socket, records),
            FileEntry::Unix(socket) => unix(socket, records),
            FileEntry::Netlink(socket) => netlink(socket),
            FileEntry::Packet(socket) => packet(socket),
            FileEntry::Regular(_)
            | FileEntry::Pipe { .. }
            | FileEntry::Fifo { .. }
            | FileEntry::Memfd { .. }
            | FileEntry::Tty { .. }
            | FileEntry::BpfMap { .. }
            | FileEntry::Other { .. } => continue,
        };
        if room.take::<Socket>(socket.path.as_ref().map_or(0, String::len)).is_none() {
            break;
        }
        socket.open_by = tables.openers(*file_id);
        sockets.push(socket);
    }
    sockets.sort_by(|a, b| (!a.listens(), a).cmp(&(!b.listens(), b)));
    sockets
}

fn inet(from: &InetSocket, records: &Records) -> Socket {
    let queues = records.tcp_queues.get(&from.ino).filter(|_| from.proto == 6);
    let protocol = from.protocol_name().map_or_else(|| from.proto.to_string(), str::to_owned);
    Socket {
        family: if from.family == 10 { "inet6" } else { "inet" },
        kind: kind(from.socket_type),
        protocol: Some(protocol),
        state: state_name(from.state),
        local: from.local.map(Endpoint::from),
        remote: from.remote.map(Endpoint::from),
        inode: Some(from.ino),
        interface: from.interface.as_deref().map(text),
        receive_queue: queues.map(|queues| queues.received.into()),
        send_queue: queues.map(|queues| queues.sent.into()),
        net_ns: from.net_ns,
        ..Socket::default()
    }
}

fn unix(from: &UnixSocket, records: &Records) -> Socket {
    let name = match (from.name.first(), &from.folder) {
        (None, _) => None,
        (Some(0 | b'/'), _) | (_, None) => Some(text(&from.name).replace('\0', "@")),
        (Some(_), Some(folder)) => {
            Some(format!("{}/{}", text(folder).trim_end_matches('/'), text(&from.name)))
        }
    };
    Socket {
        family: "unix",
        kind: kind(from.socket_type),
        state: state_name(from.state),
        path: name,
        deleted: from.deleted,
        inode: Some(from.ino),
        peer: Some(from.peer).filter(|peer| *peer != 0),
        receive_queue: records.unix_queues.get(&from.id).copied(),
        net_ns: from.net_ns,
        ..Socket::default()
    }
}

fn netlink(from: &NetlinkSocket) -> Socket {
    let protocol = match from.protocol {
        0 => "route".to_owned(),
        4 => "sock-diag".to_owned(),
        6 => "xfrm".to_owned(),
        9 => "audit".to_owned(),
        10 => "fib-lookup".to_owned(),
        11 => "connector".to_owned(),
        12 => "netfilter".to_owned(),
        15 => "kobject-uevent".to_owned(),
        16 => "generic".to_owned(),
        other => other.to_string(),
    };
    Socket {
        family: "netlink",
        kind: "raw",
        protocol: Some(protocol),
        state: state_name(from.state),
        inode: Some(from.ino),
        net_ns: from.net_ns,
        ..Socket::default()
    }
}

fn packet(from: &PacketSocket) -> Socket {
    let protocol = match from.protocol {
        3 => "all".to_owned(),
        other => format!("{other:#06x}"),
    };
    Socket {
        family: "packet",
        kind: kind(from.socket_type),
        protocol: Some(protocol),
        state: "UNCONN",
        interface: Some(from.interface).filter(|it| *it != 0).map(|it| it.to_string()),
        net_ns: from.net_ns,
        ..Socket::default()
    }
}

fn kind(number: u32) -> &'static str {
    match number {
        1 => "stream",
        2 => "dgram",
        3 => "raw",
        5 => "seqpacket",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_unix_sockets() {
        let name = |name: &[u8], folder: Option<&[u8]>| {
            let socket = UnixSocket {
                id: 1,
                ino: 2,
                socket_type: 1,
                state: 10,
                peer: 0,
                name: name.to_vec(),
                folder: folder.map(<[u8]>::to_vec),
                deleted: false,
                net_ns: None,
            };
            unix(&socket, &Records::default()).path
        };
        assert_eq!(name(b"", None), None);
        assert_eq!(name(b"/run/a.sock", Some(b"/srv")).as_deref(), Some("/run/a.sock"));
        assert_eq!(name(b"a.sock", Some(b"/srv/")).as_deref(), Some("/srv/a.sock"));
        assert_eq!(name(b"\0bus\0x", None).as_deref(), Some("@bus@x"));
    }
}
