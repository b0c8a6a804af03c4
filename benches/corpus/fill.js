// What fill.py does in its mode `ordinary`, in V8: `node fill.js MIB VALUES`.
"use strict";
const { readFileSync } = require("node:fs");

const [most, path] = [Number(process.argv[2]), process.argv[3]];
const values = readFileSync(path, "latin1").split("\n").filter(Boolean);
let state = 42;
const below = (limit) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * limit);
};
const words = Object.getOwnPropertyNames(globalThis)
  .concat(require("node:module").builtinModules)
  .flatMap((name) => String(name).split(/[/_]/))
  .concat("user token session password secret cache key value request response header content account".split(" "));
const word = () => words[below(words.length)];
const hex = (count) => Array.from({ length: count }, () => below(16).toString(16)).join("");

const held = [];
let number = 0;
let kept = 0;
for (;;) {
  const used = process.memoryUsage().heapUsed / 2 ** 20;
  while (kept < (values.length * Math.min(used + 8, most)) / most && kept < values.length) {
    held.push(Buffer.from(`token ${[...values[kept++]].reverse().join("")};`, "latin1").toString("latin1"));
  }
  if (used >= most) break;
  for (let i = 0; i < 2000; i++) {
    number++;
    held.push({ id: number, name: `${word()} ${word()}`, at: new Date(below(2 ** 31)), has: { [word()]: word(), n: below(1e9) / 7 } });
    if (number % 5 === 0) held.push(JSON.stringify({ id: number, type: word(), sku: hex(8), owner: `${word()}@example.org` }));
    if (number % 20 === 0) held.push(new Float64Array(64).fill(number / 3));
    if (number % 10 === 0) held.push(`GET /${word()}/${number} HTTP/1.1\r\nHost: ${word()}.svc.cluster.local\r\nX-Request-Id: ${hex(32)}\r\n\r\n`);
  }
}
console.log("ready");
setInterval(() => held.length, 3_600_000);
