"""Every bound of the chain: its name, its unit, and why it is what it is. One section per package."""

from typing import Final

KIB: Final = 1_024
"""Bytes in a kibibyte."""
MIB: Final = 1_024 * KIB
"""Bytes in a mebibyte."""
GIB: Final = 1_024 * MIB
"""Bytes in a gibibyte."""
NANOS_PER_MS: Final = 1_000_000
"""Nanoseconds in a millisecond."""

# ── store ────────────────────────────────────────────────────────────────────────────────────────────
LMDB_MAP_INITIAL_BYTES: Final = 256 * MIB
"""First size of the memory map; the file is sparse, so a small town pays only for what it wrote."""
LMDB_MAP_MAX_BYTES: Final = 64 * GIB
"""Growth stops here and the node with it: beyond, the operator must decide (prune, larger disk)."""
LMDB_READERS_MAX: Final = 64
"""Read slots: the node itself, and the auditors' tools that may open the same environment."""
LMDB_SCAN_ROWS: Final = 256
"""Rows read under one read transaction: keeps each far below one second, so no page stays pinned."""
LMDB_SCAN_FIRST_ROWS: Final = 4
"""Rows of a scan's first chunk, for most ask for one: the next lot of a wallet, the next item due."""
LMDB_SCAN_GROWTH: Final = 8
"""How much larger each further chunk of a scan is, up to LMDB_SCAN_ROWS."""
LMDB_KEY_MAX_BYTES: Final = 511
"""LMDB's own compiled-in limit; longer event values are indexed by their hash."""
INDEX_VALUE_MAX_BYTES: Final = 128
"""Event values up to this size are searchable as text; longer ones by equality only."""
INDEX_SCAN_MAX_ROWS: Final = 200_000
"""A search that would read more index rows answers an error, never a part of the truth."""
STATE_UNDO_VERSIONS: Final = 128
"""Versions of the application's state that stay queryable (PROTOCOL §4)."""
VALIDATORS_CHECKPOINT_BLOCKS: Final = 1_000
"""A full validator set is written at each change and at each multiple of this: reading an old one costs
at most this many priority increments (CometBFT writes every 100 000 and reads slowly)."""
RETAIN_MIN_BLOCKS: Final = 20_000
"""PROTOCOL §4: evidence counts for so many blocks; a production node keeps at least these."""
RETAIN_MIN_S: Final = 21 * 86_400
"""PROTOCOL §4: and for 21 days, whichever is longer; a light client trusts for 14 only."""
RETAIN_FEWEST_BLOCKS: Final = 2
"""Whatever a test town says: the newest block and the one before, from which a rollback starts."""
PRUNE_HEIGHTS_PER_BLOCK: Final = 8
"""Old heights given up per new one: an operator who switches pruning on late catches up at this pace."""
PRUNE_ROWS_PER_BLOCK: Final = 5_000
"""Rows removed with one block, about 10 ms: a full block's index goes in one or two steps, never in a stall."""
PRUNE_REMEMBERED_BLOCK_BYTES: Final = 64 * KIB
"""A block up to this size is kept in memory between the look at its time and its removal, nine at most."""
WAL_RECORD_MAX_BYTES: Final = 2 * MIB
"""Largest record: a 64 KiB block part with proof, with ample room; CometBFT allows about 1 MiB."""
WAL_FILE_MAX_BYTES: Final = 10 * MIB
"""A segment beyond this is closed at the next finished height (CometBFT `autofile` head size)."""
WAL_SEGMENTS_KEPT: Final = 10
"""Closed segments kept for inquiry; replay never needs more than the last one."""

# ── mempool ──────────────────────────────────────────────────────────────────────────────────────────
MEMPOOL_MAX_TXS: Final = 5_000
"""CometBFT's default; about 100 s of a town's worst load."""
MEMPOOL_MAX_BYTES: Final = 64 * MIB
"""All waiting transactions together; bounds memory whatever their sizes."""
MEMPOOL_TX_MAX_BYTES: Final = 1 * MIB
"""One transaction; the application's own limit is lower and gives the coded refusal."""
MEMPOOL_RECHECK_TXS: Final = 500
"""Waiting transactions looked at again after a block, oldest first: more than a block takes. The rest is judged when
it comes to the front; PrepareProposal drops what became invalid."""
MEMPOOL_CACHE_TXS: Final = 10_000
"""Hashes remembered to answer "already in cache" (CometBFT's default)."""

# ── rpc ──────────────────────────────────────────────────────────────────────────────────────────────
RPC_BODY_MAX_BYTES: Final = 1_000_000
"""CometBFT `max_body_bytes`."""
RPC_BATCH_MAX: Final = 10
"""Requests in one JSON-RPC batch (CometBFT 0.38 `max_request_batch_size`)."""
RPC_PER_PAGE_DEFAULT: Final = 30
"""Rows of a page when the caller names no number (CometBFT)."""
RPC_PER_PAGE_MAX: Final = 100
"""Most rows of a page (CometBFT): an answer stays under about 100 transactions."""
RPC_BLOCKCHAIN_MAX: Final = 20
"""Block metas in one `blockchain` answer."""
RPC_GENESIS_CHUNK_BYTES: Final = 16 * MIB
"""Piece of `genesis_chunked` (CometBFT)."""
RPC_SUBSCRIPTIONS_PER_CLIENT: Final = 5
"""Queries of one websocket (CometBFT `max_subscriptions_per_client`)."""
RPC_CLIENTS_MAX: Final = 100
"""Websockets with a subscription (CometBFT `max_subscription_clients`); the API and its projector hold a few."""
RPC_WEBSOCKETS_MAX: Final = 200
"""Websockets at once, subscribed or not; further ones are turned away with status 503."""
RPC_CLOSE_MS: Final = 1_000
"""How long a stopping node waits for websocket clients to take leave; who does not read is cut then."""
RPC_SUBSCRIBER_BUFFER: Final = 200
"""Events a websocket client may lag behind before its subscription is cancelled."""
RPC_QUERY_MAX_CHARS: Final = 512
"""Length of a search query (CometBFT `MaxQueryLength`)."""
RPC_QUERY_MAX_CONDITIONS: Final = 16
"""Conditions in one query: each reads an index of its own."""
RPC_TX_COMMIT_TIMEOUT_MS: Final = 10_000
"""How long `broadcast_tx_commit` waits for its block."""
RPC_SEARCH_MAX_RESULTS: Final = 10_000
"""Hits a search may have before it answers an error asking for a narrower query."""

