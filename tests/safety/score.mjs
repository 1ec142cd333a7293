// Reads lines of JSON from stdin, each a conversation or a reply, and writes what gate.js makes of each.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [code, data, damage] = process.argv.slice(2);
const { CLOSED, Gate, disclosure } = await import(pathToFileURL(code));
const load = (name) => JSON.parse(readFileSync(`${data}/${name}`, "utf8"));
let text = readFileSync(`${data}/gate.json`, "utf8");
if (damage) text = text.slice(0, -50) + text.slice(-49);
const gate = Gate.load(text, load("replies.json"), load("helplines.json"));
const out = [{ CLOSED, disclosure: ["en", "de", "xx"].map((one) => disclosure(load("replies.json"), one)) }];
for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const asked = JSON.parse(line);
  if ("answer" in asked) out.push(gate.checkReply(asked.answer, asked.country));
  else {
    const read = gate.closed ? {} : gate.read(asked.messages.at(-1).content);
    out.push({ ...gate.check(asked.messages, asked.country), plain: read.plain, logits: read.logits });
  }
}
process.stdout.write(JSON.stringify(out));
