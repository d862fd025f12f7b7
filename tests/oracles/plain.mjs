// JSON in on stdin, JSON out on stdout; what JSON has no type for becomes text: bytes as hex, big integers as digits,
// times as RFC 3339 with nanoseconds.
import { readFileSync } from "node:fs";
import rpc from "@cosmjs/tendermint-rpc";

export function readJob() {
  return JSON.parse(readFileSync(0, "utf8"));
}

export function plain(value) {
  if (value === undefined || value === null) return null;
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (value instanceof Date) return rpc.toRfc3339WithNanoseconds(value);
  if (value instanceof Map) return plain(Object.fromEntries(value));
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  return value;
}

// Ends the program once the answer is out: cosmjs 0.39 reconnects its websockets even after `disconnect`.
export function finish(answer) {
  process.stdout.write(JSON.stringify(plain(answer)), () => process.exit(0));
}
