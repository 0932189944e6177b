//! A packet filter: one table of nf_tables, with one chain for what this host sends and one rule an address. Spoken to the
//! kernel directly, since hosts need not have the `nft` program.
//!
//! Message forms are from linux/netlink.h, linux/netfilter/nfnetlink.h and linux/netfilter/nf_tables.h.

use std::{io, net::IpAddr, time::Duration};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, sendto, socket_with,
    sockopt::{Timeout, set_socket_timeout},
};

use crate::step_users::UidRange;

/// 5 seconds: the kernel answers at once, or never.
const PATIENCE: Duration = Duration::from_secs(5);

/// `NFNL_SUBSYS_NFTABLES`, in the upper byte of a message's type.
const SUBSYSTEM: u16 = 10 << 8;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const NEW_TABLE: u16 = SUBSYSTEM;
const DELETE_TABLE: u16 = SUBSYSTEM | 2;
const NEW_CHAIN: u16 = SUBSYSTEM | 3;
const NEW_RULE: u16 = SUBSYSTEM | 6;

/// `NLM_F_REQUEST`, `NLM_F_ACK`, `NLM_F_CREATE`, `NLM_F_APPEND`.
const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;
/// `NLMSG_ERROR`: also an acknowledgement, when its error is 0.
const ERROR: u16 = 2;
/// A netlink message's header, and the nfnetlink header after it.
const HEADER_BYTES: usize = 16;
/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;

/// `NFPROTO_INET`: IPv4 and IPv6 in one table.
const INET: u8 = 1;
/// `NF_INET_LOCAL_OUT`: what processes of this host send.
const LOCAL_OUT: u32 = 3;
/// `NFT_REG_1`.
const REGISTER: u32 = 1;

/// Loads the table for a range, in place of one that is there already, at once for every packet. Touches no other table.
///
/// # Errors
/// Whatever the kernel says.
pub(super) fn load(range: UidRange, addresses: &[IpAddr]) -> io::Result<()> {
    let table = format!("longshore-{range}");
    let mut batch = Batch::default();
    batch.message(BATCH_BEGIN, REQUEST, 0, u16::to_be(SUBSYSTEM >> 8), &[]);
    let name = text(1, &table);
    // Made first, so that there is one to delete.
    batch.message(NEW_TABLE, REQUEST | ACK | CREATE, INET, 0, &name);
    batch.message(DELETE_TABLE, REQUEST | ACK, INET, 0, &name);
    batch.message(NEW_TABLE, REQUEST | ACK | CREATE, INET, 0, &name);
    batch.message(NEW_CHAIN, REQUEST | ACK | CREATE, INET, 0, &chain(&table));
    for address in addresses {
        batch.message(NEW_RULE, REQUEST | ACK | CREATE | APPEND, INET, 0, &rule(&table, range, *address));
    }
    batch.message(BATCH_END, REQUEST, 0, u16::to_be(SUBSYSTEM >> 8), &[]);
    batch.send()
}

/// The chain `output` of type `filter`, before the host's own firewall may accept anything.
fn chain(table: &str) -> Vec<u8> {
    let before_filters: i32 = -1;
    let hook = [number(1, LOCAL_OUT), number(2, before_filters.cast_unsigned())].concat();
    [text(1, table), text(3, "output"), nested(4, &hook), text(7, "filter")].concat()
}

/// `meta nfproto F meta skuid A-B ip daddr X reject with icmpx admin-prohibited`, in the kernel's steps.
fn rule(table: &str, range: UidRange, address: IpAddr) -> Vec<u8> {
    // NFPROTO_IPV4 and NFPROTO_IPV6; where the destination is in the packet's header.
    let (protocol, offset, bytes) = match address {
        IpAddr::V4(address) => (2_u8, 16, address.octets().to_vec()),
        IpAddr::V6(address) => (10, 24, address.octets().to_vec()),
    };
    let length = bytes.len() as u32;
    let steps = [
        // Keys NFT_META_NFPROTO and NFT_META_SKUID.
        expression("meta", &[number(1, REGISTER), number(2, 15)]),
        expression("cmp", &[number(1, REGISTER), number(2, 0), value(3, &[protocol])]),
        expression("meta", &[number(1, REGISTER), number(2, 10)]),
        // Host to network order: ranges are compared byte by byte.
        expression("byteorder", &[number(1, REGISTER), number(2, REGISTER), number(3, 1), number(4, 4), number(5, 4)]),
        expression(
            "range",
            &[
                number(1, REGISTER),
                number(2, 0),
                value(3, &range.first().to_be_bytes()),
                value(4, &range.last().to_be_bytes()),
            ],
        ),
        expression("payload", &[number(1, REGISTER), number(2, 1), number(3, offset), number(4, length)]),
        expression("cmp", &[number(1, REGISTER), number(2, 0), value(3, &bytes)]),
        // NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED.
        expression("reject", &[number(1, 2), attribute(2, &[3])]),
    ];
    [text(1, table), text(2, "output"), nested(4, &steps.concat())].concat()
}

