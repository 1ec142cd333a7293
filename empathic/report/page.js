const PAGE = 20;
const bar = document.querySelector(".filters");
const buttons = [...bar.querySelectorAll("button")];
const search = bar.querySelector("input");
const more = document.querySelector(".more");
const articles = [...document.querySelectorAll("article")];
const texts = articles.map((article) => article.textContent.toLowerCase());
let choice = "all", room = PAGE;

function show() {
  const wanted = search.value.trim().toLowerCase();
  let found = 0;
  articles.forEach((article, i) => {
    const fits = (choice === "all" || article.dataset.outcome.split(" ").includes(choice)) && texts[i].includes(wanted);
    found += fits;
    article.hidden = !fits || found > room;
  });
  for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.show === choice);
  more.hidden = found <= room;
  bar.querySelector(".count").textContent = `${Math.min(found, room)} of ${found}`;
}

for (const button of buttons) button.addEventListener("click", () => { choice = button.dataset.show; room = PAGE; show(); });
search.addEventListener("input", () => { room = PAGE; show(); });
more.addEventListener("click", () => { room += PAGE; show(); });
bar.hidden = false;
show();

const number = (text) => parseFloat(text.replaceAll(",", ""));

function compare(a, b) {
  const [one, other] = [number(a), number(b)];
  if (Number.isNaN(one) && Number.isNaN(other)) return a.localeCompare(b);
  return Number.isNaN(one) ? -1 : Number.isNaN(other) ? 1 : one - other;
}

function sort(table, column, head) {
  const body = table.tBodies[0];
  const up = head.getAttribute("aria-sort") === "descending";
  const text = (row) => row.cells[column].textContent.trim();
  const rows = [...body.rows].sort((a, b) => (up ? 1 : -1) * compare(text(a), text(b)));
  body.append(...rows);
  for (const cell of table.tHead.rows[0].cells) cell.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (!head.textContent) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => sort(table, column, head));
  });
}
