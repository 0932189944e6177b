//! Listens in on what is sent to somebody who speaks in clear.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::{Context, Result};

/// Passes on every byte both ways, and keeps those on the way there.
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    /// Listens on a free port of loopback, before `behind`; until the test ends.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn before(behind: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port to listen in on")?;
        let address = listener.local_addr().context("a listener has no address")?;
        let heard = Arc::<Mutex<Vec<u8>>>::default();
        let (behind, kept) = (behind.to_owned(), Arc::clone(&heard));
        thread::spawn(move || {
            for caller in listener.incoming().map_while(Result::ok) {
                let (behind, kept) = (behind.clone(), Arc::clone(&kept));
                // A connection that breaks ends for both sides, as it would without us.
                thread::spawn(move || relay(&caller, &behind, &kept));
            }
        });
        Ok(Self { address, heard })
    }

    /// For whoever is to be listened to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was sent so far, by all.
    #[must_use]
    pub fn heard(&self) -> String {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&heard).into_owned()
    }
}

fn relay(caller: &TcpStream, behind: &str, heard: &Mutex<Vec<u8>>) -> io::Result<()> {
    let server = TcpStream::connect(behind)?;
    let (answers, back) = (server.try_clone()?, caller.try_clone()?);
    let answering = thread::spawn(move || pass_on(&answers, &back, |_| ()));
    let passed = pass_on(caller, &server, |bytes| {
        heard.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
    });
    let _ = answering.join();
    passed
}

fn pass_on(mut from: &TcpStream, mut to: &TcpStream, hear: impl Fn(&[u8])) -> io::Result<()> {
    let mut buffer = [0; 16 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => return to.shutdown(Shutdown::Write),
            Ok(count) => {
                hear(&buffer[..count]);
                to.write_all(&buffer[..count])?;
            }
        }
    }
}
