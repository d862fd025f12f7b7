// Changes the power of the key-value node's only validator and reads the update and both sets through cosmjs.
//
// Job: {url, key}: `key` base64.
import rpc from "@cosmjs/tendermint-rpc";
import { finish, readJob } from "./plain.mjs";

const job = readJob();
const key = Buffer.from(job.key, "base64");
const client = await rpc.connectComet(job.url);
const { height } = await client.broadcastTxCommit({ tx: Buffer.from(`val:${key.toString("hex")}=25`) });
// An update of block H is in force from H+2; that set is told of once H+1 is decided.
await client.broadcastTxCommit({ tx: Buffer.from("after=it") });
const { validatorUpdates } = await client.blockResults(height);
finish({
  key: new Uint8Array(key),
  updates: validatorUpdates,
  before: (await client.validatorsAll(height)).validators,
  after: (await client.validatorsAll(height + 2)).validators,
});
