//! CloudFormation templates as they are written: YAML with its short tags, or JSON. Reads what a template declares, and changes
//! single values in its text, with every other byte left as it was. Pure: no disk, no network, no AWS.

mod artifact;
mod capability;
mod declaration;
mod fault;
mod node;
mod reader;
mod retention;
mod template;
mod transform;

pub use artifact::{Artifact, ArtifactKind, Replacement, local_paths};
pub use declaration::{Output, Parameter, Resource};
pub use fault::Fault;
pub use retention::is_stateful;
pub use template::Template;
