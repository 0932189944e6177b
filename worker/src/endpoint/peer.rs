//! Whose socket the other end of a loopback connection is.

use std::{
    fs,
    net::{SocketAddr, SocketAddrV4},
};

/// User id of the process that connected from `peer` to `own`. `None` when the kernel shows no such connection.
pub(super) fn uid(peer: SocketAddr, own: SocketAddrV4) -> Option<u32> {
    let SocketAddr::V4(peer) = peer else { return None };
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().skip(1).find_map(|line| uid_of(line, peer, own))
}

/// `sl local_address rem_address st tx:rx tr:tm retrnsmt uid …`, addresses in hex as the CPU has them.
fn uid_of(line: &str, local: SocketAddrV4, remote: SocketAddrV4) -> Option<u32> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let is = |field: &str, address| field.eq_ignore_ascii_case(&hex(address));
    if !is(fields.next()?, local) || !is(fields.next()?, remote) {
        return None;
    }
    fields.nth(4)?.parse().ok()
}

fn hex(address: SocketAddrV4) -> String {
    format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_user_of_a_loopback_connection_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let SocketAddr::V4(own) = listener.local_addr().unwrap() else { panic!("not IPv4") };
        let _client = TcpStream::connect(own).unwrap();
        let (_, peer) = listener.accept().unwrap();
        assert_eq!(uid(peer, own), Some(rustix::process::geteuid().as_raw()));
        assert_eq!(uid("127.0.0.1:1".parse().unwrap(), own), None);
    }
}
