// What the gate in plain JavaScript reads a text with: the same normal forms, hits and logits as the modules in Python
// whose names stand over the parts. No dependency.

export const CLASSES = ["ordinary", "distress", "past", "harmful", "self", "eating", "abuse", "others", "someone"];
const BITS = 22, PIECES = 2048, PRIME = 16777619, BASIS = 2166136261, LENGTHS = [3, 4], LONGEST = 16;
const RUNS = [1, 2, 3, 5], PATTERN = 0.25;
const PLACES = RUNS.reduce((sum, run) => sum + run); // that a word may have in a run, over all lengths of runs
const KNOWN = 1024; // words whose vectors and answers are kept, twice: 18 MB at most
const WINDOW = 30, STEP = 15, MASK = " xx ", GENERAL = 6;
const utf8 = new TextEncoder();

// --- normalise.py

const MARKS = "!|+"; // at either end of a word these are no letters

const MEASURE = new RegExp(
  "^[0-9]+(?:[ap]m|st|[nr]d|th|[hsmdkgxeaopcf]|[kmg]g|m?l|[cmk]m|ft|lbs?|y[or]|yrs|hrs?|mins?|days?|weeks?|months?" +
    "|years?|eme|er|[gm]b)$",
);

export class Normaliser {
  constructor(tables) {
    this.head = tables.head;
    this.tail = tables.tail;
    this.leet = new Map(Object.entries(tables.leet));
    this.letters = new Map(Object.entries(tables.characters));
    this.ranges = [...tables.strip.map((r) => [...r, ""]), ...tables.symbols.map((r) => [...r, " "])];
    this.vocabulary = new Map(tables.vocabulary.map((word) => [word, word.length > 1 ? 2 : 3]));
    this.longest = Math.max(0, ...tables.vocabulary.map((word) => word.length));
  }

  plain(text) {
    text = text.replace(/[\uD800-\uDFFF]/gu, "\uFFFD"); // lone surrogates
    if (text.length > this.head + this.tail) {
      const points = Array.from(text);
      if (points.length > this.head + this.tail)
        text = points.slice(0, this.head).join("") + "\n" + points.slice(-this.tail).join("");
    }
    let out = "";
    for (const character of text.normalize("NFKD").toLowerCase()) out += this.letter(character);
    out = out.replace(/[a-z0-9@$!|+]+/g, (run) => this.unleet(run));
    out = out.replace(/([a-z])\1{2,}/g, (_, letter) => ("ls".includes(letter) ? letter + letter : letter));
    out = out.replace(/(^|[^a-z0-9])([a-z](?:[^a-z0-9]{1,3}[a-z]){2,})(?![a-z0-9])/gu,
      (_, before, spaced) => `${before} ${this.join(spaced)} `);
    out = out.replace(/[.?!;]+/g, (stops) => (stops.includes("?") ? " ? " : " . "));
    return out.replace(/[^a-z0-9.?\u0080-\uffff]+/g, " ").replace(/ +/g, " ").replace(/^ +| +$/g, "");
  }

  letter(character) {
    let found = this.letters.get(character);
    if (found === undefined) {
      const point = character.codePointAt(0);
      const range = this.ranges.find(([low, high]) => low <= point && point <= high);
      found = range ? range[2] : character;
      this.letters.set(character, found);
    }
    return found;
  }

  unleet(run) {
    let [start, end] = [0, run.length];
    while (start < end && MARKS.includes(run[start])) start++;
    while (start < end && MARKS.includes(run[end - 1])) end--;
    const core = run.slice(start, end);
    const letters = core.replace(/[^a-z]/g, "").length;
    if (!letters || letters === core.length || MEASURE.test(core)) return run;
    const plain = Array.from(core.replaceAll("11", "ll"), (one) => this.leet.get(one) ?? one).join("");
    return run.slice(0, start) + plain + run.slice(end);
  }

  join(spaced) {
    const letters = spaced.replace(/[^a-z]/g, "");
    return this.part(letters) ?? (letters.length > 3 ? letters : spaced);
  }

