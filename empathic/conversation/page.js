const $ = (selector) => document.querySelector(selector);
const main = $("main"), turns = $(".turns"), text = $("#text"), error = $(".error");
const SHOWN = /[^\s\p{Default_Ignorable_Code_Point}]/u; // as conversation/messages.py has it
// source.open() gives who replies; source.reply(speaker, messages, signal) its reply, in the chat API's events.
let source = null, speakers = [], histories = {}, stopping = null;

class Problem extends Error {}

function make(tag, name, content, parent) {
  const element = document.createElement(tag);
  element.className = name;
  element.textContent = content;
  element.dir = "auto";
  parent.append(element);
  return element;
}

async function reply(speaker, replies, signal) {
  const card = make("article", "reply waiting", "", replies);
  make("h2", "", speaker.id, card);
  const shown = make("p", "text", "", card), speed = make("p", "speed", speaker.file, card);
  let said = "", ended = false;
  try {
    for await (const event of source.reply(speaker, histories[speaker.id], signal)) {
      if (event.error) throw new Problem(event.error.message);
      if (histories[speaker.id].length > 1) for (const notice of event.empathic?.notices ?? []) remind(notice, shown);
      const follow = main.scrollHeight - main.scrollTop - main.clientHeight < 80;
      for (const choice of event.choices) {
        said += choice.delta.content || "";
        ended ||= choice.finish_reason !== null;
        if (choice.finish_reason === "content_filter") speed.textContent = "a fixed reply, not the model's";
      }
      shown.textContent = said;
      const rate = event.timings && event.timings.predicted_per_second;
      if (rate) speed.textContent = `${speaker.file} · ${rate.toFixed(rate < 10 ? 1 : 0)} tokens/s`;
      if (follow) main.scrollTop = Math.min(main.scrollHeight, card.offsetTop - main.offsetTop - 12); // its first line stays
    }
    if (!ended) throw new Problem("The reply broke off.");
  } catch (problem) {
    if (problem.name !== "AbortError") throw problem;
    speed.textContent = `${speaker.file} · stopped`;
  } finally {
    card.classList.remove("waiting");
    if (said.trim()) histories[speaker.id].push({ role: "assistant", content: said });
    else { histories[speaker.id].pop(); shown.textContent = "(nothing)"; }
  }
  return `${speaker.id}: ${said}`;
}

function remind(notice, above) {
  const element = make("p", notice.strong ? "notice strong" : "notice", notice.text, above.parentElement);
  above.before(element);
}

async function say(content) {
  busy(true);
  const turn = make("section", "turn", "", turns);
  turn.setAttribute("aria-label", `Exchange ${turns.children.length}`);
  make("p", "said", content, turn);
  const replies = make("div", "replies", "", turn);
  for (const speaker of speakers) histories[speaker.id].push({ role: "user", content });
  stopping = new AbortController();
  const coming = speakers.map((speaker) => reply(speaker, replies, stopping.signal));
  main.scrollTop = main.scrollHeight;
  const found = await Promise.allSettled(coming);
  const failed = found.find((one) => one.status === "rejected");
  $("[role=status]").textContent = found.map((one) => one.value || "").join("\n");
  tell(failed && failed.reason);
  if (failed && found.every((one) => one.status === "rejected")) { turn.remove(); text.value ||= content; }
  busy(false);
}

function tell(problem) {
  error.hidden = !problem;
  error.textContent = !problem ? "" : problem instanceof Problem ? problem.message : "Something went wrong on this page.";
  if (problem && !(problem instanceof Problem)) console.error(problem);
}

function busy(now) {
  $(".send").hidden = now;
  $(".stop").hidden = !now;
  $(".new").hidden = now || !turns.children.length;
  (now ? $(".stop") : text).focus({ preventScroll: true });
}

function begin() {
  turns.replaceChildren();
  for (const speaker of speakers) histories[speaker.id] = [];
  tell(null);
  busy(false);
}

async function open() {
  try {
    speakers = await source.open();
    $(".send").disabled = false;
    $(".off").hidden = speakers.every((speaker) => speaker.gate);
    begin();
  } catch (problem) { tell(problem); }
}

$(".say").addEventListener("submit", (event) => {
  event.preventDefault();
  const content = text.value;
  if (!SHOWN.test(content) || !speakers.length || !$(".stop").hidden) return;
  text.value = "";
  say(content);
});
text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || matchMedia("(pointer: coarse)").matches) return;
  event.preventDefault();
  $(".say").requestSubmit();
});
$(".stop").addEventListener("click", () => stopping.abort());
$(".new").addEventListener("click", begin);
