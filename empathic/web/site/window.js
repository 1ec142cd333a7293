// What of a conversation the model is shown: all of it, or where that is too long, its later part. The rule is that of
// conversation/window.py: when the window is full, it is emptied to its half, so that the prompt begins anew seldom.
const utf8 = new TextEncoder();
const AROUND = 12; // bytes that a chat template counts for, about

const weight = (turn) => utf8.encode(turn.content).length + AROUND;

export class Window {
  /** @param room tokens that instruction and turns may have. */
  constructor(room) {
    this.room = room;
    this.start = 0;
  }

  /** The turns to show. */
  of(turns) {
    return turns.slice(this.start);
  }

  /** Let the oldest exchanges go, since what was shown had so many `tokens`; false where only the newest is left. */
  cut(turns, tokens) {
    const last = turns.length - 1, shown = turns.slice(this.start);
    if (this.start >= last) return false;
    const all = shown.reduce((sum, turn) => sum + weight(turn), 0); // the instruction counts with the turns
    let kept = all;
    do kept -= weight(turns[this.start++]);
    while (this.start < last && (turns[this.start].role !== "user" || (kept / all) * tokens > this.room / 2));
    return true;
  }
}