# ── node ─────────────────────────────────────────────────────────────────────────────────────────────
EMPTY_BLOCK_INTERVAL_MS: Final = 60_000
"""An idle town's clock tick (PROTOCOL §1)."""
PROOF_BLOCK_DELAY_MS: Final = 5
"""After a block that changed the state: how long a transaction may still come before the proof block."""
PROOF_BLOCK_DELAY_MAX_MS: Final = 1_000
"""PROTOCOL §1: state and results are proved within one second."""
FOLLOWER_WAIT_MAX_MS: Final = 250
"""Longest that a proof block waits for a transaction that is expected to follow, whatever the last block took: a
quarter of the second in which the state must be proved."""
FOLLOWER_GAPS: Final = 3
"""Of so many latest blocks most must have been followed so soon before another transaction is expected."""
TX_BLOCK_SPACING_MS: Final = 25
"""Least time between the starts of transaction blocks: sales of the same moment share a block and its proof,
and the next block proves this one, so no empty one is needed between them. Idle, nobody waits for it."""
LOADED_BLOCK_TXS: Final = 64
"""A transaction block at least this full means load: the next ones wait to be fuller."""
LOADED_BLOCK_SPACING_MS: Final = 250
"""Least time between the starts of transaction blocks under load (PROTOCOL §1)."""
FRUITLESS_RETRY_MS: Final = 1_000
"""Pause before another block for due work, or for transactions of which two blocks running took none."""
TIMEOUT_PROPOSE_MS: Final = 3_000
"""Wait for a proposal in round 0 (CometBFT)."""
TIMEOUT_PROPOSE_DELTA_MS: Final = 500
"""Added per round."""
TIMEOUT_PREVOTE_MS: Final = 1_000
"""Wait for agreeing prevotes once two thirds voted for anything (CometBFT)."""
TIMEOUT_PREVOTE_DELTA_MS: Final = 500
"""Added per round."""
TIMEOUT_PRECOMMIT_MS: Final = 1_000
"""Wait for agreeing precommits once two thirds voted for anything (CometBFT)."""
TIMEOUT_PRECOMMIT_DELTA_MS: Final = 500
"""Added per round."""
TIMEOUT_COMMIT_MS: Final = 1_000
"""Wait for stragglers' precommits after a decision; skipped when all are in."""
TIMEOUT_MAX_MS: Final = 60_000
"""Cap on the growth with rounds: a long halt must not need an hour to heal (tendermint issue 1464)."""
VOTE_TIME_STEP_NS: Final = NANOS_PER_MS
"""A vote is at least this much later than the block it votes for (CometBFT `TimeIotaMs`)."""
LATE_VOTE_HEIGHTS: Final = 16
"""Decided heights whose votes are kept to convict who voted twice: some seconds under load, 2 kB per validator."""
HEIGHT_MAX: Final = 2**63 - 1
"""The largest height there is (int64 on the wire)."""
FUTURE_MESSAGES_MAX: Final = 1_000
"""Messages of the next height kept until this height is decided."""
PART_SETS_MAX: Final = 32
"""Block ids whose parts may be collected at once in one height."""
EARLY_PARTS_MAX: Final = 512
"""Block parts kept for a height before a proposal names their block; 32 MiB at most."""
SLOW_VERIFICATIONS_PER_S: Final = 4
"""Slow signature checks (3.4 ms each) one peer may cause per second, beyond the burst: 1.4 % of a core."""
SLOW_VERIFICATIONS_BURST: Final = 20
"""Edge-case signatures of a whole round of one liar may come through each correct peer at once."""
NEXT_PROPOSAL_ROUNDS_MAX: Final = 16
"""Rounds up to which a proposal of the next height is judged before it starts: each turns the rotation once."""
EVIDENCE_PENDING_MAX: Final = 256
"""Proofs of misbehaviour waiting for a block: one liar can sign any number of conflicting votes, and loses its
power by the first."""
SIGNER_LOOKBACK_BLOCKS: Final = 100
"""Newest commits searched at a start for signatures of ours that the signer state does not know; about 30 ms."""
FAILURE_EXIT_MS: Final = 3_000
"""A failed process that did not end by itself is ended after this."""
FAILURE_WAL_TAIL_RECORDS: Final = 200
"""Records of the log copied into a failure bundle."""

EVIDENCE_PIECES_BURST: Final = 64
"""Pieces of one peer judged at once, refilled by so many a second: a false one costs up to a slow signature check for
each of our validators (3 ms) before its sender is dropped. What is not judged is sent again."""

EVIDENCE_PIECES_PER_S: Final = 8
"""Far above what honest peers have to tell."""

