//! Hosts with networks of their own: Linux network namespaces on one bridge, each with a link to its metadata service at the
//! address where EC2 has it. Needs root and iproute2.

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
    /// Where its metadata service is: across a link, as on EC2, and not on the host itself.
    metadata: String,
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
        let metadata = format!("{name}m");
        ip(&["netns", "add", &name])?;
        ip(&["netns", "add", &metadata])?;
        let namespace = Namespace { name: name.clone(), metadata, link: outside.clone() };
        let host = HostNetwork { namespace: Arc::new(namespace) };
        ip(&["link", "add", &outside, "type", "veth", "peer", "name", &inside, "netns", &name])?;
        ip(&["link", "set", &outside, "master", &self.name, "up"])?;
        let inside_ip = |arguments: &[&str]| ip(&[&["-n", name.as_str()], arguments].concat());
        inside_ip(&["addr", "add", &format!("10.231.{}.{number}/24", self.net), "dev", &inside])?;
        inside_ip(&["link", "set", &inside, "up"])?;
        inside_ip(&["link", "set", "lo", "up"])?;
        host.namespace.link_metadata()?;
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

    /// Name of the host's network namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.namespace.name
    }

    /// Puts an address on the host's own loopback, where no route leads away from it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn put_on_loopback(&self, address: &str) -> Result<()> {
        ip(&["-n", &self.namespace.name, "addr", "add", &format!("{address}/32"), "dev", "lo"])
    }

    /// A listener where EC2 answers for metadata, for this host alone.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen_for_metadata(&self) -> Result<TcpListener> {
        let path = format!("/run/netns/{}", self.namespace.metadata);
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

impl Namespace {
    fn link_metadata(&self) -> Result<()> {
        let (near, far) = ("metadata", "host");
        let (host, service) = (self.name.as_str(), self.metadata.as_str());
        ip(&["-n", host, "link", "add", near, "type", "veth", "peer", "name", far, "netns", service])?;
        ip(&["-n", service, "addr", "add", "10.232.0.2/30", "dev", far])?;
        ip(&["-n", service, "addr", "add", &format!("{METADATA}/32"), "dev", far])?;
        ip(&["-n", service, "link", "set", far, "up"])?;
        ip(&["-n", host, "addr", "add", "10.232.0.1/30", "dev", near])?;
        ip(&["-n", host, "link", "set", near, "up"])?;
        ip(&["-n", host, "route", "add", &format!("{METADATA}/32"), "dev", near])
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Deletes the pairs of links with them.
        for name in [&self.name, &self.metadata] {
            let _ = ip(&["netns", "del", name]);
        }
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
