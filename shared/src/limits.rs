//! Every bound in one table, with its unit and why.

use std::time::Duration;

/// 128 characters: fits a column of a table and a file name.
pub const NAME_CHARS: usize = 128;
/// 200 characters: a step's name is a short sentence.
pub const STEP_NAME_CHARS: usize = 200;
/// 500 steps: more than a person can read; keeps a process within one transaction.
pub const STEPS: usize = 500;
/// 10,000 variables a project.
pub const VARIABLES: usize = 10_000;
/// 1 MiB: a variable's value; what an operator can still read.
pub const VARIABLE_BYTES: usize = 1 << 20;
/// 64 KiB: an output variable's value.
pub const OUTPUT_BYTES: usize = 64 << 10;
/// 1 MiB: all output variables of one attempt together, so that a result fits one message.
pub const OUTPUTS_BYTES: usize = 1 << 20;
/// 1 MiB: a script's text after substitution.
pub const SCRIPT_BYTES: usize = 1 << 20;
/// 51,200 bytes: what CloudFormation takes as a template's text (AWS CloudFormation quotas, "Template body size in a request").
pub const TEMPLATE_BYTES: usize = 51_200;
/// 1 MB: what CloudFormation takes as a template in S3 (the same page, "Template body size in an Amazon S3 object").
pub const STAGED_TEMPLATE_BYTES: usize = 1_000_000;
/// 200 parameters (the same page).
pub const STACK_PARAMETERS: usize = 200;
/// 128 characters (AWS CloudFormation API, CreateStack, StackName).
pub const STACK_NAME_CHARS: usize = 128;
/// 16,384 bytes (the same page, StackPolicyBody).
pub const STACK_POLICY_BYTES: usize = 16_384;
/// 50 tags (the same page).
pub const STACK_TAGS: usize = 50;
/// 5 topics (the same page, NotificationARNs).
pub const NOTIFICATION_ARNS: usize = 5;
/// 5 alarms (AWS CloudFormation API, RollbackConfiguration).
pub const ROLLBACK_ALARMS: usize = 5;
/// 3 hours: how long alarms may be watched (the same page).
pub const ROLLBACK_MONITORING: Duration = Duration::from_secs(3 * 3600);
/// 4 hours: how long a stack's operation may take to end by itself after its step was cancelled. AWS ends it anyway; only nobody
/// would say how.
pub const STACK_GRACE: Duration = Duration::from_secs(4 * 3600);
/// 1 minute: what an upload has to take back its unfinished parts.
pub const UPLOAD_GRACE: Duration = Duration::from_secs(60);
/// 10,000 files a project, so that its process fits one message.
pub const FILES: usize = 10_000;
/// 10 tags an object (Amazon S3 User Guide, object tagging).
pub const OBJECT_TAGS: usize = 10;
/// 1,024 bytes: an object's key (Amazon S3 User Guide, object keys).
pub const OBJECT_KEY_BYTES: usize = 1024;
/// 5 GiB: one file of a project.
pub const FILE_BYTES: u64 = 5 << 30;
/// 5 GiB: one artifact.
pub const ARTIFACT_BYTES: u64 = 5 << 30;
/// 200 artifacts of one attempt: more belong into an archive.
pub const ARTIFACTS: usize = 200;
/// 255 bytes: an artifact's name; what file systems take as the name of a file.
pub const ARTIFACT_NAME_BYTES: usize = 255;
/// 30 minutes: how long the artifacts of one attempt may be copied on the worker, all of them together.
pub const ARTIFACTS_COPIED_WITHIN: Duration = Duration::from_secs(30 * 60);
/// 100 GiB: all artifacts on the coordinator, unless it is told otherwise.
pub const ARTIFACT_QUOTA_BYTES: u64 = 100 << 30;
/// 90 days: how long artifacts are kept after their deployment ended, unless the coordinator is told otherwise.
pub const ARTIFACT_RETENTION: Duration = Duration::from_secs(90 * 24 * 3600);
/// 256 KiB: one chunk of a file on the wire.
pub const CHUNK_BYTES: usize = 256 << 10;
/// 2 MiB: one gRPC message on the admin and worker listeners.
pub const MESSAGE_BYTES: usize = 2 << 20;
/// 32 KiB: one gRPC message on the join listener, which strangers reach.
pub const JOIN_MESSAGE_BYTES: usize = 32 << 10;
/// 64 KiB: one frame of an event stream; a longer line is cut into several frames, losing nothing.
pub const FRAME_BYTES: usize = 64 << 10;
/// 512 KiB: the frames of one EventBatch.
pub const BATCH_BYTES: usize = 512 << 10;
/// 1 MiB: sent but not acknowledged, per attempt.
pub const UNACKED_BYTES: usize = 1 << 20;
/// 10 further attempts.
pub const RETRIES: u32 = 10;
/// 16 locks a step.
pub const LOCKS: usize = 16;
/// 1 hour: a step's timeout when it names none.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3600);
/// 7 days: the longest timeout.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(7 * 24 * 3600);
/// 10 seconds between TERM and kill.
pub const KILL_GRACE: Duration = Duration::from_secs(10);
/// 4,096 processes and threads of a step that has a user of its own: more than a build needs, and a host lives through as many. A
/// soft limit: a script that needs more says `ulimit -Su`.
pub const STEP_PROCESSES: u64 = 4096;
/// 1 hour: the longest that a script may ask for between TERM and kill.
pub const LONGEST_GRACE: Duration = Duration::from_secs(3600);
/// 24 hours: how long a step that asks a person waits for an answer, unless it says otherwise.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
/// 30 days: the longest that a step may wait for an answer.
pub const LONGEST_ANSWER_TIMEOUT: Duration = Duration::from_secs(30 * 24 * 3600);
/// 16 projects from which a project takes variables.
pub const VARIABLES_FROM: usize = 16;
/// 200 characters of what whoever deploys is asked for a variable.
pub const PROMPT_CHARS: usize = 200;
/// 2,000 characters of what whoever approves should know.
pub const APPROVAL_CHARS: usize = 2000;
/// 32 exit codes after which a step is tried again: more are all of them.
pub const RETRIED_EXIT_CODES: usize = 32;
/// 5 seconds between heartbeats.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// 15 seconds (three heartbeats) without contact: offers are taken back, running steps get a badge.
pub const CONTACT_LOST_AFTER: Duration = Duration::from_secs(15);
/// 5 minutes without contact: granted attempts become unknown.
pub const UNKNOWN_AFTER: Duration = Duration::from_secs(300);
/// 15 minutes: how long a join string is good for, unless asked otherwise.
pub const INVITATION_TTL: Duration = Duration::from_secs(15 * 60);
/// 24 hours: the longest a join string may be good for.
pub const MAX_INVITATION_TTL: Duration = Duration::from_secs(24 * 3600);
/// 24 hours: a worker's certificate.
pub const WORKER_CERTIFICATE_TTL: Duration = Duration::from_secs(24 * 3600);
/// 64 steps at once on one worker.
pub const MAX_SLOTS: u32 = 64;
/// 128 MiB: below this much free disk a worker takes no new step, so that running ones can keep their logs.
pub const DISK_FLOOR_BYTES: u64 = 128 << 20;
/// 4 characters: shorter values are not masked, since they would hide half of every log.
pub const MASKED_CHARS: usize = 4;
/// 4 KiB: the longest piece of a secret that is searched for at once, hence the most that masking holds back of a log.
pub const NEEDLE_BYTES: usize = 4 << 10;
/// 1 KiB: colours of a terminal and ends of lines within a secret, together; masking holds them back with it.
pub const INTERRUPTION_BYTES: usize = 1 << 10;
/// 8 characters: shorter secrets are masked, and also hide words that happen to be the same.
pub const WEAK_SECRET_CHARS: usize = 8;
/// 32 KiB: secrets masked in all their spellings, together. Each byte of them costs some 800 bytes of memory, at the worst
/// four times that; a step has a dozen values of some dozen bytes.
pub const SPELLED_BYTES: usize = 32 << 10;
/// 1 MiB: a text after substitution; as much as a script may have.
pub const EVALUATED_BYTES: usize = 1 << 20;
/// 16 MiB: all values substituted on the way to one text.
pub const SUBSTITUTED_BYTES: usize = 16 << 20;
/// 10 million pieces of text, turns of loops and members of JSON looked at on the way to one text: about a second.
pub const EVALUATED_PIECES: usize = 10_000_000;
/// 1 MiB: what a regular expression takes when it is compiled.
pub const PATTERN_BYTES: usize = 1 << 20;
/// 2 KiB: between `#{` and its `}`; several names within each other.
pub const EXPRESSION_BYTES: usize = 2 << 10;
/// 64 variables within each other: nobody follows more.
pub const EXPRESSION_DEPTH: usize = 64;
/// 100 expressions that could not be evaluated, of one text: more than a person mends at a time.
pub const UNDEFINED: usize = 100;
/// 4 roles on top of one another: nobody follows more.
pub const ASSUMED_ROLES: usize = 4;
/// 1 hour: how long a session lasts when nobody says otherwise.
pub const SESSION: Duration = Duration::from_secs(3600);
/// 15 minutes: the shortest session STS makes (AWS STS API, AssumeRole, DurationSeconds).
pub const SESSION_SHORTEST: Duration = Duration::from_secs(900);
/// 12 hours: the longest (the same page); a role may allow less.
pub const SESSION_LONGEST: Duration = Duration::from_secs(12 * 3600);
/// 1 hour: the longest where a role assumes a role (the same page, "role chaining").
pub const CHAINED_SESSION: Duration = Duration::from_secs(3600);
/// 2,048 characters: a session policy (the same page, Policy).
pub const SESSION_POLICY_CHARS: usize = 2048;