EVIDENCE_EARLY_MAX: Final = 32
"""Pieces about a height that is not decided here yet, kept for one look when it is; the sender repeats what is lost."""

MISBEHAVIOUR_RECORDS_MAX: Final = 64
"""Offences recorded per validator key: the first costs its power, further ones only tell how it went on."""

# --- consensus -----------------------------------------------------------------------------------

CONSENSUS_ROUNDS_AHEAD_MAX: Final = 16
"""Rounds beyond the current one whose messages are all kept. Skipping (L55) closes larger gaps."""

CONSENSUS_FAR_ROUNDS_PER_VALIDATOR_MAX: Final = 2
"""Rounds further ahead in which one validator's votes are kept (its newest ones): enough for f+1
correct validators to pull us to them, too few for a liar to fill memory. CometBFT allows 2 per peer."""

CONSENSUS_SKIP_MAX: Final = 100_000
"""Rounds that one skip (L55) may jump; votes further ahead are not kept. Half a year of failed rounds at the largest
timeouts, so no correct validator is ever further ahead. Each round jumped turns the proposer rotation once (3 µs with
four validators, 16 µs with twenty): a third of the power naming round 2³¹-1 would stop a process for hours."""

CONSENSUS_ROUNDS_BEHIND_MAX: Final = 256
"""Past rounds kept for late decisions (L49); the rounds of our lock, our valid value and of the
proof-of-lock named by a current proposal are kept whatever their age. About half a day of failed
rounds with default timeouts; an older decision is fetched as a block."""

CONSENSUS_PROPOSALS_PER_ROUND_MAX: Final = 4
"""Different proposals kept for one round; only a proposer that equivocates sends a second one."""

CONSENSUS_CLAIMS_PER_TALLY_MAX: Final = 64
"""Peers whose claim of a majority is kept, per round and vote type; more than a node has peers."""

CONSENSUS_BLOCKS_JUDGED_MAX: Final = 64
"""Verdicts kept on blocks nothing names yet; the block is asked for again once something does."""

CONSENSUS_POSTPONED_VOTES_PER_VALIDATOR_MAX: Final = 16
"""Votes of the next height kept per validator: both kinds for eight rounds."""

CONSENSUS_POSTPONED_PROPOSALS_MAX: Final = 4
"""Proposals of the next height kept; the proposer sends them again at its timer."""

# --- town: snapshots -----------------------------------------------------------------------------

SNAPSHOT_CHUNK_BYTES: Final = 256 * KIB
"""Records put into one chunk: some 900 of them, judged in 7 ms, sent beside votes without delaying any."""

SNAPSHOT_CHUNK_MAX_BYTES: Final = 16 * MIB
"""A chunk holding one record larger than that (CometBFT's bound on a chunk message)."""

SNAPSHOT_CHUNKS_MAX: Final = 8_192
"""Chunks of one snapshot: 2 GiB of records, far above what a town of a million accounts holds."""

SNAPSHOT_METADATA_MAX_BYTES: Final = 2 * MIB
"""Hashes of so many chunks and of the subtrees in them, about 130 bytes a chunk."""

SNAPSHOT_MAX_BYTES: Final = 2 * GIB
"""Records of a snapshot, which is held in memory until all of it is proved."""

SNAPSHOT_INTERVAL_BLOCKS: Final = 1_000
"""A snapshot every so many blocks, or daily (PROTOCOL §4)."""

SNAPSHOTS_KEPT: Final = 2
"""Snapshots on disk: who began with the last but one may finish while the newest is there."""

SNAPSHOT_STEP_MS: Final = 5
"""Time given to a snapshot in the making before everybody else gets their turn,"""

SNAPSHOT_PAUSE_MS: Final = 20
"""and the pause after it: a fifth of one core while it lasts."""

SNAPSHOT_SLICE_RECORDS: Final = 256
"""Records looked at before consensus gets its turn: 1 to 3 ms."""

# --- town: loyalty -------------------------------------------------------------------------------

TOWN_RECHECKED_WHOLE: Final = 64
"""Of those, how many the town runs again with their rules, some 10 ms: whatever a proposer passed over is among the
oldest. The others are counted for their signers' quotas, which costs a tenth."""
TOWN_READ_RECORDS: Final = 20_000
"""Committed records kept as bytes after a read: some 10 MB, 60 at most, and more than a busy minute touches."""
TOWN_READ_MAX_BYTES: Final = 2_048
"""Larger records (a journal, a wallet of many lots) are read again: a client asks for as many as it likes."""
TOWN_DECODED_RECORDS: Final = 4_096
"""Decoded records kept per table; forgotten together when full, which costs less than choosing."""
TOWN_DECODED_MAX_BYTES: Final = 2_048
"""Larger records (a wallet of many lots) are decoded again: 4 096 of them would be too much memory."""
LOYALTY_POSITIONS: Final = 128
"""Shops and programmes one wallet may hold points of: its head is read and written whole, 100 bytes each."""

LOYALTY_VERIFIED_CODES: Final = 4_096
"""Signatures of codes whose verdict is kept from the door to the block, some 500 bytes each: a busy minute's."""

LOYALTY_LEGS: Final = 128
"""Lots one operation touches, some 30 us each: more go in parts. A coffee a day is a lot a day."""

LOYALTY_GRACES: Final = 64
"""Lots of grace an earn keeps track of: each late refund in parts makes one more, and a reversal looks at all."""

LOYALTY_CAMPAIGNS: Final = 16
"""Campaigns open at once in a programme: each earn looks at all of them."""

