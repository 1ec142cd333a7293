// The safety gate in plain JavaScript: the same verdicts as gate.py; reader.js reads. No dependency.
//
//   import { Gate } from "./gate.js";
//   const gate = Gate.load(textOfGateJson, replies, helplines);   // the text of gate.json, the other two parsed
//   const verdict = gate.check([{ role: "user", content: "…" }], "GB");
//
// Where the text is missing or damaged, the gate is closed: it answers everything itself.

import { CLASSES, Model, Normaliser, Patterns, danger, harm, parse } from "./reader.js";

export const CLOSED =
  "This program can't answer safely just now, because a part of it is damaged. If you are in danger, or thinking of " +
  "ending your life, please call your local emergency number now, or go to someone who can stay with you; " +
  "findahelpline.com lists free help lines of your country.";

// What a page shows before anything is said: the one wording of it, from replies.json.
export const disclosure = (replies, language = "en") => (replies[language] ?? replies.en).disclosure;

const SAFE = CLASSES.slice(0, 3), CRISIS = CLASSES.slice(4);
const ROUTINE = ["hello", "thanks", "bye", "night"];
const ABOUT_ITSELF = ["human", "feeling", "life", "maker"];
const OVERDOSE = "overdose"; // a crisis that words alone tell, with a reply of its own
const BY_WORDS = [...CRISIS, OVERDOSE];
const ANSWER = 5, SMALL = 20, UNSURE = 2;

const verdict = (label, more = {}) =>
  ({ label, kind: null, reply: null, careful: false, offer: null, score: 0, ...more });

// Whether every name that the gate asks for has its text, and a country its numbers.
const several = (of, names) => names.split(" ").map((name) => `${of}.${name}`);
const NAMES = [
  "disclosure", "emergency", "directory", "call", "text", "harmful", "reply", "reply.self",
  ...several("crisis", "self eating abuse others someone overdose unsure urgent again"),
  ...several("offer", "past people concern"),
  ...several("small", "hello thanks bye night human who maker feelings name then"),
];
const isText = (said) => typeof said === "string";
const isLanguage = (words) => NAMES.every((name) => isText(words?.[name]));
const isLine = (line) => isText(line?.name) && (isText(line.call) || isText(line.text));
const isCountry = (one) => isText(one?.emergency) && Array.isArray(one.lines) && one.lines.every(isLine);

export class Gate {
  constructor(tables, replies, helplines) {
    this.replaced = {};
    this.closed = !tables;
    if (!tables) return;
    [this.replies, this.helplines] = [replies, helplines];
    this.normaliser = new Normaliser(tables.normal);
    this.patterns = new Patterns(tables.patterns);
    this.model = new Model(tables.model);
    this.limits = tables.limits;
    this.affirms = new RegExp(tables.patterns.affirms);
    this.young = new RegExp(tables.patterns.young);
    this.refused = tables.patterns.reply.map(([name, pattern]) => [name, new RegExp(pattern)]);
    const [before, after] = tables.patterns.around_small;
    this.small = tables.patterns.small.map(([name, pattern]) => [name, new RegExp(before + pattern + after)]);
    this.languages = Object.entries(tables.languages).map(([name, words]) => [name, new Set(words)]);
    this.cache = new Map();
  }

  static load(text, replies, helplines) {
    try {
      if (!replies?.en || !Object.values(replies).every(isLanguage)) throw new Error("no replies");
      if (!helplines?.countries || !Object.values(helplines.countries).every(isCountry)) throw new Error("no help lines");
      return new Gate(parse(text), replies, helplines);
    } catch {
      return new Gate(null);
    }
  }

  check(messages, country = null) {
    if (this.closed) return verdict("crisis", { kind: "closed", reply: CLOSED, careful: true });
    const said = messages.filter((one) => one.role === "user" && typeof one.content === "string");
    const state = { evidence: 0, careful: false, kind: null, asked: false, crises: 0, spoken: false, troubled: false };
    let found = verdict("ordinary");
    for (const one of said) found = this.turn(this.read(one.content), state);
    if (!said.length) return found;
    if (!found.reply && !found.offer) return found;
    const plain = said.map((one) => this.read(one.content).plain);
    const language = this.language(plain.slice(-4).join(" "));
    const kind = ["crisis", "harmful"].includes(found.label) ? found.kind : state.kind;
    const young = plain.some((one) => this.young.test(one));
    const whom = young ? ["child", `child ${kind}`, kind] : [kind];
    const words = (name) => name?.split(" ").map((part) => this.fixed(part, language, country, whom)).join(" ") ?? null;
    return { ...found, reply: words(found.reply), offer: words(found.offer) };
  }

  checkReply(text, country = null) {
    if (this.closed) return verdict("harmful", { kind: "closed", reply: CLOSED });
    const plain = this.normaliser.plain(text);
    const kind = this.refused.find(([, pattern]) => pattern.test(plain))?.[0];
    if (!kind) return verdict("ordinary");
    this.replaced[kind] = (this.replaced[kind] ?? 0) + 1;
    const name = ABOUT_ITSELF.includes(kind) ? "reply.self" : "reply";
    return verdict("harmful", { kind, reply: this.fixed(name, this.language(plain), country, []) });
  }

