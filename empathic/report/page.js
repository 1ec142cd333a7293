const bar = document.querySelector(".filters");
const buttons = [...bar.querySelectorAll("button")];
const articles = [...document.querySelectorAll("article")];
bar.hidden = false;
function show(choice) {
  let shown = 0;
  for (const article of articles) {
    article.hidden = choice !== "all" && article.dataset.outcome !== choice;
    shown += !article.hidden;
  }
  for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.show === choice);
  bar.querySelector(".count").textContent = `${shown} of ${articles.length}`;
}
for (const button of buttons) button.addEventListener("click", () => show(button.dataset.show));
show("all");