LOYALTY_POOL_MEMBERS: Final = 8
"""Members and invitations of a household pool."""

LOYALTY_EXPIRED_LOTS: Final = 64
"""Expired lots taken out of one wallet per due item at block end: each writes an earn. 200 wallets are
looked at per block."""

LOYALTY_SWEEP_EARNS: Final = 32
"""Earns of a revoked till taken back in one step, in the transaction or per due item at block end: each
writes a wallet, an earn and the shop's totals."""

LOYALTY_OFFLINE_BATCH: Final = 16
"""Notes or codes in one upload of a shop that was without a network: each costs as much as an online earn, some
1.5 ms, so a batch is a twentieth of a block."""

LOYALTY_OFFLINE_NOTE_CHARS: Final = 4_096
"""A signed note of a purchase with 32 item classes, in compact JWS form; refused before decoding."""

LOYALTY_OFFLINE_CLOCK_S: Final = 600
"""How far the clock of a till or phone without a network may be ahead of the block's time when what it dated comes
in, or behind the block that locked an allowance: clocks drift, and nobody looks at a till's."""

LOYALTY_OFFLINE_VERSIONS: Final = 16
"""Versions of a programme looked back for the one in force when a late purchase was made."""

LOYALTY_OFFLINE_LIVE: Final = 8
"""Allowances of one account that are not closed yet: one runs, the others wait for late claims."""

LOYALTY_OFFLINE_SHOPS: Final = 32
"""Shops that may claim of one allowance: its end pays them all in one due item. Nobody shops so far in a day."""

LOYALTY_OFFLINE_SHOP_CLAIMS: Final = 16
"""Payments one shop may claim of one allowance; with the shops, what its end has to forget."""

# --- town: settlement ----------------------------------------------------------------------------

SETTLEMENT_LEGS_PER_STEP: Final = 256
"""Legs of a batch written, or judged for being paid, per due item at block end: each is one record and its leaf,
some 60 us; a town of 80 shops needs one step."""

SETTLEMENT_TOTALS_PER_STEP: Final = 512
"""Issuers' totals counted per due item for the value in circulation: read only, some 5 us each."""

SETTLEMENT_VERSIONS: Final = 256
"""Latest versions of a programme among which the highest value of a point is looked for."""

SETTLEMENT_DROPPED_PER_STEP: Final = 256
"""Pairs and positions of a settled epoch dropped per due item: 80 shops leave up to 6 400."""

SETTLEMENT_KEPT_S: Final = 90 * 86_400
"""How long after the pay date pairs and positions stay: disputes are decided by then, auditors keep the blocks."""

SETTLEMENT_BATCHES_A_YEAR: Final = 400
"""Batches looked at for the value spent in twelve months: one a day and some more."""

# --- codec and crypto ----------------------------------------------------------------------------

CANONICAL_DEPTH_MAX: Final = 32
"""Nesting of objects and arrays in signed JSON; far below the interpreter's own limit, which differs
between machines and would make them disagree."""

GENESIS_SIGNATURES_MAX_BYTES: Final = 64 * KIB
"""Signatures over a recovery genesis: JWS_SIGNERS_MAX lines of 400 characters and the payload."""

JWS_SIGNERS_MAX: Final = 64
"""Signatures of one general JWS: more seats than any council has; bounds the work of one message."""

QR_TEXT_MAX_CHARS: Final = 400
"""Longer than any kind of code planned (361 characters): refused before decoding."""

ICS23_DEPTH_MAX: Final = 128
"""Inner steps of one path when the spec names no other bound (the Go verifier's default)."""

ICS23_BATCH_ENTRIES_MAX: Final = 1_024
"""Entries of one batch proof: bounds the work of a verifier, far above what anything here carries."""

SLIP10_DEPTH_MAX: Final = 10
"""Steps of one derivation path; ours have three."""

# --- light ---------------------------------------------------------------------------------------

LIGHT_CLOCK_DRIFT_MS: Final = 10_000
"""A header may be this far ahead of our clock (CometBFT `defaultMaxClockDrift`)."""

LIGHT_TRUSTING_PERIOD_S: Final = 14 * 86_400
"""PROTOCOL §4: below the 21 days during which misbehaviour is punishable."""

LIGHT_BLOCK_LAG_MS: Final = 10_000
"""A witness that is behind gets this beyond twice the drift to produce a block (CometBFT `defaultMaxBlockLag`)."""

LIGHT_BLOCKS_KEPT: Final = 1_000
"""Verified blocks a light client remembers, the lowest apart (CometBFT `defaultPruningSize`)."""

LIGHT_BUNDLE_MAX_BYTES: Final = 4 * MIB
"""A history record of 10 000 hashes takes 0.6 MB in a proof bundle, a transaction 0.1 MB; the rest is small."""

# --- town: energy --------------------------------------------------------------------------------

ENERGY_FILE_MAX_BYTES: Final = 64 * MIB
"""One imported file: a month of 15-minute steps for a thousand points is about 20 MiB of text."""

ENERGY_MEMBERS_MAX: Final = 200_000
"""Points on one side of an operation; the largest town has fewer meters, and an interval is one list."""

ENERGY_NAME_MAX_CHARS: Final = 64
"""Names of operations, points, contracts and orders; a PRM has 14."""

ENERGY_READING_MAX_WH: Final = 5_000_000
"""Energy of one point in one step: 10 MW, the highest cap in force, for half an hour."""

ENERGY_PRICE_MAX_MICRO_EUR: Final = 100_000_000
"""Price of one kWh, in millionths of a euro: 100 euros, far above any tariff; catches a wrong unit."""

