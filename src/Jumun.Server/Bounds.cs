namespace Jumun.Server;

/// <summary>Every loop, queue and buffer of the server has a bound, and it is named here.</summary>
internal static class Bounds
{
    /// <summary>Commands that may wait for a lane of the executor. One more is answered 503 at once.</summary>
    public const int QueuedCommands = 8_192;

    /// <summary>How long a command may wait for its batch to begin, in seconds. Then it is answered 503: a silent database keeps nobody longer.</summary>
    public const int QueuedSeconds = 10;

    /// <summary>Commands that are settled in one batch.</summary>
    public const int BatchCommands = 512;

    /// <summary>Requests to which the span of a batch links.</summary>
    public const int BatchLinks = 32;

    /// <summary>
    /// How long a batch is taken apart to find those that need a node of a cluster which is away, in milliseconds: then all that is left
    /// of it is answered 503, so that the queue behind it does not wait.
    /// </summary>
    public const int SplitMilliseconds = 1_000;

    /// <summary>How often a batch is settled when other writers are first; the last try is answered 503.</summary>
    public const int BatchTries = 4;

    /// <summary>Longest pause before a batch is tried again, in milliseconds: doubled from try to try, and shortened at random.</summary>
    public const int BatchPauseMilliseconds = 8;

    /// <summary>How long a duplicate under an idempotency key waits for the first request, in milliseconds.</summary>
    public const int DuplicateWaitMilliseconds = 5_000;

    /// <summary>
    /// How long a request beyond the bound on those in work waits for its refusal. Its connection brings no other meanwhile, so
    /// that a crowd of twelve thousand connections costs the shop no more than as many refusals a second.
    /// </summary>
    public const int RefusalMilliseconds = 1_000;

    /// <summary>Requests that come within so many milliseconds wait for their refusal together.</summary>
    public const int SharedPauseMilliseconds = 20;

    /// <summary>
    /// How long the answer takes at most whether the server is ready, in seconds: later it is that it is not. So long those who
    /// ask share one question to the store.
    /// </summary>
    public const int ReadySeconds = 2;

    /// <summary>How often the log tells of a store that is unavailable still, in seconds.</summary>
    public const int OutageLogSeconds = 30;

    /// <summary>How long nothing was refused before an outage counts as over, in seconds.</summary>
    public const int OutageQuietSeconds = 1;

    /// <summary>How long the server drains at shutdown, in seconds.</summary>
    public const int DrainSeconds = 15;

    /// <summary>Connections that may be open at once. One more is closed.</summary>
    public const int Connections = 20_000;

    /// <summary>Largest request body, in bytes.</summary>
    public const int BodyBytes = 64 * 1024;

    /// <summary>Largest total of request headers, in bytes.</summary>
    public const int HeaderBytes = 16 * 1024;

    /// <summary>What is read ahead of one connection, in bytes: a body and the headers of the next request.</summary>
    public const int RequestBufferBytes = 128 * 1024;

    /// <summary>
    /// How fast an answer must be taken, in bytes a second, after five seconds of grace: it is kept in memory until then, and
    /// an hour of a slow reader would be an hour of it.
    /// </summary>
    public const int AnswerBytesPerSecond = 16 * 1024;

    /// <summary>Deepest nesting of a JSON body.</summary>
    public const int JsonDepth = 8;

    /// <summary>Most items of one page of a list.</summary>
    public const int PageItems = 100;

    /// <summary>Items of a page when the client does not say.</summary>
    public const int DefaultPageItems = 20;

    /// <summary>Most lines of the orders of one page, which has fewer orders then, but at least one.</summary>
    public const int PageLines = 1_000;

    /// <summary>Largest buffer for answers that a thread keeps, in bytes.</summary>
    public const int KeptAnswerBytes = 256 * 1024;

    /// <summary>Most days of a list of top products.</summary>
    public const int TopDays = 30;

