const keyForm = $(".key");
let key = "";
try { key = sessionStorage.getItem("key") || ""; } catch {}

async function ask(path, options = {}) {
  const headers = { "content-type": "application/json", "x-empathic-notices": "field", ...(key && { authorization: `Bearer ${key}` }) };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new Problem("The server doesn't answer. Is it still running?");
  }
  if (response.status === 401) keyForm.hidden = false;
  if (!response.ok) throw new Problem((await response.json()).error.message);
  return response;
}

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data: {")) yield JSON.parse(line.slice(6));
  }
}

source = {
  async open() {
    const found = (await (await ask("/v1/models")).json()).data;
    keyForm.hidden = true;
    return found;
  },
  async* reply(speaker, messages, signal) {
    const body = JSON.stringify({ model: speaker.id, messages: messages.slice(-399), stream: true });
    yield* events(await ask("/v1/chat/completions", { method: "POST", body, signal }));
  },
};

keyForm.addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("#key").value;
  try { sessionStorage.setItem("key", key); } catch {}
  open();
});
open();
