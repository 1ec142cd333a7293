// The safety gate around the student, as conversation/guard.py has it: the chat API's events in, the same out.
const SENTENCE = /[.!?\u2026](?=[\s"'\u201d\u2019)])|[\u3002\uff01\uff1f]|\n/g;
const FILTERED = "content_filter"; // OpenAI's word for the end of a reply that a rule wrote or broke off

const event = (content, finish_reason = null, more = {}) => ({ ...more, choices: [{ delta: { content }, finish_reason }] });

/** A fixed reply where the gate says so; else what `write(turns)` gives, sentence by sentence, each checked. */
export async function* guarded(gate, turns, country, write) {
  const verdict = gate.check(turns, country);
  if (verdict.reply !== null) {
    yield event(verdict.reply);
    yield event("", FILTERED);
    return;
  }
  let said = "", shown = 0;
  for await (const one of write(turns)) {
    const finish = one.choices.find((choice) => choice.finish_reason)?.finish_reason ?? null;
    for (const choice of one.choices) said += choice.delta.content ?? "";
    const ready = finish ? said.length : whole(said);
    if (ready > shown || finish) {
      const found = gate.checkReply(said.slice(0, ready), country);
      if (found.reply !== null) {
        yield event((shown ? "\n\n" : "") + found.reply + (verdict.offer ? `\n\n${verdict.offer}` : ""));
        yield event("", FILTERED);
        return;
      }
      if (ready > shown) yield event(said.slice(shown, ready));
      shown = Math.max(shown, ready);
    }
    if (finish && verdict.offer) yield event(`\n\n${verdict.offer}`);
    if (finish) yield event("", finish, { timings: one.timings });
    else if (!one.choices.length) yield one;
  }
}

/** The length of a text's whole sentences; what follows the last of them has to be there, to know that it ended. */
function whole(text) {
  const ends = [...text.matchAll(SENTENCE)].map((found) => found.index + found[0].length);
  return ends.filter((end) => end < text.length).at(-1) ?? 0;
}