ENERGY_COEFFICIENT_DECIMALS_MAX: Final = 9
"""Decimals of a percentage in a coefficient file: beyond, one unit is less than 1 Wh of any plant."""

ENERGY_DAY_STEPS_MAX: Final = 100
"""Steps of a local day: 25 hours of quarter hours when clocks go back."""

ENERGY_POINTS_PER_MEMBER_MAX: Final = 16
"""Points one request to join may bring: a town hall's buildings come in several requests."""

ENERGY_POINTS_HELD_MAX: Final = 64
"""Points of one member in one operation: leaving ends them all in one transaction."""

ENERGY_PEAK_MAX_W: Final = 100_000_000
"""Peak power of one plant: 100 MW, ten times the highest cap; catches a wrong unit."""

ENERGY_ROSTER_CHANGES_MAX: Final = 400
"""Days on which an operation's number of points changes, kept in one record: over a year of daily changes."""

ENERGY_TERMS_KEPT: Final = 64
"""Versions of an operation's terms that days may still be measured under; five years of monthly keys."""

ENERGY_RANGE_DAYS_MAX: Final = 31
"""Days one report or reconciliation covers: the grid operator's files are monthly."""

ENERGY_EFFECT_DAYS_MAX: Final = 366
"""How far ahead an admission, a departure, new terms or a contract may be dated."""

ENERGY_CHALLENGES_OPEN_MAX: Final = 64
"""Challenges of one day that wait for a verdict: a witness answers each by hand, then others may come."""

ENERGY_ORDERS_PER_STEP_MAX: Final = 10_000
"""Orders in the book of one step: clearing so many takes some 10 ms."""

ENERGY_ORDERS_PER_ACCOUNT_MAX: Final = 8
"""Orders of one account for one step: a few price levels each way."""

ENERGY_ORDER_AHEAD_S: Final = 8 * 86_400
"""How early an order may come: a week and a day before its step."""

ENERGY_ORDERS_DROPPED_PER_STEP: Final = 64
"""Old orders removed by one item of due work, about 3 ms."""

ENERGY_ORDERS_KEPT_S: Final = 90 * 86_400
"""Order commitments go so long after their step: beyond challenges and the monthly statement."""

ENERGY_WITNESSES_MAX: Final = 16
"""Bodies that sign the same day; one is needed."""

ENERGY_CONTRACT_MAX_BYTES: Final = 64 * KIB
"""One contract document: a price for each hour of the week and 32 legal references fit twice."""

ENERGY_CREDITS_PER_TX_MAX: Final = 128
"""Accounts credited by one transaction; a larger operation sends several."""

ENERGY_PARTS_PER_TRANSFER_MAX: Final = 16
"""Lots drawn on by one transfer of KWHC: a year's months and a few more."""

# --- p2p -----------------------------------------------------------------------------------------

P2P_NODE_INFO_MAX_BYTES: Final = 10 * KIB
"""CometBFT `MaxNodeInfoSize`."""

P2P_KEEP_ALIVE_MAX_BYTES: Final = 64
"""A ping or a pong is two bytes."""

P2P_STATE_MAX_BYTES: Final = 4 * KIB
"""Steps, claims and bit arrays: 1 601 parts are 200 bytes, 10 000 validators 1.3 kB."""

P2P_DATA_MAX_BYTES: Final = 96 * KIB
"""A block part of 64 KiB with its proof (11 hashes for the largest block), or a proposal."""

P2P_VOTE_MAX_BYTES: Final = 2 * KIB
"""A vote is about 200 bytes; extensions are not used."""

P2P_MEMPOOL_MAX_BYTES: Final = MEMPOOL_TX_MAX_BYTES + 64
"""One transaction of the largest size with its frame; smaller ones travel together."""

P2P_EVIDENCE_MAX_BYTES: Final = 1 * MIB
"""Default of `evidence.max_bytes`: more does not fit into a block either."""

P2P_BLOCKSYNC_MAX_BYTES: Final = 24 * MIB
"""A block of the default `block.max_bytes` (21 MiB) with its commit."""

P2P_SNAPSHOT_MAX_BYTES: Final = 4_000_000
"""One offer with its metadata (CometBFT `snapshotMsgSize`)."""

P2P_CHUNK_MAX_BYTES: Final = SNAPSHOT_CHUNK_MAX_BYTES + 64
"""One chunk with its frame."""

P2P_LIGHT_BLOCK_MAX_BYTES: Final = 4 * MIB
"""Header, commit and set: 230 bytes a validator, and 10 000 of them are more than a commit may hold."""

P2P_PARAMS_MAX_BYTES: Final = 4 * KIB
"""Consensus parameters are about 60 bytes."""

P2P_PEERS_MAX: Final = 64
"""Peers at once: 20 validators and as many full nodes, twice."""

CITY_NODES_MAX: Final = P2P_PEERS_MAX
"""Nodes on the town's registry: each of them finds room at every other."""

CITY_NODES_PER_BODY_MAX: Final = 8
"""One body cannot fill the registry: a validator, its spare, archives and read-only nodes are fewer."""

P2P_HANDSHAKES_MAX: Final = 32
"""Connections that have not said who they are, from hosts of peers, and as many from elsewhere; further ones are
closed at once. With P2P_HANDSHAKE_MS this bounds what a stranger can hold open."""

P2P_HANDSHAKE_MS: Final = 3_000
"""TLS handshake, and again the node info after it: a peer on another continent needs under one second."""

P2P_CONNECT_MS: Final = 3_000
"""Waiting for a peer's address to answer at all."""