    /// <summary>
    /// How old a list of top products may get, in milliseconds, or twice the time that it took to read where that is longer. While others
    /// are read, older by a round through all that were asked for.
    /// </summary>
    public const int TopProductsAgeMilliseconds = 500;

    /// <summary>Longest search text, in characters.</summary>
    public const int QueryLength = 200;

    /// <summary>Tokens whose validation is remembered, in each of two generations.</summary>
    public const int RememberedTokens = 131_072;

    /// <summary>Longest bearer token, in characters.</summary>
    public const int TokenLength = 8 * 1024;

    /// <summary>Connections that read a SQLite file at once. A further reader waits.</summary>
    public const int SqliteReaders = 8;

    /// <summary>How long the lock of a file is tried for, in milliseconds: whoever looks whether it is held has it for an instant.</summary>
    public const int LockMilliseconds = 500;

    /// <summary>How long a developer's server waits for another that makes the signing key, in milliseconds.</summary>
    public const int KeyMilliseconds = 10_000;

    /// <summary>Pages of the write-ahead log that wait until they are copied into the file, beside the lane.</summary>
    public const int CheckpointPages = 4_096;

    /// <summary>Pages in the log from which on the lane empties it, when little is left to copy.</summary>
    public const int RestartPages = 16_384;

    /// <summary>What little is, at first: pages that the lane copies itself.</summary>
    public const int CheckpointRestPages = 128;

    /// <summary>Pages in the log from which on the lane waits for a copy that falls behind, and for readers.</summary>
    public const int LogPages = 32_768;

    /// <summary>Size to which the write-ahead log is cut back after a checkpoint that emptied it, in bytes.</summary>
    public const long WalBytes = 128L * 1024 * 1024;

    /// <summary>Connections that read from PostgreSQL at once. A further reader waits.</summary>
    public const int PostgresReaders = 32;

    /// <summary>
    /// From how many commands on, in the last batches of both together, a PostgreSQL of its own is written to by two lanes, unless
    /// <c>Jumun__SecondLaneFrom</c> says another number.
    /// </summary>
    public const int CommandsForTwoLanes = 64;

    /// <summary>How long a connection to PostgreSQL may take, in seconds.</summary>
    public const int PostgresConnectSeconds = 5;

    /// <summary>How long a read or the load of a batch may take on PostgreSQL, in seconds.</summary>
    public const int PostgresReadSeconds = 15;

    /// <summary>How often a read is asked whose connection was lost.</summary>
    public const int PostgresReadTries = 2;

    /// <summary>How long a batch waits for one lock, in milliseconds.</summary>
    public const int PostgresLockMilliseconds = 2_000;

    /// <summary>How long a loaded batch may hold its locks without a word, in milliseconds: a process that stopped holds up the others no longer.</summary>
    public const int PostgresIdleMilliseconds = 5_000;

    /// <summary>How long callers wait for a commit on PostgreSQL, in seconds. The commit itself is never cancelled.</summary>
    public const int PostgresCommitSeconds = 10;

    /// <summary>How long a commit whose outcome was not told is looked up, in seconds.</summary>
    public const int PostgresLookupSeconds = 10;

    /// <summary>How long PostgreSQL waits for a network that is silent, in seconds, before it ends the session and its locks.</summary>
    public const int PostgresSilenceSeconds = 10;

    /// <summary>
    /// Sessions that were given up while they wait, for a standby perhaps: with so many, no further one is opened, so that
    /// PostgreSQL keeps room for others.
    /// </summary>
    public const int PostgresLostSessions = 4;

    /// <summary>How long a migration waits for a table, in milliseconds: everybody else waits behind it.</summary>
    public const int PostgresMigrationLockMilliseconds = 5_000;

    /// <summary>How often batch rows are swept and plans made anew, in seconds.</summary>
    public const int PostgresSweepSeconds = 10;

