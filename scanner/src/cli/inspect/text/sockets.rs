//! The sockets, in the manner of ss(8).

use std::collections::BTreeMap;
use std::io;

use super::super::model::{Checkpoint, Socket};
use super::Page;
use super::table::Side::{Left, Right};

/// Processes that are named behind one socket where the page is not verbose.
const OPENERS: usize = 8;

impl Page<'_> {
    /// A line for each socket, listening ones first.
    pub(super) fn sockets(&mut self, checkpoint: &Checkpoint) -> io::Result<()> {
        if checkpoint.sockets.is_empty() {
            return Ok(());
        }
        self.line("")?;
        self.heading("  Sockets".to_owned())?;
        let by_inode: BTreeMap<u32, &Socket> =
            checkpoint.sockets.iter().filter_map(|it| Some((it.inode?, it))).collect();
        let queue = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |it| it.to_string());
        let row = |socket: &Socket| {
            let [local, peer] = self.ends(socket);
            let other = socket.peer.and_then(|peer| by_inode.get(&peer));
            let other = other.map(|other| self.openers(other, checkpoint));
            let peer = match other.filter(|_| socket.family == "unix") {
                Some(who) => format!("{peer} {who}"),
                None => peer,
            };
            [
                net_id(socket).to_owned(),
                socket.state.to_owned(),
                queue(socket.receive_queue),
                queue(socket.send_queue),
                local,
                peer,
                self.openers(socket, checkpoint),
            ]
        };
        let rows: Vec<_> = self.rows(&checkpoint.sockets).iter().map(row).collect();
        let columns = [
            ("NETID", Left),
            ("STATE", Left),
            ("RECV-Q", Right),
            ("SEND-Q", Right),
            ("LOCAL", Left),
            ("PEER", Left),
            ("PROCESS", Left),
        ];
        self.table(columns, &rows)?;
        self.omitted(checkpoint.sockets.len(), "more socket", "more sockets")
    }

    /// `tcp ESTAB 10.0.0.7:43210 → 10.0.0.1:5432`.
    pub(super) fn socket(&self, socket: &Socket) -> String {
        let [local, peer] = self.ends(socket);
        let peer = if peer == "-" { String::new() } else { format!(" → {peer}") };
        format!("{} {} {local}{peer}", net_id(socket), socket.state)
    }

    /// Its own end and the other one.
    fn ends(&self, socket: &Socket) -> [String; 2] {
        let dash = || "-".to_owned();
        let inode = |inode: u32| format!("[{inode}]");
        match socket.family {
            "unix" => {
                let deleted = if socket.deleted { " (deleted)" } else { "" };
                let path = socket.path.as_ref().map(|path| self.safe(path) + deleted);
                let local = path.or_else(|| socket.inode.map(inode)).unwrap_or_else(dash);
                [local, socket.peer.map_or_else(dash, inode)]
            }
            "netlink" | "packet" => {
                let interface = socket.interface.as_ref();
                let interface = interface.map(|it| format!("%{}", self.safe(it)));
                let protocol = socket.protocol.clone().unwrap_or_else(dash);
                [protocol + &interface.unwrap_or_default(), dash()]
            }
            _ => {
                let interface = socket.interface.as_ref();
                let interface = interface.map(|it| format!("%{}", self.safe(it)));
                let end = |end: &Option<_>| end.as_ref().map_or_else(dash, ToString::to_string);
                let local = end(&socket.local) + &interface.unwrap_or_default();
                [local, end(&socket.remote)]
            }
        }
    }

    /// `sh (1, 7)`, the first ones unless all are asked for.
    fn openers(&self, socket: &Socket, checkpoint: &Checkpoint) -> String {
        let mut pids: Vec<u32> = socket.open_by.iter().map(|opener| opener.pid).collect();
        pids.dedup();
        let most = if self.style.verbose { pids.len() } else { OPENERS };
        let shown = pids.get(..most).unwrap_or(&pids);
        let names = self.names(shown, &checkpoint.processes);
        match pids.len() - shown.len() {
            0 if pids.is_empty() => "-".to_owned(),
            0 => names,
            more => format!("{names} and {more} more"),
        }
    }
}

/// The column of that name of ss(8).
fn net_id(socket: &Socket) -> &str {
    match (socket.family, socket.kind, socket.protocol.as_deref()) {
        ("inet" | "inet6", "stream" | "dgram", Some(protocol)) => protocol,
        ("inet" | "inet6", _, _) => "raw",
        ("unix", "stream", _) => "u_str",
        ("unix", "dgram", _) => "u_dgr",
        ("unix", "seqpacket", _) => "u_seq",
        ("netlink", _, _) => "nl",
        ("packet", "dgram", _) => "p_dgr",
        ("packet", _, _) => "p_raw",
        (_, _, _) => "unix",
    }
}
