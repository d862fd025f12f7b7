// Judges proofs of a town's state with @confio/ics23 alone, in two steps: the namespace under the app hash, then the
// key under the namespace's root. Every proof is then tampered with, one bit per byte, and must no longer convince.
//
// Job: [{appHash, namespace, key, record, ops: [{type, key, data}, …]}, …], bytes as hex; `record` null says absent.
// Answer: [{accepted, tampered, deceived: […]}, …]: how many changed claims or proofs were tried, which were believed.
import { createHash } from "node:crypto";
import { ics23, tendermintSpec, verifyMembership, verifyNonMembership } from "@confio/ics23";
import { finish, readJob } from "./plain.mjs";

const hex = (text) => new Uint8Array(Buffer.from(text, "hex"));
const sha256 = (data) => new Uint8Array(createHash("sha256").update(data).digest());

function judge({ appHash, namespace, key, record, inner, outer }) {
  const name = new TextEncoder().encode(namespace);
  const root = outer.exist?.value;
  if (!root || !verifyMembership(outer, tendermintSpec, appHash, name, root)) return false;
  return record === null
    ? verifyNonMembership(inner, tendermintSpec, root, key)
    : verifyMembership(inner, tendermintSpec, root, key, sha256(record));
}

function believes(claim) {
  try {
    return judge(claim);
  } catch {
    return false; // the library throws on malformed proofs
  }
}

const decode = (data) => ics23.CommitmentProof.decode(data);

function flipped(data, index) {
  const changed = Uint8Array.from(data);
  changed[index] ^= 1 << index % 8;
  return changed;
}

// What a proof says, without the copy of the absent key: the verifier is given the key and does not read the copy.
function meaning(proof) {
  const said = ics23.CommitmentProof.toObject(proof, { bytes: String });
  if (said.nonexist) delete said.nonexist.key;
  return JSON.stringify(said);
}

// Every byte of an encoded proof changed; those that do not parse, or still say the same, are no forgeries.
function* forgeries(data) {
  const original = meaning(decode(data));
  for (let index = 0; index < data.length; index++) {
    let changed;
    try {
      changed = decode(flipped(data, index));
      if (meaning(changed) === original) continue;
    } catch {
      continue;
    }
    yield [index, changed];
  }
}

// Whether an absence proof speaks of a key: strictly between its neighbours.
function covers({ nonexist }, key) {
  const above = !nonexist.left?.key?.length || Buffer.compare(key, nonexist.left.key) > 0;
  return above && (!nonexist.right?.key?.length || Buffer.compare(key, nonexist.right.key) < 0);
}

// Claims about other keys: one bit changed, and for an absence the neighbours, which are present.
function* otherKeys(claim) {
  for (let index = 0; index < claim.key.length; index++) {
    const key = flipped(claim.key, index);
    if (claim.record !== null || !covers(claim.inner, key)) yield [`key[${index}]`, key];
  }
  if (claim.record !== null) return;
  for (const side of ["left", "right"]) {
    const neighbour = claim.inner.nonexist[side]?.key;
    if (neighbour?.length) yield [`${side} neighbour`, neighbour];
  }
}

function* tampered(claim, ops) {
  for (let index = 0; index < claim.appHash.length; index++)
    yield [`appHash[${index}]`, { ...claim, appHash: flipped(claim.appHash, index) }];
  for (const [what, key] of otherKeys(claim)) yield [what, { ...claim, key }];
  yield ["namespace", { ...claim, namespace: `${claim.namespace}x` }];
  if (claim.record === null) {
    yield ["presence of a made-up record", { ...claim, record: new Uint8Array([123, 125]) }];
  } else {
    yield ["absence", { ...claim, record: null }];
    for (let index = 0; index < claim.record.length; index++)
      yield [`record[${index}]`, { ...claim, record: flipped(claim.record, index) }];
  }
  for (const [index, inner] of forgeries(ops[0])) yield [`inner[${index}]`, { ...claim, inner }];
  for (const [index, outer] of forgeries(ops[1])) yield [`outer[${index}]`, { ...claim, outer }];
}

function examine(line) {
  const ops = line.ops.map((op) => hex(op.data));
  const claim = {
    appHash: hex(line.appHash),
    namespace: line.namespace,
    key: hex(line.key),
    record: line.record === null ? null : hex(line.record),
    inner: decode(ops[0]),
    outer: decode(ops[1]),
  };
  const deceived = [];
  let tried = 0;
  for (const [what, changed] of tampered(claim, ops)) {
    tried += 1;
    if (believes(changed)) deceived.push(what);
  }
  return { accepted: believes(claim), tampered: tried, deceived };
}

finish(readJob().map(examine));