    /// <summary>How long the row of a batch is kept, in seconds: much longer than its outcome can be in doubt.</summary>
    public const int PostgresBatchSeconds = 600;

    /// <summary>Batch rows that one sweep deletes.</summary>
    public const int SweptBatches = 20_000;

    /// <summary>Keys of each kind whose shards are asked for, to check the shard map.</summary>
    public const int ShardProbes = 32;

    /// <summary>How far this machine's clock may be off the database's, and be set back unnoticed by commands, in milliseconds.</summary>
    public const int ClockMilliseconds = 1_000;

    /// <summary>Counters of a product's sales in an hour: processes share one when their names fall together.</summary>
    public const int SalesSlots = 256;

    /// <summary>Expired orders that one round of the sweep ends.</summary>
    public const int ExpiredOrders = 500;

    /// <summary>Partitions into which members are divided for what processes share: a member is in one of them.</summary>
    public const int Partitions = 64;

    /// <summary>
    /// How long after a process was last heard of its partitions are another's, in seconds: so long a machine may be silent
    /// that vanished from the network and left its session open.
    /// </summary>
    public const int LeaseSeconds = 8;

    /// <summary>The same where its session has ended, as it does at once when the process dies.</summary>
    public const int LeaseOfEndedSeconds = 3;

    /// <summary>Events that the relay hands to the data platform at once.</summary>
    public const int RelayedEvents = 1_000;

    /// <summary>Bytes of events that the relay hands to the data platform at once.</summary>
    public const int DeliveryBytes = 1024 * 1024;

    /// <summary>How long the data platform may take to answer a delivery, in seconds.</summary>
    public const int DeliverySeconds = 10;

    /// <summary>How long a delivery may go on when the server stops, in seconds.</summary>
    public const int LastDeliverySeconds = 5;

    /// <summary>Longest pause before a data platform that takes nothing is asked again, in seconds: doubled from try to try, and varied at random.</summary>
    public const int CircuitPauseSeconds = 10;

    /// <summary>Pause before a data platform that wants no more events (410) is asked again, in seconds.</summary>
    public const int GonePauseSeconds = 300;

    /// <summary>How long a data platform may ask to be left alone, in seconds. If it asks for more, it gets this.</summary>
    public const int RetryAfterSeconds = 600;

    /// <summary>
    /// Events refused one after the other, with nothing taken between, after which the data platform counts as down; and how many are then tried
    /// at once, one by one.
    /// </summary>
    public const int RefusedInRow = 8;

    /// <summary>Members who are held back. Those beyond are passed over whenever they are read, until there is room.</summary>
    public const int HeldMembers = 10_000;

    /// <summary>Longest pause before an event that was refused is tried again, in seconds: doubled from try to try, and varied at random.</summary>
    public const int HeldPauseSeconds = 300;

    /// <summary>Events that were refused before and are tried again in one round, one by one.</summary>
    public const int RetriedEvents = 16;

    /// <summary>How long a connection to the data platform may take, in seconds.</summary>
    public const int ConnectSeconds = 5;

    /// <summary>How long a connection to the data platform is kept, in seconds: then its address is looked up again.</summary>
    public const int ConnectionLifetimeSeconds = 300;

    /// <summary>Bytes of an answer of the data platform that are thrown away to keep a connection; with more, the connection is thrown away.</summary>
    public const int DrainedBytes = 16 * 1024;

    /// <summary>How long such an answer may take, in seconds.</summary>
    public const int DrainedSeconds = 1;

    /// <summary>Events that one replay makes pending again: more than one batch can commit at one moment, so that a range is gone through.</summary>
    public const int ReplayedEvents = 1_000;

    /// <summary>Live streams that one member may have open. One more is answered 429.</summary>
    public const int LiveStreamsOfMember = 4;

    /// <summary>Live streams of all members. One more is answered 503.</summary>
    public const int LiveStreams = 10_000;

    /// <summary>Shortest time between two events of a live stream, in milliseconds.</summary>
    public const int LiveGapMilliseconds = 200;