P2P_ACCEPT_PAUSE_MS: Final = 100
"""Pause of the listener after an accept failed, most likely for want of file descriptors."""

P2P_RECONNECT_FIRST_MS: Final = 100
"""First pause before dialling again; doubled up to the longest, each time half to all of it by chance."""

P2P_RECONNECT_MAX_MS: Final = 3_000
"""Longest pause: a peer that comes back is reached within this, for ever."""

P2P_QUEUE_MAX_BYTES: Final = 32 * MIB
"""Waiting for one peer to read; beyond it the oldest messages go (all are sent again by their senders)."""

P2P_WRITE_BUFFER_BYTES: Final = 256 * KIB
"""What the connection itself may hold before messages wait in the queue, where they can be dropped whole."""

P2P_MESSAGE_OVERHEAD_BYTES: Final = 128
"""What a waiting message costs beside its bytes: empty ones are not free."""

P2P_INBOX_MAX_BYTES: Final = 8 * MIB
"""Received from one peer and not handled yet; beyond it we stop reading from it until half is handled."""

P2P_STALLED_MS: Final = 20_000
"""A peer that read nothing of what waits for it for so long is dropped."""

P2P_PING_MS: Final = 5_000
"""Silence after which a peer is asked whether it is there."""

P2P_SILENT_MS: Final = 20_000
"""Without a whole message for so long (pings are answered), a connection is dead: half-open, or one byte at a time."""

P2P_URGENT_SLICE: Final = 64
"""Urgent messages handled before other callbacks of the node get their turn."""

# --- sync ----------------------------------------------------------------------------------------

SYNC_WINDOW_BLOCKS: Final = 64
"""Blocks asked for or held beyond the last one applied: enough to keep several peers busy over 100 ms."""

SYNC_PROBE_BLOCKS: Final = 2
"""Window while consensus runs: the next block and the one that carries its commit."""

SYNC_PEER_REQUESTS: Final = 16
"""Blocks asked of one peer and not yet answered (CometBFT: 20)."""

SYNC_BUFFER_BYTES: Final = 64 * MIB
"""Blocks held for their turn; the next two are kept whatever their size, or nothing would move."""

SYNC_PEER_TIMEOUT_MS: Final = 5_000
"""A peer asked for blocks that brings none for so long is given up (CometBFT waits 15 s)."""

SYNC_REQUEST_TIMEOUT_MS: Final = 15_000
"""One block may take so long from a peer that brings others meanwhile."""

SYNC_HEDGE_MS: Final = 1_500
"""The two blocks everything waits for are asked of one more peer after this."""

SYNC_STALL_MS: Final = 2_000
"""Without a block for so long, with a peer that is no further than we are, consensus goes on: a claim alone
must not keep a validator from voting."""

SYNC_LAG_PATIENCE_MS: Final = 3_000
"""Consensus gets this long to close a gap of one block by itself before the block is asked for."""

SYNC_STATUS_MS: Final = 2_000
"""Between two questions to all peers how far they are (CometBFT: 10 s): a node that lost touch notices soon."""

SYNC_STATUS_WAIT_MS: Final = 1_000
"""How long a new peer's first answer is awaited before the others' decide."""

SYNC_STRANDED_LOG_MS: Final = 60_000
"""Between two complaints that every peer has pruned what this node needs."""

SYNC_GRACE_MS: Final = 3_000
"""How long a start waits for any peer at all; then consensus begins with whoever comes."""

SYNC_TICK_MS: Final = 250
"""Between two looks at deadlines."""

SYNC_LIE_BAN_MS: Final = 600_000
"""A peer whose block or commit was proved wrong is not asked again for ten minutes."""

SYNC_SILENT_BAN_MS: Final = 60_000
"""A silent peer may only be slow or cut off: one minute."""

SYNC_NO_BLOCK_STRIKES: Final = 3
"""Refusals of blocks that a peer's own status promised; pruning explains one, hardly three in a row."""

SYNC_UNASKED_STRIKES: Final = 8
"""Blocks nobody asked for, before their sender counts as a liar."""

SYNC_APPLIED_PER_TURN: Final = 4
"""Blocks applied before the event loop turns: RPC clients wait some 20 ms at most while the node catches up."""

SYNC_SERVE_QUEUE: Final = 32
"""Questions of one peer waiting for their answer, twice what a correct peer has open; more are dropped."""

SYNC_SERVE_REQUESTS_PER_S: Final = 500
"""Answers to one peer: about 10 % of a core at 0.2 ms each, and faster than a node can apply."""

SYNC_SERVE_BYTES_PER_S: Final = 16 * MIB
"""Blocks to one peer: leaves the line to consensus."""

SYNC_SERVED_PER_TURN: Final = 8
"""Answers before the event loop turns, one per peer in rotation: consensus never waits for a reader."""

SYNC_SEND_QUEUE_BYTES: Final = 256 * KIB
"""With more waiting for a peer no further block is queued for it: its votes would come late or be dropped."""

SYNC_SERVE_RETRY_MS: Final = 20
"""Pause when a peer's line is full or its allowance is spent."""

# --- state sync ----------------------------------------------------------------------------------

STATESYNC_TICK_MS: Final = 100
"""Between two looks at deadlines."""

STATESYNC_DISCOVERY_MS: Final = 15_000
"""How long offers are gathered before one is tried (CometBFT `discovery_time`)."""

STATESYNC_CHUNK_TIMEOUT_MS: Final = 10_000
"""A chunk is asked of another peer after this (CometBFT: `chunk_request_timeout`)."""

