//! A stable code for every way things go wrong, whose fault it is, and the fault that carries one with its sentence.

use std::fmt;

/// Whose fault it is; decides the gRPC code and the exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blame {
    /// The caller asked for something of the wrong shape.
    Invalid,
    /// The caller named something that is not there.
    NotFound,
    /// The caller wants to make something that is there.
    Exists,
    /// The caller may ask again when things are different.
    Precondition,
    /// The caller did not prove who they are.
    Unauthenticated,
    /// The caller may not.
    Denied,
    /// The caller asks too much or too often.
    Exhausted,
    /// The world: disk, network, AWS.
    Unavailable,
    /// Us.
    Broken,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal, $blame:ident;)*) => {
        /// Why something was refused or failed; the code never changes its meaning.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Reason { $($(#[doc = $doc])* $name,)* }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &[Reason] = &[$(Reason::$name,)*];

            /// The stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Reason::$name => $code,)* }
            }

            /// Whose fault it is.
            #[must_use]
            pub const fn blame(self) -> Blame {
                match self { $(Reason::$name => Blame::$blame,)* }
            }

            /// What it means, in a sentence: what `longshore-coordinator explain` prints.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Reason::$name => concat!($($doc),*).trim_ascii(),)* }
            }
        }
    };
}

reasons! {
    /// A field of the request is missing or has the wrong shape; the sentence names it.
    InvalidArgument = "INVALID_ARGUMENT", Invalid;
    /// A name is empty, longer than 128 characters, or has control characters.
    InvalidName = "INVALID_NAME", Invalid;
    /// A project's process has faults; the sentence lists them all.
    InvalidProject = "INVALID_PROJECT", Invalid;
    /// The access key id has the wrong shape; a temporary one (ASIA…) needs a session token and cannot be stored.
    InvalidAccessKey = "INVALID_ACCESS_KEY", Invalid;
    /// Variables refer to each other in a circle; the sentence shows the chain.
    VariableCycle = "VARIABLE_CYCLE", Invalid;
    /// An expression `#{…}` is wrong in itself: a filter that does not exist or does not fit, a block that is not whole. The sentence
    /// names it.
    ExpressionInvalid = "EXPRESSION_INVALID", Invalid;
    /// No worker took a step within its `queue_timeout`; the sentence says what it waited for.
    QueueTimeout = "QUEUE_TIMEOUT", Precondition;
    /// Nobody answered within the time that a step which asks for its approval waits.
    AnswerTimeout = "ANSWER_TIMEOUT", Precondition;
    /// A person did not let the step begin.
    Rejected = "REJECTED", Precondition;
    /// The step failed, and a person passed it over: the steps after it go on as if it had succeeded.
    Ignored = "IGNORED", Precondition;
    /// The step did its work in the deployment that this one goes on from, and is not run again.
    Carried = "CARRIED", Precondition;
    /// The step asks nothing, or something else than what was answered; `longshore deployment show` says what it asks.
    NothingAsked = "NOTHING_ASKED", Precondition;
    /// A deployment that has not ended, that succeeded, or that was a single command is not retried.
    NothingToRetry = "NOTHING_TO_RETRY", Precondition;
    /// A step said nothing for its `no_output_timeout`, and was ended.
    NoOutput = "NO_OUTPUT", Precondition;
    /// A file is larger than the coordinator stores, or its bytes do not match its digest.
    InvalidFile = "INVALID_FILE", Invalid;
    /// There is no account of that name.
    AccountNotFound = "ACCOUNT_NOT_FOUND", NotFound;
    /// There is no environment of that name.
    EnvironmentNotFound = "ENVIRONMENT_NOT_FOUND", NotFound;
    /// There is no pool of that name.
    PoolNotFound = "POOL_NOT_FOUND", NotFound;
    /// There is no worker of that name or id.
    WorkerNotFound = "WORKER_NOT_FOUND", NotFound;
    /// There is no project of that name.
    ProjectNotFound = "PROJECT_NOT_FOUND", NotFound;
    /// There is no variable of that name and scope.
    VariableNotFound = "VARIABLE_NOT_FOUND", NotFound;
    /// There is no deployment of that id.
    DeploymentNotFound = "DEPLOYMENT_NOT_FOUND", NotFound;
    /// The deployment has no such step or attempt.
    AttemptNotFound = "ATTEMPT_NOT_FOUND", NotFound;
    /// There is no API token of that name.
    TokenNotFound = "TOKEN_NOT_FOUND", NotFound;
    /// The coordinator does not hold that file.
    FileNotFound = "FILE_NOT_FOUND", NotFound;
    /// The deployment has no such artifact.
    ArtifactNotFound = "ARTIFACT_NOT_FOUND", NotFound;
    /// The artifact is not stored: it is on its way, was refused, or was removed after the time for which artifacts are kept.
    ArtifactNotStored = "ARTIFACT_NOT_STORED", Precondition;
    /// The artifacts of all deployments would have more bytes than `--artifact-quota` allows; this one was not taken.
    ArtifactQuota = "ARTIFACT_QUOTA", Exhausted;
    /// An artifact did not arrive as the worker said it is: its bytes changed on the worker's disk.
    ArtifactDamaged = "ARTIFACT_DAMAGED", Precondition;
    /// Something of that name is there.
    AlreadyExists = "ALREADY_EXISTS", Exists;
    /// The request_id was used for another request.
    RequestIdReused = "REQUEST_ID_REUSED", Precondition;
    /// Something still uses it; the sentence says what.
    InUse = "IN_USE", Precondition;
    /// The worker was revoked; only a new invitation brings a host back.
    WorkerRevoked = "WORKER_REVOKED", Denied;
    /// The deployment has ended.
    DeploymentEnded = "DEPLOYMENT_ENDED", Precondition;
    /// A variable that the deployment needs has no value in this environment.
    VariableUnset = "VARIABLE_UNSET", Precondition;
    /// A variable that whoever deploys is asked for was not given, and has no value of its own.
    VariableNotGiven = "VARIABLE_NOT_GIVEN", Precondition;
    /// The project has no steps: it is there for others to take variables from.
    NothingToDeploy = "NOTHING_TO_DEPLOY", Precondition;
    /// A step's account variable names no account in this environment; the worker's own role is never taken instead.
    AccountUnresolved = "ACCOUNT_UNRESOLVED", Precondition;
    /// No attempt of the step waits for a decision.
    NothingToDecide = "NOTHING_TO_DECIDE", Precondition;
    /// Running the step again may mean that two runs of it are at work at once: it must be confirmed with the step's name.
    ConfirmationRequired = "CONFIRMATION_REQUIRED", Precondition;
    /// The coordinator is on hold, since its store may have gone back in time: `longshore hold show` says what is known, and an
    /// admin lifts it with `longshore hold lift`.
    OnHold = "ON_HOLD", Precondition;
    /// The coordinator is not on hold.
    NotOnHold = "NOT_ON_HOLD", Precondition;
    /// Workers may have run something since the state of the store, and nobody has told what: wait for them, or give them up by name.
    WorkersAwaited = "WORKERS_AWAITED", Precondition;
    /// What a step needs does not fit one message to its worker: make its script or its variables smaller.
    StepTooLarge = "STEP_TOO_LARGE", Precondition;
    /// AWS refused an account's keys, or could not be asked; the sentence says who refused and what to check.
    CredentialsRefused = "CREDENTIALS_REFUSED", Precondition;
    /// Credentials of a step ended, and none newer could be had: its calls to AWS fail from then on.
    CredentialsExpired = "CREDENTIALS_EXPIRED", Precondition;
    /// The coordinator could not hand out an account's credentials in time; the step was not started. Deploy again when it is
    /// reachable from the worker.
    CredentialsUnavailable = "CREDENTIALS_UNAVAILABLE", Unavailable;
    /// A role does not let itself be assumed: its trust policy must name the caller and allow sts:AssumeRole, sts:TagSession and
    /// sts:SetSourceIdentity, with this very external id if it demands one. AWS gives the same answer to a wrong external id and
    /// to a role that is not there.
    AssumeRoleRefused = "ASSUME_ROLE_REFUSED", Precondition;
    /// The length of a session is out of range: 15 minutes to what the role allows, 12 hours at most, and 1 hour at most for a role
    /// that is assumed by a role.
    SessionDuration = "SESSION_DURATION", Invalid;
    /// AWS did not take the coordinator's token for a web identity: the provider in IAM must have this issuer's URL and the audience
    /// sts.amazonaws.com, AWS must be able to fetch the issuer's keys, and the role's trust policy must name the token's subject.
    WebIdentityRefused = "WEB_IDENTITY_REFUSED", Precondition;
    /// The account is of kind aws-oidc, and the coordinator was started without an issuer: give it `--oidc-issuer`.
    OidcNotConfigured = "OIDC_NOT_CONFIGURED", Precondition;
    /// Accounts that assume their role on top of one another form a circle; the sentence shows the chain.
    AccountCycle = "ACCOUNT_CYCLE", Invalid;
    /// The account forbids that scripts read its secret key (`expose_keys: false`): use the step's AWS identity instead, or allow
    /// it with `longshore account update`.
    KeysNotExposed = "KEYS_NOT_EXPOSED", Precondition;
    /// Role, region and account are of different AWS partitions (aws, aws-cn, aws-us-gov), which know nothing of each other.
    PartitionMismatch = "PARTITION_MISMATCH", Invalid;
    /// Neither the step, nor its account, nor its worker names an AWS region: set `aws.region` in the step, the account's region, or
    /// `--region` on the worker.
    NoRegion = "NO_REGION", Precondition;
    /// The step expects another AWS account, role or region than the one it would have run with; nothing was started.
    ExpectationNotMet = "EXPECTATION_NOT_MET", Precondition;
    /// The step demands that it cannot reach the instance's metadata, and its worker cannot see to that.
    IsolationRequired = "ISOLATION_REQUIRED", Precondition;
    /// The step's identity is of a kind that its worker does not know: upgrade the worker.
    UnknownIdentity = "UNKNOWN_IDENTITY", Precondition;
    /// The step takes its worker's own role, and there is no instance metadata service: the worker is not on EC2. Run the step on one
    /// that is, give it an account, or tell the worker another source with `--role-source`.
    NotOnEc2 = "NOT_ON_EC2", Precondition;
    /// The instance metadata service drops its answers on the way: the worker runs in a container, and the hop limit is 1. Set
    /// HttpPutResponseHopLimit to 2 in the instance's metadata options.
    ImdsHopLimit = "IMDS_HOP_LIMIT", Precondition;
    /// The instance metadata service is switched off: set HttpEndpoint to enabled in the instance's metadata options.
    ImdsDisabled = "IMDS_DISABLED", Precondition;
    /// The instance metadata service answered with a failure or with something that is no credentials; the sentence has its status.
    ImdsAnswer = "IMDS_ANSWER", Unavailable;
    /// No role is attached to the worker's instance: attach an instance profile with a role, or give the step an account.
    NoInstanceRole = "NO_INSTANCE_ROLE", Precondition;
    /// A role is attached to the worker's instance, and AWS does not let the instance have it: its trust policy must allow
    /// ec2.amazonaws.com to assume it.
    InstanceRoleRefused = "INSTANCE_ROLE_REFUSED", Precondition;
    /// The source that the worker's configuration names for its own role is not there, e.g. no container credentials in its
    /// environment.
    RoleSource = "ROLE_SOURCE", Precondition;
    /// The stack's template cannot be read, or AWS refuses it; the sentence has the place and the reason.
    TemplateInvalid = "TEMPLATE_INVALID", Invalid;
    /// What the stack's template asks for is not there: parameters without a value, values for parameters that it does not declare,
    /// capabilities that the step does not give. The sentence names them all.
    StackInput = "STACK_INPUT", Precondition;
    /// The stack's operation failed, and AWS took back what it could; the sentence names the resource that failed first.
    StackFailed = "STACK_FAILED", Precondition;
    /// The stack is in a state in which AWS allows no update, and nothing of it is deleted by Longshore: the sentence says what to do.
    StackState = "STACK_STATE", Precondition;
    /// Termination protection or a stack policy forbids it.
    StackProtected = "STACK_PROTECTED", Precondition;
    /// The stack, or its change set, was deleted or replaced by somebody else meanwhile.
    StackGone = "STACK_GONE", Precondition;
    /// AWS could not make the change set; the sentence has its reason.
    ChangeSetFailed = "CHANGE_SET_FAILED", Precondition;
    /// The change set is not what was approved, or cannot be applied any more: make a new one, and look at it again.
    ChangeSetChanged = "CHANGE_SET_CHANGED", Precondition;
    /// The template is too large for a request, or names local files: the step needs a bucket to put them into (`staging`).
    StagingNeeded = "STAGING_NEEDED", Precondition;
    /// A local file that the template names cannot be packaged; the sentence names it.
    PackageInvalid = "PACKAGE_INVALID", Precondition;
    /// The stack's operation was ended because the step was cancelled or ran too long; the sentence says what became of it.
    StackCancelled = "STACK_CANCELLED", Precondition;
    /// The step's identity lacks a permission; the sentence names it, and the resource where AWS does.
    PermissionMissing = "PERMISSION_MISSING", Precondition;
    /// Nothing matches what is to be uploaded, or two files would become one object, or a path leads out of the project's folder.
    UploadInvalid = "UPLOAD_INVALID", Precondition;
    /// Some file could not be uploaded; the sentence names each of them.
    UploadFailed = "UPLOAD_FAILED", Precondition;
    /// The bucket is not there, is in another region, or belongs to another AWS account than the step expects.
    BucketRefused = "BUCKET_REFUSED", Precondition;
    /// More objects would be deleted than the step allows (`delete_extraneous.at_most`); none was.
    TooManyDeletions = "TOO_MANY_DELETIONS", Precondition;
    /// What the step needs could not be evaluated; the sentence says what is wrong.
    StepRefused = "STEP_REFUSED", Precondition;
    /// The step's process ended with another exit code than 0; its log says what it was doing.
    ExitCode = "EXIT_CODE", Precondition;
    /// A signal that nobody of Longshore sent ended the step's process: it crashed, ran out of memory, or somebody on the host killed it.
    Signal = "SIGNAL", Precondition;
    /// The step ran longer than its timeout, and all its processes were ended: raise `timeout`, or find out what it waited for.
    TimedOut = "TIMED_OUT", Precondition;
    /// Somebody cancelled the deployment; the step did not start, or all its processes were ended.
    Cancelled = "CANCELLED", Precondition;
    /// The step ended, and some of its processes could not be killed: look for them on the worker, they may still change things.
    ProcessesLeft = "PROCESSES_LEFT", Precondition;
    /// The step set an output variable that cannot be kept; the sentence names it and says why.
    OutputRefused = "OUTPUT_REFUSED", Precondition;
    /// The step's program cannot be executed on its worker: install it there, on the PATH of the agent.
    NotExecutable = "NOT_EXECUTABLE", Precondition;
    /// The worker could not lay out the step's files or open its credential endpoint; the sentence has the system's own words. Nothing
    /// was started.
    NotPrepared = "NOT_PREPARED", Unavailable;
    /// The step has an AWS identity, and its worker had laid no credentials out when it was to start: a fault of Longshore's own,
    /// or somebody emptied the worker's runtime folder.
    CredentialsMissing = "CREDENTIALS_MISSING", Broken;
    /// The worker does not know what the step is to do, or the shell of its script: upgrade the worker.
    Unsupported = "UNSUPPORTED", Precondition;
    /// The worker cannot make the step's folders: make room in its data folder, and check the folder's owner and mode.
    WorkerDisk = "WORKER_DISK", Unavailable;
    /// The step was skipped: its condition is not true, or is about the steps before it, and they ended otherwise.
    Condition = "CONDITION", Precondition;
    /// The step was skipped: it is not for this environment.
    Environment = "ENVIRONMENT", Precondition;
    /// Nobody could tell how the step ended, and a person decided; the sentence says who and why.
    Decided = "DECIDED", Precondition;
    /// Nobody can tell how the step ended: look, then say so with `longshore deployment resolve`.
    NeedsDecision = "NEEDS_DECISION", Precondition;
    /// The step waits: its variables are being evaluated.
    Preparing = "PREPARING", Precondition;
    /// The step waits for its next attempt.
    RetryWait = "RETRY_WAIT", Precondition;
    /// The deployment waits: another one of the same project to the same environment has not ended.
    WaitingForTurn = "WAITING_FOR_TURN", Precondition;
    /// The step waits: its pool has no worker. Invite one with `longshore worker invite`.
    NoWorker = "NO_WORKER", Precondition;
    /// The step waits: no worker of its pool carries the labels that it requires.
    LabelMissing = "LABEL_MISSING", Precondition;
    /// The step waits: no worker of its pool reports the tools that it requires; the sentence has what they report.
    ToolMissing = "TOOL_MISSING", Precondition;
    /// The step waits: no worker of its pool reports the AWS account, role or region that it requires; the sentence has what they report.
    IdentityMissing = "IDENTITY_MISSING", Precondition;
    /// The step waits: every worker that it fits is drained, disabled or revoked.
    WorkersClosed = "WORKERS_CLOSED", Precondition;
    /// The step waits: no worker that it fits is connected.
    NoWorkerConnected = "NO_WORKER_CONNECTED", Precondition;
    /// The step waits: no worker that it fits has enough free disk to keep a log safe.
    DiskLow = "DISK_LOW", Precondition;
    /// The step waits: another one holds a lock that it wants; the sentence says which.
    LockHeld = "LOCK_HELD", Precondition;
    /// The step waits: every worker that it fits is busy.
    Busy = "BUSY", Precondition;
    /// A worker took the test of an account and did not answer in time: `longshore worker show` says how it stands.
    NotAnswered = "NOT_ANSWERED", Unavailable;
    /// A project's file was not uploaded.
    FileMissing = "FILE_MISSING", Precondition;
    /// The attempt is not open on this worker.
    AttemptNotOpen = "ATTEMPT_NOT_OPEN", Precondition;
    /// No protocol version is common to coordinator and worker: upgrade the older of the two.
    ProtocolMismatch = "PROTOCOL_MISMATCH", Precondition;
    /// The caller sent no token or no certificate, or one that nobody knows.
    Unauthenticated = "UNAUTHENTICATED", Unauthenticated;
    /// The token expired.
    TokenExpired = "TOKEN_EXPIRED", Unauthenticated;
    /// The caller's role does not include this call.
    PermissionDenied = "PERMISSION_DENIED", Denied;
    /// The join string was refused; the coordinator's audit log has the true reason.
    JoinRefused = "JOIN_REFUSED", Denied;
    /// The certificate is neither the worker's current nor its next one: another host may hold a copy of its key.
    CertificateNotCurrent = "CERTIFICATE_NOT_CURRENT", Denied;
    /// Too many tries; wait a minute.
    TooManyRequests = "TOO_MANY_REQUESTS", Exhausted;
    /// The coordinator cannot write to its store; nothing was changed. The usual cause is a full disk.
    StoreUnavailable = "STORE_UNAVAILABLE", Unavailable;
    /// The data folder was written by a newer Longshore; start that version, or a newer one.
    StoreTooNew = "STORE_TOO_NEW", Precondition;
    /// The master key file is missing, unfit, or not the one the data folder's secrets were sealed with.
    MasterKey = "MASTER_KEY", Unavailable;
    /// AWS could not be reached, or answered as nothing of AWS does; the sentence names the address and what to check.
    AwsUnavailable = "AWS_UNAVAILABLE", Unavailable;
    /// The certificate that was shown in place of AWS's is not trusted; the sentence names who issued it. If that is your proxy or your
    /// own authority, put its certificate into a PEM file and name that with `--ca-bundle`.
    AwsCertificateNotTrusted = "AWS_CERTIFICATE_NOT_TRUSTED", Unavailable;
    /// AWS asked for fewer calls and kept asking, though the calls were repeated with growing waits.
    AwsThrottled = "AWS_THROTTLED", Unavailable;
    /// AWS refused a call; the sentence has AWS's own code and words.
    AwsRefused = "AWS_REFUSED", Precondition;
    /// The clock of this host and AWS's differ by more than five minutes; the sentence names both. Set the host's clock (NTP).
    ClockSkew = "CLOCK_SKEW", Precondition;
    /// The coordinator is stopping.
    ShuttingDown = "SHUTTING_DOWN", Unavailable;
    /// A fault of Longshore's own; the coordinator's log has more.
    Internal = "INTERNAL", Broken;
}

impl Reason {
    /// The reason with that stable code.
    #[must_use]
    pub fn named(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.code() == code)
    }
}

/// Something went wrong: the code for programs, the sentence for people. The sentence names the thing, what was wrong
/// with it and what to do, and never holds a secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Stable code.
    pub reason: Reason,
    /// For people.
    pub sentence: String,
}

impl Fault {
    /// A fault with its sentence.
    pub fn new(reason: Reason, sentence: impl Into<String>) -> Self {
        Self { reason, sentence: sentence.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Fault {}