    /// <summary>How often a row that is watched is read at least, in milliseconds: other processes write it, too.</summary>
    public const int LivePollMilliseconds = 250;

    /// <summary>How often a live stream shows that it is there, in seconds.</summary>
    public const int LiveHeartbeatSeconds = 15;

    /// <summary>Idempotency keys that one commit forgets.</summary>
    public const int ForgottenKeys = 1_000;

    /// <summary>Delivered events that one commit forgets.</summary>
    public const int ForgottenEvents = 250;

    /// <summary>How often the copy of a large table says how far it is, in seconds.</summary>
    public const int CopyTellSeconds = 5;

    /// <summary>Offenders that the audit names for an invariant.</summary>
    public const int AuditOffenders = 10;

    /// <summary>Orders of the shop, and events of the data platform, that are read at once when the two are compared.</summary>
    public const int ReconciledOrders = 2_000;

    /// <summary>How long the data platform may take for one answer when it is compared, in seconds.</summary>
    public const int ReconcileSeconds = 30;

    /// <summary>Largest answer of the data platform that is read when it is compared, in bytes.</summary>
    public const int ReconcileBytes = 4 * 1024 * 1024;

    /// <summary>Seconds of the shop's pulse that are kept one by one.</summary>
    public const int PulseSeconds = 60;

    /// <summary>Beats of <see cref="PulseBeatSeconds"/> that are kept: an hour.</summary>
    public const int PulseHourBeats = 120;

    /// <summary>How long a beat of the hour is, in seconds.</summary>
    public const int PulseBeatSeconds = 30;

    /// <summary>How long the outbox is looked at each second after a collector asked for it, in seconds.</summary>
    public const int BacklogAskedSeconds = 150;

    /// <summary>Events that are counted when the outbox is looked at: beyond, it is so many or more.</summary>
    public const int CountedEvents = 10_000;

    /// <summary>Orders that are looked through for one whose member is not known.</summary>
    public const int SearchedOrders = 50_000;

    /// <summary>How long a browser keeps a session of the console, and a page of it goes on, in hours; less when the token ends before.</summary>
    public const int SessionHours = 8;

    /// <summary>Sign-outs of the console that open pages are told of; the oldest is forgotten.</summary>
    public const int SignOuts = 1_000;

    /// <summary>How long the issuer may take to answer a code, in seconds.</summary>
    public const int IssuerSeconds = 10;

    /// <summary>How long the issuer may take for each document that says what it is and which keys it has, in seconds.</summary>
    public const int IssuerKeysSeconds = 5;

    /// <summary>How long an issuer that could never be reached is not asked again, in seconds.</summary>
    public const int IssuerPauseSeconds = 5;

    /// <summary>
    /// How old what the issuer says of itself may get while tokens are checked, in seconds; up to a twentieth more, so that processes do
    /// not ask together. So long a key counts that the issuer withdrew.
    /// </summary>
    public const int IssuerAgeSeconds = 600;

    /// <summary>Shortest time between two readings of the issuer's keys for keys that are not known, in seconds: anybody may name one.</summary>
    public const int IssuerAskedSeconds = 30;

    /// <summary>How often the log tells of refused sign-ins to the console, in seconds: anybody may try.</summary>
    public const int SignInLogSeconds = 30;

    /// <summary>Consoles whose connection was lost, kept for a while in case it comes back.</summary>
    public const int DisconnectedConsoles = 16;

    /// <summary>How long such a console is kept, in seconds.</summary>
    public const int DisconnectedConsoleSeconds = 60;

    /// <summary>Rows of a page of the console.</summary>
    public const int ConsoleRows = 25;

    /// <summary>Moments of a rush that are kept, one a second.</summary>
    public const int RushSeconds = 120;

    /// <summary>Products and coupons whose last rush is remembered.</summary>
    public const int Rushes = 64;
}