fn expression(name: &str, parts: &[Vec<u8>]) -> Vec<u8> {
    nested(1, &[text(1, name), nested(2, &parts.concat())].concat())
}

fn value(kind: u16, bytes: &[u8]) -> Vec<u8> {
    nested(kind, &attribute(1, bytes))
}

fn number(kind: u16, number: u32) -> Vec<u8> {
    attribute(kind, &number.to_be_bytes())
}

fn text(kind: u16, text: &str) -> Vec<u8> {
    attribute(kind, &[text.as_bytes(), &[0]].concat())
}

fn nested(kind: u16, bytes: &[u8]) -> Vec<u8> {
    attribute(kind | NESTED, bytes)
}

/// Length and kind in host order, then the bytes, padded to four.
fn attribute(kind: u16, bytes: &[u8]) -> Vec<u8> {
    let mut attribute = Vec::with_capacity(bytes.len() + 8);
    attribute.extend(((bytes.len() + 4) as u16).to_ne_bytes());
    attribute.extend(kind.to_ne_bytes());
    attribute.extend(bytes);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

/// Messages that the kernel takes all together or not at all.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    sequence: u32,
    /// Messages that will be acknowledged.
    expected: usize,
}

impl Batch {
    fn message(&mut self, kind: u16, flags: u16, family: u8, resource: u16, attributes: &[u8]) {
        let length = (HEADER_BYTES + 4 + attributes.len()) as u32;
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
        self.bytes.extend(self.sequence.to_ne_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend([family, 0]);
        self.bytes.extend(resource.to_ne_bytes());
        self.bytes.extend(attributes);
        self.sequence += 1;
        self.expected += usize::from(flags & ACK != 0);
    }

    fn send(self) -> io::Result<()> {
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(netlink::NETFILTER))?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        let kernel = netlink::SocketAddrNetlink::new(0, 0);
        sendto(&socket, &self.bytes, SendFlags::empty(), &kernel)?;
        let mut heard = 0;
        while heard < self.expected {
            let mut buffer = vec![0; 64 << 10];
            let (_, length) = recv(&socket, buffer.as_mut_slice(), RecvFlags::empty())?;
            heard += acknowledgements(&buffer[..length])?;
        }
        Ok(())
    }
}

/// How many there are in what the kernel sent.
///
/// # Errors
/// The first error in it.
fn acknowledgements(mut bytes: &[u8]) -> io::Result<usize> {
    let mut count = 0;
    while let Some((header, _)) = bytes.split_at_checked(HEADER_BYTES + 4) {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        if u16::from_ne_bytes([header[4], header[5]]) == ERROR {
            match i32::from_ne_bytes([header[16], header[17], header[18], header[19]]) {
                0 => count += 1,
                code => return Err(io::Error::from_raw_os_error(-code)),
            }
        }
        bytes = bytes.get(length.next_multiple_of(4).max(HEADER_BYTES)..).unwrap_or_default();
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_padded_and_its_length_is_not() {
        assert_eq!(text(1, "ab"), [&7_u16.to_ne_bytes()[..], &1_u16.to_ne_bytes(), b"ab\0\0"].concat());
    }

    #[test]
    fn an_error_of_the_kernel_is_an_error_and_a_zero_is_an_acknowledgement() {
        let message = |code: i32| {
            let mut bytes = vec![0; 36];
            bytes[..4].copy_from_slice(&36_u32.to_ne_bytes());
            bytes[4..6].copy_from_slice(&ERROR.to_ne_bytes());
            bytes[16..20].copy_from_slice(&code.to_ne_bytes());
            bytes
        };
        assert_eq!(acknowledgements(&[message(0), message(0)].concat()).expect("no error"), 2);
        let refused = acknowledgements(&[message(0), message(-1)].concat()).expect_err("EPERM");
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    }
}