  part(letters) {
    const best = [[0, ""], ...Array(letters.length).fill(null)];
    for (let end = 1; end <= letters.length; end++)
      for (let start = Math.max(0, end - this.longest); start < end; start++) {
        const cost = this.vocabulary.get(letters.slice(start, end));
        if (best[start] === null || cost === undefined) continue;
        if (best[end] === null || best[start][0] + cost < best[end][0])
          best[end] = [best[start][0] + cost, `${best[start][1]} ${letters.slice(start, end)}`];
      }
    return best[letters.length] ? best[letters.length][1].slice(1) : null;
  }
}

// --- features.py

const step = (hash, byte) => Math.imul(hash ^ byte, PRIME) >>> 0;
const fnv = (bytes) => bytes.reduce(step, BASIS);

function numbers(word) {
  const data = Array.from(utf8.encode(word)), hash = fnv(data), pieces = [];
  const inner = [60, ...data.slice(0, LONGEST), 62];
  for (const length of LENGTHS)
    for (let start = 0; start + length <= inner.length; start++)
      pieces.push(fnv(inner.slice(start, start + length)) % PIECES);
  return [(hash ^ (hash >>> BITS)) & ((1 << BITS) - 1), pieces];
}

// --- patterns.py

export class Patterns {
  constructor(tables) {
    [this.idioms, this.negated] = [tables.idioms, tables.negated].map((one) => new RegExp(one, "g"));
    [this.past, this.now, this.squashed] = [tables.past, tables.now, tables.squashed].map((one) => new RegExp(one));
    this.foreign = tables.foreign;
    this.all = tables.list.map(([kind, alone, pattern]) => [kind, alone, new RegExp(pattern)]);
  }

  find(text) {
    const hits = [];
    [this.idioms, this.negated].forEach((pattern, number) => {
      const masked = text.replace(pattern, MASK);
      if (text.search(pattern) >= 0) hits.push(number);
      text = masked;
    });
    const past = this.past.test(text), now = this.now.test(text);
    if (past) hits.push(2);
    if (now) hits.push(3);
    let decided = null, first = null;
    const together = text.replaceAll(" ", "");
    if (this.squashed.test(together)) hits.push(4), (decided = "self");
    if (this.foreign.some((phrase) => together.includes(phrase))) hits.push(5), (decided = "self");
    this.all.forEach(([kind, alone, pattern], number) => {
      if (!pattern.test(text)) return;
      hits.push(GENERAL + number);
      first ??= alone ? kind : null;
    });
    return { hits, decided: past && !now ? null : (first ?? decided) };
  }
}

// --- model.py

const bytes = (base64) => Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));

function unpacked(data) {
  const found = new Map();
  let number = -1, difference = 0, shift = 0;
  for (const byte of data) {
    difference |= (byte & 127) << shift;
    shift += 7;
    if (byte < 128) {
      number += difference;
      found.set(number, found.size);
      difference = shift = 0;
    }
  }
  return found;
}

function logSum(values) {
  const most = Math.max(...values);
  return most + Math.log(values.reduce((sum, value) => sum + Math.exp(value - most), 0));
}
export const danger = (logits) => logSum(logits.slice(4)) - logSum(logits.slice(0, 3));
export const harm = (logits) => logits[3] - logSum(logits.slice(0, 3));

function fourBits({ top, scales, steps }, width) {
  const of = bytes(scales), packed = bytes(steps);
  return Float64Array.from({ length: of.length * width }, (_, at) =>
    (((packed[at >> 1] >> (4 * (at & 1))) & 15) - 8) / 7 * (of[Math.floor(at / width)] / 255 * top));
}

function eightBits({ scales, steps }) {
  const values = new Int8Array(bytes(steps).buffer), width = values.length / scales.length;
  return Float64Array.from(values, (value, at) => value * scales[Math.floor(at / width)]);
}

export class Model {
  constructor(tables) {
    if (tables.classes.join() !== CLASSES.join() || tables.hash.join() !== [BITS, PIECES].join())
      throw new Error("other classes or another hash");
    [this.width, this.filters, this.bias] = [tables.width, tables.filters, tables.bias];
    [this.words, this.pieces] = [tables.words, tables.pieces].map((one) => fourBits(one, this.width));
    this.row = unpacked(bytes(tables.numbers));
    this.runs = tables.runs.map((one) => ({ weights: eightBits(one.weights), bias: one.bias }));
    [this.out, this.hits] = [tables.out, tables.hits].map(eightBits);
    [this.known, this.older] = [new Map(), new Map()];
    const layer = this.filters * RUNS.length + this.width;
    if (this.row.size * this.width !== this.words.length || this.pieces.length !== PIECES * this.width ||
        this.out.length !== layer * CLASSES.length || tables.runs.length !== RUNS.length)
      throw new Error("layers differ in width");
  }

