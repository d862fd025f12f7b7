// Calls every method of cosmjs's CometBFT 0.38 client on a live node and prints what it decoded.
//
// Job: {url, path, key, txs: {sync, async, commit, heard}, query}: a transaction is base64, `key` hex, `path` that of
// abci_query. Over a websocket URL it also listens to new blocks, headers and transactions.
import rpc from "@cosmjs/tendermint-rpc";
import { finish, readJob } from "./plain.mjs";

const WAIT_MS = 5_000;
const bytes = (text, form) => new Uint8Array(Buffer.from(text, form));
const tx = (text) => ({ tx: bytes(text, "base64") });

function within(promise, what) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`${what}: nothing within ${WAIT_MS} ms`)), WAIT_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function soon(read, isReady, what) {
  const until = Date.now() + WAIT_MS;
  for (;;) {
    const found = await read();
    if (isReady(found)) return found;
    if (Date.now() > until) throw new Error(`${what}: nothing within ${WAIT_MS} ms`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

// First event of a stream; the subscription is dropped then, which sends `unsubscribe`.
function firstOf(stream, what) {
  let subscription;
  const first = new Promise((next, error) => {
    subscription = stream.subscribe({ next, error, complete: () => error(new Error(`${what} ended`)) });
  });
  return within(first, what).finally(() => subscription.unsubscribe());
}

async function askEverything(client, job) {
  const said = { client: client.constructor.name };
  said.health = await client.health();
  said.abciInfo = await client.abciInfo();
  said.genesis = await client.genesis();
  said.broadcastTxCommit = await client.broadcastTxCommit(tx(job.txs.commit));
  said.broadcastTxSync = await client.broadcastTxSync(tx(job.txs.sync));
  said.broadcastTxAsync = await client.broadcastTxAsync(tx(job.txs.async));
  const height = said.broadcastTxCommit.height;
  const hash = said.broadcastTxCommit.hash;
  // The block after the transaction proves its result and the state it left.
  said.next = await soon(() => client.status(), (status) => status.syncInfo.latestBlockHeight > height + 1, "next block");
  said.status = await client.status();
  said.numUnconfirmedTxs = await client.numUnconfirmedTxs();
  said.block = await client.block(height);
  said.blockNext = await client.block(height + 1);
  said.blockFirst = await client.block(1);
  said.blockNewest = await client.block();
  said.blockResults = await client.blockResults(height);
  said.blockResultsEmpty = await client.blockResults(1);
  said.commit = await client.commit(height);
  said.commitNewest = await client.commit();
  said.validators = await client.validators({ height, page: 1, per_page: 10 });
  said.validatorsAll = await client.validatorsAll(height);
  said.blockchain = await client.blockchain(1, height);
  said.tx = await client.tx({ hash, prove: true });
  said.txWithoutProof = await client.tx({ hash });
  said.txSearch = await client.txSearch({ query: job.query, prove: true, page: 1, per_page: 5, order_by: "desc" });
  said.txSearchAll = await client.txSearchAll({ query: "tx.height > 0", per_page: 1 });
  said.blockSearch = await client.blockSearch({ query: "block.height > 0", page: 1, per_page: 2, order_by: "asc" });
  said.blockSearchAll = await client.blockSearchAll({ query: `block.height <= ${height}`, per_page: 2 });
  const asked = { path: job.path, data: bytes(job.key, "hex") };
  said.abciQuery = await client.abciQuery({ ...asked, prove: true });
  said.abciQueryAtHeight = await client.abciQuery({ ...asked, height, prove: true });
  said.abciQueryWithoutProof = await client.abciQuery(asked);
  said.abciQueryUnknownPath = await client.abciQuery({ path: "/nowhere", data: new Uint8Array() });
  said.refusedTx = await client.broadcastTxSync({ tx: new Uint8Array([1, 2, 3]) });
  said.refusedCommit = await client.broadcastTxCommit({ tx: new Uint8Array([3, 2, 1]) });
  said.errors = {};
  for (const [name, call] of Object.entries({
    blockOfHeightZero: () => client.block(0),
    blockOfTheFuture: () => client.block(1_000_000),
    pageTooFar: () => client.validators({ height: 1, page: 2, per_page: 10 }),
    searchPageTooFar: () => client.blockSearch({ query: "block.height > 0", page: 1_000 }),
    unknownTx: () => client.tx({ hash: new Uint8Array(32) }),
    malformedQuery: () => client.txSearch({ query: "this is no query" }),
  })) {
    said.errors[name] = await call().then(
      () => "no error",
      (error) => error.message,
    );
  }
  return said;
}

async function listen(client, job) {
  const heard = {
    newBlock: firstOf(client.subscribeNewBlock(), "NewBlock"),
    newBlockHeader: firstOf(client.subscribeNewBlockHeader(), "NewBlockHeader"),
    tx: firstOf(client.subscribeTx(job.query), "Tx"),
  };
  // Requests of one socket are served in order: these three subscribe before the transaction arrives.
  const sent = client.broadcastTxSync(tx(job.txs.heard));
  const [newBlock, newBlockHeader, txEvent] = await Promise.all(Object.values(heard));
  return { sent: await sent, newBlock, newBlockHeader, tx: txEvent };
}

async function askInBatches(url) {
  const client = rpc.Comet38Client.create(new rpc.HttpBatchClient(url, { batchSizeLimit: 10 }));
  try {
    const heights = await Promise.all(Array.from({ length: 25 }, () => client.status()));
    return { answers: heights.length, alone: await client.abciInfo() };
  } finally {
    client.disconnect(); // its timer would keep the program alive
  }
}

const job = readJob();
const client = await rpc.connectComet(job.url);
try {
  const said = await askEverything(client, job);
  const isSocket = job.url.startsWith("ws");
  said.events = isSocket ? await listen(client, job) : null;
  said.batches = isSocket ? null : await askInBatches(job.url);
  finish(said);
} finally {
  client.disconnect();
}
