// The frame that holds the inputs in a shop's page. It listens to one port, which it gives to the page around it and to
// no other origin; out of it go heights, words, tokens and where to go next, and nothing that was typed.
import { brands } from "./card.js";
import "./contact.js";
import { check, fault, page, shape, valueOf, watch } from "./inputs.js";
import { all, ask, copy, find, goTo, mark, wait, write } from "./dom.js";
import { dress } from "./theme.js";

const [form, status, alert, say] = ["form", "status", "alert", "say"].map((id) => find(`#${id}`));
const given = JSON.parse(form.dataset.page);
const { port1: port, port2 } = new MessageChannel();
/** What this server calls itself; by any other name it takes no payment from here. */
const home = new URL(given.back).origin;
/** What the shop's page has set. @type {{key: string, type: string, locale: string, token: boolean, session: any}} */
const set = { key: "", type: "", locale: given.locale, token: false, session: null };
/** t: texts by place; w: our words; m: methods' names; b: brands. @type {any} */
let told = null;
/** The session as the API shows it, and the promise of it. @type {any} */
let session = null;
/** @type {any} */
let loading = null;
/** @type {Promise<any> | null} */
let busy = null;
/** What the latest press is about, whatever the shop's page has set since. */
let tried = { type: "", token: false };
/** Whether there was a result: a way out, or a token. */
let ended = false;
/** What was sent and has no answer yet: pressed again, it is the same payment. @type {any} */
let sent = null;
/** The latest error that is shown. @type {any} */
let failed = null;
/** The key that is known to be of this session's shop: no other gets a card that was typed here. */
let trusted = "";
/** How the shop's page is dressed. */
let worn = "";
/** Wakes whoever waits for the challenge. @type {((status: string) => void) | null} */
let challenged = null;
/** @type {Map<number, (cancelled: boolean) => void>} */
const asked = new Map();

const post = (/** @type {object} */ message) => port.postMessage(message);
/** Where the focus goes when the shop's page hands it over. @type {any} */
let going = null;
/** A frame cannot be sure to get the focus by itself, or to come into sight: it asks. @param {Found} control */
function take(control) {
  going = control;
  post({ do: "focus", top: control.getBoundingClientRect().top });
}
const panel = (type = set.type) => all("[data-panel]", form).find(({ dataset }) => dataset.panel === type);
const controls = (type = set.type) => panel(type) ? all("[data-k]", panel(type)) : [];

/** An event of the element; whether the shop's page has cancelled it. @param {string} name @param {object} detail */
function tell(name, detail) {
  const n = asked.size + 1;
  post({ do: "event", name, detail, n });
  return new Promise((/** @type {(cancelled: boolean) => void} */ answered) => asked.set(n, answered));
}

/** The API, with the shop's key. Null: no answer. @param {string} path @param {object} [body] */
async function call(path, body, key = trusted) {
  const headers = {
    Accept: "application/json", Authorization: `Basic ${btoa(`${key}:`)}`, "Content-Type": "application/json",
    "Komoju-Via": "fields", ...body && sent && { "X-KOMOJU-IDEMPOTENCY": `${sent.nonce} ${path}` },
  };
  try {
    const reply = await fetch(path, body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers });
    return { status: reply.status, /** @type {any} */ out: await reply.json() };
  } catch {
    return null;
  }
}

/** What this server says in the language; what an error's code says in it. @param {any} [error] */
async function words(error) {
  const query = { session: given.id, locale: set.locale, method: tried.type, code: error?.code ?? "" };
  return (await ask(`/fields/words?${new URLSearchParams({ ...query, param: error?.param ?? "" })}`))?.out;
}

// What is shown.

