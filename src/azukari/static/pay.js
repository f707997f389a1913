// The session page: one press pays once, and every end leaves no doubt.
import { all, ask, copy, fill, find, go, goTo, mark, wait, write } from "./dom.js";
import { brands } from "./card.js";
import { fault, page, shape, valueOf, watch } from "./inputs.js";

export const [form, button, status, alert, say] = ["form", "go", "status", "alert", "say"].map((id) => find(`#${id}`));
export const given = JSON.parse(form.dataset.page);
const { csrf, left } = given;
const own = `/sessions/${given.id}`;
/** t: texts by place; w: our words; m: of each method. @type {any} */
export let told = null;
let busy = false;
/** Sent, not answered: pressed again, it is the same payment. @type {any} */
let sent = null;
export let failed = "";

/** Radios, or a hidden input. */
const methods = form.elements.method;
export const controls = () => all(`[data-panel="${methods.value}"] [data-k]`, form);
const home = (code = "") => go(`${own}?${new URLSearchParams({ locale: given.locale, ...code && { failed: code } })}`);
export const keep = () => history.replaceState(null, "", `?locale=${given.locale}${location.hash}`);
export const title = (bad = false) => { document.title = (bad ? told.w.title_error : "") + told.t.title; };

export async function speak(locale = given.locale) {
  const query = new URLSearchParams({ locale, method: methods.value, code: failed });
  const out = (await ask(`${own}/words?${query}`))?.out;
  if (out?.t) ({ w: page.w } = told = out);
  return out?.t;
}

/** Sum, button and consent follow the method. */
export function follow() {
  const { go: label, sum = "", fee = "", consent } = told.m[methods.value];
  const before = find("#total-sum")?.textContent;
  const [, figures, unit] = /^(.*?)(円?)$/.exec(sum) ?? [];
  const texts = { "#go > span": busy ? told.w.busy : label, "#consent": consent, "#total-sum": sum, "#fee-sum": fee,
    "#figures": figures, "#unit": unit };
  for (const [selector, text] of Object.entries(texts)) if (find(selector)) write(find(selector), text);
  if (find("#fee")) find("#fee").hidden = !fee;
  if (before && before !== sum) say.textContent = fill(told.w.total_now, { amount: sum });
}

function choose() {
  if (methods.length) methods.value = location.hash.slice(1);
  follow();
}

form.addEventListener("change", ({ target }) => {
  const group = target.closest("[data-k=pick]");
  if (group) mark(group, null);
  if (target.name !== "method") return;
  history.replaceState(null, "", `#${methods.value}`);
  if (told) follow();
});

function setBusy(on = false) {
  busy = on;
  button.ariaDisabled = on ? "true" : null;
  for (const input of all("input", form)) input.readOnly = on;
  say.textContent = on ? told.w.busy : "";
  status.textContent = "";
  follow();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!told || busy) return;
  alert.replaceChildren();
  const [bad] = controls().filter((control) => mark(control, fault(control)));
  title(!!bad);
  if (bad) return goTo(bad);
  const order = {
    payment_details: Object.assign({ type: methods.value }, ...controls().map(valueOf)), locale: given.locale,
    consent: given.consent && { text: find("#consent").textContent, version: given.consent },
  };
  const text = JSON.stringify(order);
  if (sent?.text !== text) sent = { text, nonce: crypto.getRandomValues(new Uint32Array(4)).join("-") };
  setBusy(true);
  const slow = setTimeout(() => { status.textContent = told.w.slow; }, 8_000);
  const reply = await Promise.race([ask(`${own}/pay`, { ...order, nonce: sent.nonce, csrf }), wait(30_000)]);
  clearTimeout(slow);
  handle(reply);
});

/** @param {Answer} reply @returns {any} */
function handle(reply) {
  const { error, at, h, p, redirect_url: url, status: state } = reply?.out ?? {};
  if (url && reply?.status === 200) {
    if (state === "completed") return finish();
    if (url.includes("/three_d_secure_service/")) status.textContent = told.w.tds_go;
    // Nothing to be finished after all: the form is open again.
    return given.resume && url.endsWith(own) ? setBusy() : go(url);
  }
  if (!at || at === "checking" || at === "status") return look(h);
  sent = null;
  if (at === "reload" || at === "page") return home(error.code);
  setBusy();
  const control = controls().find((one) => one.dataset.k === at || one.name === at);
  if (!control) return warn({ h, p }, error.code);
  if (at === "code") control.value = "";
  title(true);
  mark(control, h);
  return goTo(control);
}

/** Ask the server until it knows. @returns {Promise<any>} */
async function look(text = told.w.checking) {
  status.textContent = text;
  for (let silent = 0; silent < 3; await wait(2_000)) {
    const { status: state, expired, locked, busy: tried, next, redirect_url: url } = (await ask(`${own}/state`))?.out ?? {};
    silent = state ? 0 : silent + 1;
    if (!state || tried) continue;
    if (state === "completed") return finish();
    if (state !== "pending" || expired || locked) return home();
    if (next === "resume") return url ? go(url) : handle(await ask(`${own}/resume`, { csrf, locale: given.locale }));
    // The server knows what was paid: now it may be said.
    if (!await speak()) continue;
    setBusy();
    return warn({ h: told.w.failed, p: `${told.w.no_charge} ${told.w.retry}` });
  }
  setBusy();
  status.textContent = told.w.offline;
}

/** @param {{h: string, p: string}} shown */
export function warn({ h, p }, code = "") {
  failed = code;
  const box = copy("alarm");
  box.prepend(copy("wrong").firstChild);
  write(find("h2", box), h);
  write(find("p", box), p);
  alert.replaceChildren(box);
  title(true);
  goTo(alert);
}

/** Our page says so, and goes on: to the shop, or to instructions. */
function finish() {
  button.classList.add("ok");
  find("span", button).textContent = told.w.done;
  return home();
}

for (const link of all(".lang a")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    // Few need it; without it the link is a link.
    import("./pay-language.js").then(({ change }) => change(link), () => go(link.href));
  });
}

if (left) {
  for (const n of [5, 1]) {
    wait(left - n * 60_000).then(() => { if (!busy && left > n * 60_000) status.textContent = fill(told.w.expiring, { n }); });
  }
  setTimeout(home, left + 1_000);
}

addEventListener("hashchange", choose);
addEventListener("pageshow", async ({ persisted }) => {
  const state = persisted && (await ask(`${own}/state`))?.out;
  if (state?.status === "pending" && !state.expired && !state.locked) setBusy();
  else if (persisted) home();
});

Object.assign(page, { brands: given.brands, now: () => given.now + performance.now() });
while (!await speak()) await wait(1_000);
brands.push(...told.b);
watch(form);
choose();
for (const input of all("input[data-k]", form)) if (input.value) shape(input);
if (given.failed) warn(given.failed, given.code);
if (/failed|token/.test(location.search)) keep();
if (given.resume) {
  setBusy(true);
  look();
}
