// The instruction page: copy, print, a barcode that never runs out, and the tools of test mode.
import { all, ask, find } from "./dom.js";

// Until now a press would have been lost.
for (const button of all("button")) button.disabled = false;

for (const button of all("[data-copy]")) {
  const [label, name, done] = [button.textContent, button.getAttribute("aria-label"), button.dataset.done];
  const number = /** @type {any} */ (find(`#${button.dataset.copy}`));
  const show = (/** @type {string} */ text, /** @type {string} */ whole, /** @type {string} */ said) => {
    button.textContent = text;
    button.setAttribute("aria-label", whole);
    find("#say").textContent = said;
  };
  button.addEventListener("click", async () => {
    try {
      // Bare: what is shown in groups is typed without them.
      await navigator.clipboard.writeText(number.dataset.bare ?? number.textContent);
    } catch {
      getSelection()?.selectAllChildren(number);
      return;
    }
    show(done, done, done);
    setTimeout(show, 2_000, label, name, "");
  });
}

find("#print").addEventListener("click", () => print());

const picture = find("#bars");
async function refresh() {
  const { image, expires_at: ends, retry_after: wait } = (await ask(find("#instructions").dataset.barcode))?.out ?? {};
  if (typeof image !== "string" || !image.startsWith("data:image/png;")) {
    setTimeout(refresh, Math.max(Number(wait) || 0, 2) * 1_000);
    return;
  }
  picture.src = image;
  picture.hidden = false;
  find("#bar-wait")?.remove();
  setTimeout(refresh, Math.max(Date.parse(ends) - Date.now() - 60_000 || 0, 60_000));
}
if (picture) refresh();

const tools = find(".tools");
for (const button of all(".tools button")) {
  button.addEventListener("click", async () => {
    const { post, csrf } = tools.dataset;
    if (await ask(post, { csrf, outcome: button.dataset.send })) location.reload();
  });
}