async function speak() {
  const { locale } = set;
  const found = await words(failed);
  // An answer may come after that to a later question.
  if (!found?.t || locale !== set.locale) return false;
  told = found;
  page.w = told.w;
  document.documentElement.lang = told.lang;
  document.title = form.ariaLabel = told.t.frame;
  for (const place of all("[data-t]")) write(place, told.t[place.dataset.t] ?? place.textContent);
  for (const control of controls()) if (find(".err", control.closest(".field"))) check(control);
  if (told.shown && alert.firstChild) warn(told.shown);
  // Of a session that is over there is nothing to pick.
  const methods = given.closed ? {} : told.m;
  post({ do: "texts", title: told.t.frame, pick: told.t.method, lang: told.lang, methods, type: set.type });
  return true;
}

function choose() {
  set.type ||= all("[data-panel]", form)[0]?.dataset.panel ?? "";
  for (const one of all("[data-panel]", form)) one.hidden = one !== panel();
  alert.replaceChildren();
  failed = null;
}

/** @param {{h: string, p: string}} shown */
function warn({ h, p }) {
  const box = copy("alarm");
  box.prepend(copy("wrong").firstChild);
  write(find(".head", box), h);
  write(find("p:last-child", box), p);
  alert.replaceChildren(box);
}

/** It did not work: the shop's page is told, and shows it itself or leaves it to us. @param {any} error @param {any} shown */
async function fail(error, shown) {
  status.textContent = say.textContent = "";
  if (await tell("komoju-error", { error })) return;
  const control = controls(tried.type).find((one) => one.dataset.k === shown.at || one.name === shown.at);
  if (shown.at === "code" && control) control.value = "";
  failed = error;
  if (control && tried.type === set.type) {
    mark(control, shown.h);
    take(control);
  } else {
    warn(shown);
    take(alert);
  }
}

/** The same for an error that has no words for shoppers yet. @param {string} code @param {string} message */
const refuseAs = (code, message, param = null) => refuse({ out: { error: { code, message, param } } });

/** The same for an answer of the API. @param {{out: any} | null} reply */
async function refuse(reply) {
  while (!told) await wait(50);
  const error = reply?.out?.error;
  if (!error) return fail({ code: "no_answer", message: "There was no answer." }, { h: told.w.offline, p: "" });
  return fail(error, (await words(error))?.shown ?? { h: told.w.failed, p: told.w.retry });
}

// The session.

async function load() {
  const { key } = set;
  const reply = await call(`/api/v1/sessions/${given.id}`, undefined, key);
  if (reply?.status !== 200) return refuse(reply);
  trusted = key;
  if (set.session) return set.session;
  tell("komoju-session-change", { session: reply.out });
  return reply.out;
}

// Paying.

/** @returns {Promise<any>} where to go, or a token; nothing: it did not work, and that has been said */
async function run() {
  choose();
  status.textContent = "";
  if (given.closed) {
    const code = { already: "session_completed", too_many: "locked" }[/** @type {"already"} */ (given.closed)];
    return tell("komoju-error", { error: { code: code ?? `session_${given.closed}`, message: find(".closed").textContent } });
  }
  if (home !== location.origin) return refuseAs("frame_unavailable", `This server is ${home}: load fields.js from there.`);
  session = await loading;
  if (!session || trusted !== set.key) session = await (loading = load());
  if (!session) return null;
  const { type, token } = tried = { type: set.type, token: set.token };
  const listed = session.payment_methods.find((/** @type {any} */ method) => method.type === type);
  if (!listed) return refuseAs("invalid_payment_type", "The session does not offer this.");
  if (!given.here.includes(type) && !token) return { go: `${session.session_url}#${type}` };
  if (!complete()) return null;
  const details = Object.assign({ type }, ...controls().map(valueOf));
  const text = JSON.stringify([details, token]);
  if (sent?.text !== text) sent = { text, details, nonce: crypto.getRandomValues(new Uint32Array(4)).join("-") };
  hold(true);
  say.textContent = told.w.busy;
  const slow = setTimeout(() => { status.textContent = told.w.slow; }, 8_000);
  try {
    if (!await authenticate(details)) return null;
    const done = await (token ? tokenise() : pay());
    if (done) say.textContent = told.w.done;
    return done;
  } finally {
    clearTimeout(slow);
  }
}