STATESYNC_CHUNK_FETCHERS: Final = 4
"""Chunks asked for at once (CometBFT `chunk_fetchers`)."""

STATESYNC_ANSWER_MS: Final = 5_000
"""A light block, parameters or a block may take so long."""

STATESYNC_RETRY_MS: Final = 5_000
"""A snapshot whose next header does not exist yet is tried again after this: an idle town ticks once a minute."""

STATESYNC_OFFERS_PER_PEER: Final = 10
"""Snapshots one peer may offer (CometBFT `recentSnapshots`)."""

STATESYNC_OFFER_BYTES_PER_PEER: Final = 4 * MIB
"""Metadata kept of one peer's offers."""

STATESYNC_UNASKED_STRIKES: Final = 8
"""Messages nobody asked for, before their sender is dropped."""

STATESYNC_BACKFILL_WINDOW: Final = 64
"""Headers asked for at once below a restored snapshot, of all peers together."""

STATESYNC_BACKFILL_BATCH: Final = 256
"""Headers written at once: one durable write each would take longer than fetching them."""

STATESYNC_WITNESSES_MAX: Final = 4
"""Peers that a header is compared with; more would only take longer."""

STATESYNC_SERVE_QUEUE: Final = 64
"""Questions of one peer waiting for their answer; more are dropped."""

# --- gossip (chain.node) -------------------------------------------------------------------------

GOSSIP_TICK_MS: Final = 200
"""How often a node looks whether something must be sent again. A height in good health is over before."""

GOSSIP_RESEND_TICKS: Final = 5
"""A height that stands still is sent again at ticks 1, 2, 4 and then every so many: once a second."""

GOSSIP_STATUS_TICKS: Final = 10
"""An idle node says where it stands every 2 s, so that who missed a whole height learns of it."""

GOSSIP_STATUS_SPACING_MS: Final = 100
"""A node that nobody is ahead of says at most so often that a height ended: a third of all messages of a busy town
said nothing else. Who lags says it at once, and is served for it."""

GOSSIP_OLD_VOTES_PER_TICK: Final = 64
"""Votes of rounds that are over, sent again a slice at a time: after a long halt there are thousands."""

GOSSIP_PART_WAIT_MS: Final = 50
"""Parts of a block just named are usually on their way; after this they are asked for."""

GOSSIP_SERVE_MIN_MS: Final = 100
"""The same block or commit is not served to the same peer more often."""

GOSSIP_SERVES_BURST: Final = 64
"""Commits and blocks served to one peer at once; refilled by so many a second:"""

GOSSIP_SERVES_PER_S: Final = 32
"""Far above what a peer at the tip needs; a longer gap is block sync's."""

GOSSIP_SERVE_BURST_BYTES: Final = 32 * MIB
"""Parts served to one peer at once: one block of the largest size; refilled by so many a second:"""

GOSSIP_SERVE_BYTES_PER_S: Final = 8 * MIB
"""A peer that asks for large blocks over and over takes no more of us than this."""

GOSSIP_TX_BATCH_MS: Final = 5
"""Transactions that come within this travel together; the first after a pause leaves at once."""

GOSSIP_TX_RELAY_MS: Final = 1_000
"""A transaction heard from a peer and still waiting after this is passed on: its origin may not reach everybody."""

GOSSIP_TX_RELAYS_MAX: Final = 5_000
"""Transactions noted for that; as many as the pool holds."""

GOSSIP_TXS_PER_MESSAGE_MAX: Final = 5_000
"""More transactions in one message than a pool holds are a fault."""

GOSSIP_TX_INBOX_MAX: Final = 10_000
"""Transactions from peers that wait for CheckTx; further ones are dropped (their origin keeps them)."""

GOSSIP_TX_SLICE_MS: Final = 3
"""Time given to CheckTx of peers' transactions before votes get their turn."""

# --- votes -----------------------------------------------------------------------------------------

VOTES_QUESTIONS_MAX: Final = 64
"""Questions of one election: a majority judgment has one per candidate."""

VOTES_ANSWERS_MAX: Final = 128
"""Answers of one question, and the largest sum asked: each costs two ciphertexts' worth of proofs."""

VOTES_RULES_MAX_BYTES: Final = 64 * KIB
"""A rulebook: 64 items with their choices' names; it is read by phones."""

VOTES_LABEL_CHARS_MAX: Final = 400
"""A title, a choice's or a grade's name: a screen of a phone."""

VOTES_POINTS_MAX: Final = 1_000
"""Points of a grade: times a million voters it stays far below 2^53."""

VOTES_COST_CENTS_MAX: Final = 100_000_000_000
"""Envelope of a participatory budget: a thousand million euros."""

VOTES_TRUSTEES_MAX: Final = 64
"""Trustees of one election; a threshold ceremony checks trustees x threshold powers."""

VOTES_RECORD_MAX_BYTES: Final = 64 * MIB
"""One record of an archive: the credentials of 100 000 voters on BELENIOS-2048."""

VOTES_BALLOT_MAX_BYTES: Final = 160 * KIB
"""A ballot or a partial decryption on the chain: 100 choices on BELENIOS-2048, fitting into one transaction."""

VOTES_BALLOT_MAX_GAS_US: Final = 250_000
"""Worst cost of judging one ballot of an election: half of what one block may cost. Larger elections are refused."""

VOTES_CEREMONY_TRUSTEES_MAX: Final = 9
"""Trustees of an election of the town: the last step of their ceremony checks trustees x threshold powers at once."""

