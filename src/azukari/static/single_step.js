// Single steps: a result that goes back to the shop, and the test pages that stand in for others.
import { all, ask, find, go, goTo, mark } from "./dom.js";

const { leave, csrf, post } = find("main").dataset;
if (leave) setTimeout(go, 1_000, leave);

// Until now a press would have been lost.
for (const button of all("button")) button.disabled = false;

for (const button of all("button[data-send]")) {
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    const reply = await ask(post, { csrf, decision: button.dataset.send });
    if (reply?.out?.redirect_url) go(reply.out.redirect_url);
    else location.reload();
  });
}

// In a dialog of the shop's page this frame has the focus, and in Safari and Firefox its keys end here.
addEventListener("keydown", ({ key, isComposing }) => {
  const [around] = location.ancestorOrigins ?? [];
  if (key === "Escape" && !isComposing && around?.startsWith("http")) parent.postMessage({ komojuFields: "escape" }, around);
});

const form = find("#challenge");
form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { token, state, empty, wrong } = form.dataset;
  const [input, button] = [find("#password"), find(".go", form)];
  const password = input.value.normalize("NFKC").trim();
  mark(input, password ? null : empty);
  if (!password) return goTo(input);
  if (button.getAttribute("aria-disabled")) return;
  button.setAttribute("aria-disabled", "true");
  const reply = await ask(form.dataset.post, { token, state, password });
  if (reply?.out?.redirect_url) return go(reply.out.redirect_url);
  if (reply && !reply.out.wrong) return location.reload();
  button.removeAttribute("aria-disabled");
  if (reply) mark(input, wrong);
  goTo(input);
});
