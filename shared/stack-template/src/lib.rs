//! CloudFormation templates as they are written: YAML with its short tags, or JSON. Reads what a template declares, and changes
//! single values in its text, with every other byte left as it was. Pure: no disk, no network, no AWS.
