const $ = (selector) => document.querySelector(selector);
const form = $(".name"), pair = $(".pair"), end = $(".end"), error = $(".error"), progress = $(".progress");
const keys = { 1: "left", 2: "right", "=": "equal", s: "skip", b: "back" };
let rater = "", current = null, busy = false;

function show(state) {
  current = state.next;
  form.hidden = true;
  error.hidden = true;
  progress.hidden = false;
  $("progress").max = state.total;
  $("progress").value = state.done;
  $(".count").textContent = `${state.done} of ${state.total}`;
  $(".changed").hidden = !state.stale;
  $(".changed").textContent = `Replies have changed since you voted on ${state.stale} of these pairs; those votes no longer count, and you are shown the pairs anew.`;
  pair.hidden = !current;
  end.hidden = !!current;
  if (!current) return;
  $(".said").textContent = current.utterance;
  $("[data-choice=left] span").textContent = current.left || "(nothing)";
  $("[data-choice=right] span").textContent = current.right || "(nothing)";
  for (const button of document.querySelectorAll(".back")) button.disabled = state.done === 0;
  document.activeElement?.blur();
  scrollTo(0, 0);
}

async function ask(path, body) {
  if (busy) return;
  busy = true;
  try {
    const options = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    const response = await fetch(path, options || {});
    const state = await response.json();
    if (!response.ok) throw new Error(state.error);
    show(state);
  } catch (problem) {
    error.textContent = problem instanceof TypeError ? "The server doesn't answer. Your votes so far are kept; try again once it runs." : problem.message;
    error.hidden = false;
  } finally {
    busy = false;
  }
}

function choose(choice) {
  if (choice === "back") ask("/back", { rater });
  else if (current) ask("/vote", { rater, pair: current.pair, choice });
}

function begin(name) {
  rater = name.trim();
  if (!rater) return;
  try { for (const kept of [localStorage, sessionStorage]) kept.setItem("rater", rater); } catch {}
  ask(`/next?rater=${encodeURIComponent(rater)}`);
}

form.addEventListener("submit", (event) => { event.preventDefault(); begin($("#rater").value); });
for (const button of document.querySelectorAll("[data-choice]")) button.addEventListener("click", () => choose(button.dataset.choice));
for (const button of document.querySelectorAll(".back")) button.addEventListener("click", () => choose("back"));
addEventListener("keydown", (event) => {
  if (!rater || event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.target === $("#rater")) return;
  const choice = keys[event.key.toLowerCase()];
  if (!choice) return;
  event.preventDefault();
  choose(choice);
});
$("#rater").focus();
try {
  $("#rater").value = localStorage.getItem("rater") || "";
  begin(sessionStorage.getItem("rater") || ""); // a reload goes on; a new visit asks who is there
} catch {}
