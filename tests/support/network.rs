//! Hosts with networks of their own: Linux network namespaces on one bridge, each with its metadata service at the address
//! where EC2 has it. Needs root and iproute2.

use std::{
    fs::File,
    net::TcpListener,
    path::Path,
    process::{self, Command},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    thread,
};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where EC2 answers for metadata.
const METADATA: &str = "169.254.169.254";

/// A bridge in this machine's own network that hosts hang on; gone when dropped.
#[derive(Debug)]
pub struct Bridge {
    name: String,
    net: u8,
    next: AtomicU8,
}

/// One host's network; gone with its last copy.
#[derive(Clone, Debug)]
pub struct HostNetwork {
    namespace: Arc<Namespace>,
}

#[derive(Debug)]
struct Namespace {
    name: String,
    link: String,
}

impl Bridge {
    /// Makes a bridge, unless this machine does not let us: then the reason, for a test to print.
    ///
    /// # Errors
    /// When one is allowed but cannot be made.
    pub fn make() -> Result<Result<Self, String>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Err("network namespaces need root".into()));
        }
        if Command::new("ip").arg("-V").output().is_err() {
            return Ok(Err("there is no `ip` on PATH (Debian: apt-get install iproute2)".into()));
        }
        let id = process::id() % 10_000;
        let name = format!("lsbr{id}");
        if let Err(error) = ip(&["link", "add", &name, "type", "bridge"]) {
            return Ok(Err(format!("this machine has no bridges: {error:#}")));
        }
        // Two test processes have different ids, mostly different nets; an address taken twice fails loudly below.
        let bridge = Self { name, net: (id % 200) as u8 + 20, next: AtomicU8::new(2) };
        ip(&["addr", "add", &format!("{}/24", bridge.address()), "dev", &bridge.name])?;
        ip(&["link", "set", &bridge.name, "up"])?;
        Ok(Ok(bridge))
    }

    /// Where this machine is reached from the hosts.
    #[must_use]
    pub fn address(&self) -> String {
        format!("10.231.{}.1", self.net)
    }

    /// Adds a host.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn add_host(&self) -> Result<HostNetwork> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}h{number}", self.name);
        let (outside, inside) = (format!("{}o{number}", self.name), format!("{}i{number}", self.name));
        ip(&["netns", "add", &name])?;
        let host = HostNetwork { namespace: Arc::new(Namespace { name: name.clone(), link: outside.clone() }) };
        ip(&["link", "add", &outside, "type", "veth", "peer", "name", &inside, "netns", &name])?;
        ip(&["link", "set", &outside, "master", &self.name, "up"])?;
        let inside_ip = |arguments: &[&str]| ip(&[&["-n", name.as_str()], arguments].concat());
        inside_ip(&["addr", "add", &format!("10.231.{}.{number}/24", self.net), "dev", &inside])?;
        inside_ip(&["link", "set", &inside, "up"])?;
        inside_ip(&["link", "set", "lo", "up"])?;
        inside_ip(&["addr", "add", &format!("{METADATA}/32"), "dev", "lo"])?;
        Ok(host)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = ip(&["link", "del", &self.name]);
    }
}

impl HostNetwork {
    /// A command that runs on this host.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        // Only the network is another: `ip netns exec` would also hide this machine's control groups.
        command.arg(format!("--net=/run/netns/{}", self.namespace.name)).arg("--").arg(program);
        command
    }

    /// A listener where EC2 answers for metadata, on this host alone.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen_for_metadata(&self) -> Result<TcpListener> {
        let path = format!("/run/netns/{}", self.namespace.name);
        let namespace = File::open(&path).with_context(|| format!("{path} cannot be opened"))?;
        // A thread of its own: this one stays in the network it is in.
        thread::spawn(move || -> Result<TcpListener> {
            move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), Some(LinkNameSpaceType::Network))?;
            TcpListener::bind((METADATA, 80)).with_context(|| format!("{METADATA}:80 cannot be bound"))
        })
        .join()
        .map_err(|_| anyhow!("the thread in the other network ended badly"))?
    }

    /// Cuts the host off.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn cut(&self) -> Result<()> {
        ip(&["link", "set", &self.namespace.link, "down"])
    }

    /// Ends a cut.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn mend(&self) -> Result<()> {
        ip(&["link", "set", &self.namespace.link, "up"])
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Deletes the pair of links with it.
        let _ = ip(&["netns", "del", &self.name]);
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(arguments).output().context("`ip` cannot be run")?;
    ensure!(
        output.status.success(),
        "`ip {}` failed: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
