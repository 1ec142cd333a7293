// Reads lines of JSON from stdin, each a conversation and a model's reply in pieces; writes what guard.js lets through.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [gateCode, guardCode, data] = process.argv.slice(2);
const { Gate } = await import(pathToFileURL(gateCode));
const { guarded } = await import(pathToFileURL(guardCode));
const load = (name) => JSON.parse(readFileSync(`${data}/${name}`, "utf8"));
const gate = Gate.load(readFileSync(`${data}/gate.json`, "utf8"), load("replies.json"), load("helplines.json"));
const event = (content, finish_reason) => ({ choices: [{ delta: { content }, finish_reason }] });

async function* written(pieces) {
  for (const piece of pieces) yield event(piece, null);
  yield event(undefined, "stop");
  yield { choices: [], timings: {} };
}

const out = [];
for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const { turns, pieces } = JSON.parse(line), said = [];
  let finish = null;
  for await (const one of guarded(gate, turns, "GB", () => written(pieces)))
    for (const choice of one.choices) {
      if (choice.delta.content) said.push(choice.delta.content);
      finish = choice.finish_reason ?? finish;
    }
  out.push([said, finish]);
}
process.stdout.write(JSON.stringify(out));