  read(text) {
    let found = this.cache.get(text);
    if (!found) {
      const plain = this.normaliser.plain(text);
      const { hits, decided } = this.patterns.find(plain);
      const logits = this.model.best(plain, hits);
      const short = plain.split(" ").length <= SMALL;
      const small = this.small.find(([, pattern]) => short && pattern.test(plain))?.[0] ?? null;
      found = { plain, decided, small, danger: danger(logits), harm: harm(logits), logits };
      if (this.cache.size >= 1024) this.cache.clear();
      this.cache.set(text, found);
    }
    return found;
  }

  turn(read, state) {
    if (read.small && this.isSmall(read, state)) return this.smallTalk(read, state);
    const found = this.weighed(read, state);
    state.spoken = true;
    state.troubled ||= found.label !== "ordinary";
    return found;
  }

  isSmall(read, state) {
    if (read.decided !== null || (read.small !== "help" && read.danger >= this.limits.crisis)) return false;
    const harmless = read.small === "hello" || read.danger < this.limits.ask;
    return !ROUTINE.includes(read.small) || (!state.spoken && harmless);
  }

  smallTalk(read, state) {
    const kind = read.small;
    if (ROUTINE.includes(kind)) {
      const doubtful = kind !== "hello" && read.danger >= this.limits.concern;
      return verdict("ordinary", { kind, reply: `small.${kind}${doubtful ? " offer.people" : ""}` });
    }
    state.careful ||= kind === "help" || read.danger >= this.limits.concern;
    state.troubled ||= state.careful;
    if (kind === "help") {
      state.asked = true;
      return verdict("distress", { kind, reply: state.crises ? "crisis.again" : "offer.concern", careful: true });
    }
    let after = state.spoken ? "" : "small.then";
    if (state.troubled) {
      after = state.crises ? "crisis.again" : state.asked ? "offer.concern" : "offer.people";
      state.asked = after !== "offer.people";
    }
    return verdict("ordinary", { kind, reply: `small.${kind} ${after}`.trimEnd(), careful: state.careful });
  }

  weighed(read, state) {
    const limits = this.limits;
    const above = Math.max(0, read.danger - limits.floor), carried = limits.carry * state.evidence;
    const score = read.danger + (above ? carried : 0);
    state.evidence = Math.min(limits.most, carried + above);
    const limit = state.careful && state.crises ? limits.concern : limits.crisis;
    const asked = state.asked;
    state.asked = false;
    const [most, second] = read.logits.slice(4).sort((a, b) => b - a);
    const likeliest = CRISIS[read.logits.indexOf(most, 4) - 4];
    const byWords = BY_WORDS.includes(read.decided);
    const wrong = read.decided === "harmful" || read.harm >= limits.harmful;
    const refusal = verdict("harmful", { reply: "harmful", careful: state.careful, score });
    if (wrong && !byWords && read.logits[3] >= most) return refusal;
    const affirmed = asked && read.plain.split(" ").length <= ANSWER && this.affirms.test(read.plain);
    if (byWords || score >= limit || affirmed) {
      const kind = byWords ? read.decided : affirmed ? state.kind : likeliest;
      const again = state.crises && kind !== OVERDOSE;
      const one = byWords || most - second >= UNSURE ? `crisis.${kind}` : "crisis.unsure";
      const reply = affirmed ? "crisis.urgent" : again ? "crisis.again" : one;
      Object.assign(state, { careful: true, asked: true, kind, crises: state.crises + 1 });
      return verdict("crisis", { kind, reply, careful: true, score });
    }
    if (wrong) return refusal;
    const safe = read.logits.slice(0, 3);
    const label = SAFE[safe.indexOf(Math.max(...safe))];
    if (score >= limits.concern) {
      Object.assign(state, { asked: score >= limits.ask || state.careful, kind: likeliest, careful: true });
      const offer = state.asked ? "offer.concern" : "offer.people";
      return verdict(label === "past" ? "past" : "distress", { careful: true, offer, score });
    }
    return verdict(label, { careful: state.careful, offer: label === "past" ? "offer.past" : null, score });
  }

  language(plain) {
    const words = plain.split(" ");
    let best = "en", most = 0;
    for (const [name, common] of this.languages) {
      const count = words.filter((word) => common.has(word)).length;
      if (count > most || (count === most && name === "en")) [best, most] = [name, count];
    }
    return best;
  }

  fixed(name, language, country, whom) {
    const words = this.replies[language] ?? this.replies.en;
    const code = (country ?? "").toUpperCase();
    const known = Object.hasOwn(this.helplines.countries, code);
    const here = known ? this.helplines.countries[code] : { emergency: words.emergency, lines: [] };
    const own = whom.flatMap((one) => here.lines.filter((line) => line.for?.includes(one)));
    const lines = [...own, ...here.lines.filter((line) => !line.for)].map((line) => {
      const ways = ["call", "text"].filter((way) => way in line).map((way) => `${words[way]} ${line[way]}`);
      return `${line.name} (${ways.join(", ")})`;
    });
    return words[name].replaceAll("{emergency}", here.emergency)
      .replaceAll("{lines}", [...lines, words.directory].join("; "));
  }
}