function rest() {
  busy = null;
  hold(false);
}

/** Nothing that was typed is there when Back brings the shop's page again. */
function empty() {
  for (const input of all("input[required]")) input.value = "";
}

function complete() {
  const errors = controls().flatMap((control) => {
    const message = fault(control);
    mark(control, message);
    return message ? [{ field: control.name || find("input", control).name, message, control }] : [];
  });
  if (!errors.length) return true;
  const [{ control, message }] = errors;
  tell("komoju-invalid", { errors: errors.map(({ field, message }) => ({ field, message })) });
  say.textContent = message;
  take(control);
  return false;
}

/** @param {boolean} on */
function hold(on) {
  for (const input of all("input", form)) input.readOnly = on;
}

/** Ask the card's issuer where the contract says so; what goes on is in `sent.details`. @param {any} details */
async function authenticate(details) {
  if (tried.type !== "credit_card" || (given.mode === "customer" && !tried.token) || typeof sent.details === "string") return true;
  const reply = await call("/api/v1/secure_tokens", {
    amount: given.amount, currency: given.currency, payment_details: details, return_url: given.back,
  });
  if (reply?.out.error?.code === "unsupported_card_brand" && !given.required) return true;
  if (reply?.status !== 200) {
    if (reply) sent = null;
    await refuse(reply);
    return false;
  }
  let { id, verification_status: state, authentication_url: url, three_ds_auth_result: result } = reply.out;
  // Straight away, without the bank's no, it only says that nobody could be asked.
  if (state === "ERRORED" && !given.required && !/[NR]/.test(result?.transStatus)) return true;
  if (state === "NEEDS_VERIFY") state = await challenge(id, url);
  if (state === "OK" || state === "SKIPPED") {
    sent.details = id;
    return true;
  }
  sent = null;
  await refuseAs("verification_status_errored", "The shopper was not authenticated.");
  return false;
}

/** In a dialog of the element, on a page of ours. @param {string} id @param {string} url @returns {Promise<string>} */
async function challenge(id, url) {
  const { tds_h: title, tds_mid: mid, proceed, restart, stop } = told.w;
  post({ do: "dialog", url: `${url}&locale=${set.locale}`, words: { title, mid, proceed, restart, stop } });
  status.textContent = told.w.tds_go;
  let state = "NEEDS_VERIFY";
  for (let event = ""; state === "NEEDS_VERIFY" && event !== "closed";) {
    event = await new Promise((wake) => { challenged = wake; });
    state = (await call(`/api/v1/secure_tokens/${id}`))?.out.verification_status ?? state;
  }
  challenged = null;
  post({ do: "dialog" });
  status.textContent = "";
  return state;
}

async function tokenise() {
  // A card that was authenticated is a token already.
  const { details } = sent;
  if (typeof details === "string") {
    sent = null;
    return { token: { id: details, resource: "token", payment_details: { type: tried.type } } };
  }
  const reply = await call("/api/v1/tokens", { payment_details: details });
  if (reply) sent = null;
  return reply?.status === 200 ? { token: reply.out } : refuse(reply);
}

async function pay() {
  const consent = given.consent && { text: told.t[`reuse_${tried.type}`], version: given.consent };
  const order = { session: given.id, nonce: sent.nonce, payment_details: sent.details, locale: told.lang, consent };
  const reply = await Promise.race([call("/fields/pay", order), wait(30_000)]);
  const { error, at, h, p, redirect_url: url } = reply?.out ?? {};
  if (reply?.status === 200 && url) return { go: url };
  if (!error || at === "checking" || at === "status") return look(h);
  sent = null;
  return fail(error, { at, h, p });
}