VOTES_REGISTRARS_MAX: Final = 13
"""Registrars of an election: f = 4. Each request carries a value of 512 characters for every one."""

VOTES_STATIONS_MAX: Final = 64
"""Stations (times weight classes) of one election: each has a key of every registrar."""

VOTES_SIGNED_PER_TX_MAX: Final = 64
"""Blind signatures one registrar gives in a transaction: 36 kB, 40 ms of checks."""

VOTES_CREDENTIALS_MAX: Final = 100_000
"""Credentials of one election, as `VOTES_RECORD_MAX_BYTES` allows; the weights of all may sum to ten times that."""

VOTES_WEIGHT_MAX: Final = 1_000_000
"""Sum of the weights of all who may vote: counting takes its square root in steps per choice."""

VOTES_STEP_CREDENTIALS: Final = 1_000
"""Credentials put into the sealed list at one block end."""

VOTES_STEP_CELLS: Final = 8
"""Choices whose votes are computed at one block end."""

VOTES_STEP_PURGED: Final = 500
"""Records dropped at one block end once appeals are over."""

VOTES_VERDICTS_KEPT: Final = 65_536
"""Ballots whose verdict a node remembers from CheckTx to decision: 10 MB at most."""

VOTES_DOUBTS_MAX: Final = 10_000
"""Credentials a node lets wait after a ballot of false proofs; getting there cost it 10 to 100 ms each."""

JUDGES_MAX: Final = 4
"""Processes that judge ballots, never more than cores: more than four would wait for the one that executes."""

JUDGES_QUEUE_GAS_US: Final = 8_000_000
"""Worst cost of the ballots that wait for a judge: four seconds of two cores, after which clients ask another node."""

JUDGES_WAITING_MAX: Final = 4_096
"""Callers that wait for a finding: every peer may bring the same ballot."""

JUDGES_WAITING_PER_BALLOT_MAX: Final = 16
"""Callers with other ballots of the same credential behind one that is being judged: a voter casts one at a time."""

JUDGES_JOB_MAX_S: Final = 30
"""A judge that is silent for longer is killed: a hundred times the dearest ballot, for machines without gmpy2."""

JUDGES_BLOCK_WAIT_MS: Final = 500
"""Silence of all judges after which a block's last ballots are judged where the block is executed."""

JUDGES_FAILURES_MAX: Final = 3
"""Judges that die one after the other before the node does without for a while."""

JUDGES_RETRY_S: Final = 60
"""That while."""

JUDGES_IDLE_S: Final = 600
"""Without a ballot for so long the processes end and give 30 MB each back."""

JUDGES_REAP_MS: Final = 1_000
"""A killed process is waited for so long: the kernel takes a millisecond unless a disk holds it."""

JUDGES_GIVEN_UP_MAX: Final = 1_024
"""Ballots remembered that no judge survived; they are judged where they are needed."""

JUDGES_FRAME_MAX_BYTES: Final = 4 * MIB
"""A task for a judge: an election's record and a ballot, both far smaller."""

JUDGES_NICE: Final = 5
"""How much judges give way to the node's own thread: votes of consensus go first."""

JUDGES_LOOKAHEAD_TXS: Final = 16
"""Transactions waiting on an ABCI connection that are looked at while the first waits for its finding."""

VOTES_COMPLAINTS_MAX: Final = 10_000
"""Complaints noted for one election."""

# --- abci ------------------------------------------------------------------------------------------

ABCI_FRAME_MAX_BYTES: Final = 100 * MIB
"""One request or answer (CometBFT `abci/types.maxMsgSize`); the largest real one is a genesis or a block."""

ABCI_CONNECTIONS_MAX: Final = 16
"""Four of the engine, four more while it starts again, and tools."""

ABCI_QUEUE_MAX: Final = 1_024
"""Requests of one connection read and not answered yet; beyond it we stop reading (CometBFT sends 256 ahead)."""

ABCI_ANSWERS_HELD_MAX: Final = 256
"""Answers kept for a flush, as many as CometBFT sends ahead; the next one makes them leave."""

ABCI_SLICE_MS: Final = 3
"""Time given to requests before new bytes are read: a call of consensus waits no longer for a flood of CheckTx."""

ABCI_CLOSE_MS: Final = 1_000
"""How long the last answers may take to leave before a connection is cut."""

ABCI_KEEPALIVE_S: Final = 10
"""Silence after which TCP asks whether the engine's machine is still there, three times every so many seconds."""

SIGNER_DIAL_MS: Final = 50
"""Between two attempts to reach an engine that is not there yet; CometBFT waits three seconds for its signer."""

COMETBFT_GOSSIP_SLEEP_MS: Final = 5
"""CometBFT's `peer_gossip_sleep_duration` in a town of a few validators (its default of 100 suits two hundred)."""

COMETBFT_TIMEOUT_COMMIT_MS: Final = 250
"""CometBFT's `timeout_commit` in a town: it waits so long for a straggler's precommit before each next block, and
PROTOCOL §1 wants no less between transaction blocks under load."""

COMETBFT_FLUSH_THROTTLE_MS: Final = 5
"""CometBFT's `p2p.flush_throttle_timeout` (default 100): a vote must not wait for company."""

# ── town ─────────────────────────────────────────────────────────────────────────────────────────────
ACCOUNT_DEVICES_MAX: Final = 8
"""Second keys of one account in date at once: some devices and a few helpers; bounds what a recovery ends at once."""
WORDS_TYPED_MAX_CHARS: Final = 1_000
"""Twelve words of at most nine letters, with ample room for blanks: bounds what is normalised."""