  /** A word's vector, and each filter's answer to it at each place of a run: most of all sums, so they are kept. */
  word(word) {
    let found = this.known.get(word);
    if (!found) {
      found = this.older.get(word);
      if (!found) {
        const vector = this.vector(word);
        found = { vector, answers: this.answers(vector) };
      }
      if (this.known.size >= KNOWN) [this.older, this.known] = [this.known, new Map()]; // common words come again
      this.known.set(word, found);
    }
    return found;
  }

  vector(word) {
    const [number, pieces] = numbers(word), row = this.row.get(number), { width } = this;
    const found = new Float64Array(width);
    for (const piece of pieces)
      for (let at = 0; at < width; at++) found[at] += this.pieces[piece * width + at];
    const root = Math.sqrt(Math.max(1, pieces.length));
    for (let at = 0; at < width; at++)
      found[at] = (row === undefined ? 0 : this.words[row * width + at]) + found[at] / root;
    return found;
  }

  answers(vector) {
    const { width, filters } = this, found = new Float64Array(PLACES * filters);
    let to = 0;
    RUNS.forEach((run, number) => {
      const { weights } = this.runs[number];
      for (let place = 0; place < run; place++)
        for (let filter = 0; filter < filters; filter++) {
          let answer = 0;
          const from = (filter * run + place) * width;
          for (let n = 0; n < width; n++) answer += weights[from + n] * vector[n];
          found[to++] = answer;
        }
    });
    return found;
  }

  logits(words, hits) {
    const { width, filters } = this, count = words.length, said = words.map((word) => this.word(word));
    const seen = [], sum = new Float64Array(width), answer = new Float64Array(filters);
    for (const { vector } of said) for (let n = 0; n < width; n++) sum[n] += vector[n];
    let before = 0;
    RUNS.forEach((run, number) => {
      const most = new Float64Array(filters).fill(-Infinity);
      for (let last = 0; last < count + run - 1; last++) {
        answer.fill(0);
        for (let place = 0; place < run; place++) {
          const at = last - run + 1 + place;
          if (at < 0 || at >= count) continue;
          const { answers } = said[at], from = (before + place) * filters;
          for (let filter = 0; filter < filters; filter++) answer[filter] += answers[from + filter];
        }
        for (let filter = 0; filter < filters; filter++) most[filter] = Math.max(most[filter], answer[filter]);
      }
      for (let filter = 0; filter < filters; filter++)
        seen.push(Math.max(0, most[filter] + this.runs[number].bias[filter]));
      before += run;
    });
    for (const value of sum) seen.push(value / Math.sqrt(count));
    const patterns = this.hits.length / CLASSES.length;
    return this.bias.map((bias, c) => {
      let logit = bias;
      for (let n = 0; n < seen.length; n++) logit += this.out[c * seen.length + n] * seen[n];
      for (const hit of hits) logit += PATTERN * this.hits[c * patterns + hit];
      return logit;
    });
  }

  best(text, hits) {
    const words = text.split(" ");
    if (words.length <= WINDOW + STEP) return this.logits(words, hits);
    let best = null;
    for (let start = 0; start < words.length - STEP; start += STEP) {
      const part = this.logits(words.slice(start, start + WINDOW), hits);
      if (!best || danger(part) > danger(best)) best = part;
    }
    return best;
  }
}

// --- spec.py: the checksum (CRC-32, polynomial 0xEDB88320) is of all that follows it in the file

function crc32(data) {
  let crc = ~0;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

export function parse(text) {
  const start = /^\{"crc32": "([0-9a-f]{8})", /.exec(text);
  if (!start || crc32(utf8.encode(text.slice(start[0].length))) !== parseInt(start[1], 16)) throw new Error("damaged");
  const tables = JSON.parse(text);
  if (tables.format !== 4) throw new Error("another format");
  return tables;
}