/** The result is not known: the server is asked until it is. @returns {Promise<any>} */
async function look(text = told.w.checking) {
  status.textContent = text;
  for (let silent = 0; silent < 3; await wait(2_000)) {
    const { out } = await ask(`/sessions/${given.id}/state`) ?? {};
    const { status: state, expired, locked, busy: tried, redirect_url: url } = out ?? {};
    silent = state ? 0 : silent + 1;
    if (!state || tried) continue;
    if (state === "completed" || url) return { go: url ?? session.session_url };
    sent = null;
    const over = expired ? "session_expired" : locked ? "locked" : state === "pending" ? "" : "session_cancelled";
    if (over) return refuseAs(over, "The session takes no more tries.");
    // The server knows of no payment: now it may be said.
    const shown = { h: told.w.failed, p: `${told.w.no_charge} ${told.w.retry}` };
    return fail({ code: "request_failed", message: "The payment was not made.", param: null }, shown);
  }
  return refuse(null);
}

// What the shop's page asks for.

/** @type {Record<string, (message: any) => any>} */
const deeds = {
  async set({ look: theme, ...more }) {
    const before = { ...set };
    Object.assign(set, more);
    set.locale = `${set.locale || given.locale}`.slice(0, 2);
    if (worn !== JSON.stringify(theme)) {
      worn = JSON.stringify(theme);
      post({ do: "scheme", scheme: dress(theme) });
    }
    if (set.type !== before.type || !set.type) choose();
    if (set.key !== before.key || set.session !== before.session) loading = set.session ?? load();
    if (told && set.locale === before.locale) return;
    const { locale } = set;
    while (!await speak() && locale === set.locale) await wait(1_000);
    if (locale !== set.locale) return;
    if (!brands.length) brands.push(...told.b);
    for (const input of all("input[data-k]", form)) if (input.value) shape(input);
    tell("komoju-locale-change", { locale });
  },
  async submit({ n }) {
    while (!told) await wait(50);
    const out = await (busy ??= run().catch((error) => console.error(error)));
    // Who is on the way to another page pays no second time; should the way lead nowhere, a press shows it again.
    if (out?.go) empty();
    else rest();
    ended ||= !!(out?.go ?? out?.token);
    post({ do: "result", n, out });
  },
  answer({ n, cancelled }) {
    asked.get(n)?.(cancelled);
    asked.set(n, () => {});
  },
  async focus() {
    const control = going ?? find("input:not([type=radio]), input:checked, input", panel());
    going = null;
    if (!control) return;
    // To a frame in a process of its own it takes a moment; to a window behind others it does not come.
    if (!document.hasFocus()) await Promise.race([new Promise((wake) => addEventListener("focus", wake, { once: true })), wait(500)]);
    const to = goTo(control);
    if (to === document.activeElement) return;
    // As long as nobody has touched a frame, Safari lets no script focus anything in it; following a link does.
    location.replace(`#${to.id ||= "first"}`);
    to.select?.();
  },
  dialog: ({ event }) => challenged?.(event),
};

port.onmessage = ({ data }) => deeds[data.do]?.(data);
watch(form);
form.addEventListener("change", (/** @type {any} */ { target }) => {
  const group = target.closest("[data-k=pick]");
  if (group) mark(group, null);
});
form.addEventListener("submit", (/** @type {Event} */ event) => event.preventDefault());
form.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
  if (event.key !== "Enter" || event.defaultPrevented || !(event.target instanceof HTMLInputElement)) return;
  event.preventDefault();
  post({ do: "enter" });
});
new ResizeObserver(() => post({ do: "height", height: document.body.offsetHeight })).observe(document.body);
addEventListener("pagehide", () => {
  rest();
  // A token has gone with the shop's form, as the way out had with us.
  if (ended) empty();
});
// What has come of it is asked anew.
addEventListener("pageshow", ({ persisted }) => { if (persisted && ended) location.reload(); });
Object.assign(page, { brands: given.brands, now: () => given.now + performance.now() });
if (parent !== window) parent.postMessage({ komojuFields: "frame" }, given.origin, [port2]);
