//! CloudFormation stacks: shown before they change, followed event by event, and found again after any crash.
