// What every page with a script shares.

/** @type {Find} */
export const find = (selector, within = document) => within.querySelector(selector);

/** @type {FindAll} */
export const all = (selector, within = document) => [...within.querySelectorAll(selector)];

/** @type {Fill} */
export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => `${values[key]}`);

/** A heading breaks between phrases: checkout/phrases.py. @type {Write} */
export const write = (place, text) => place.replaceChildren(
  ...text.replace(/[はがにでとへものて](?=(?![ぁ-ゖー])[\p{L}\p{N}])|[を、。](?=[\p{L}\p{N}])|が(?=[あで])|[\p{L}\p{N}](?=[おご][一-龯々]|[（「])/gu, "$&\n").split("\n")
    .flatMap((phrase) => [document.createElement("wbr"), phrase]).slice(1));

/** Steps on the way leave no trace: Back leads to the shop, and nothing that was typed comes back. @type {Go} */
export function go(url) {
  for (const input of all("input[required]")) input.value = "";
  location.replace(url);
}

/** @type {Wait} */
export const wait = (ms) => new Promise((wake) => setTimeout(wake, ms, null));

/** What a template holds. @param {string} id @returns {Found} */
export const copy = (id) => find(`#${id}`).content.firstElementChild.cloneNode(true);

/** Null: no answer of ours, or a broken line. @type {Ask} */
export async function ask(url, body) {
  const headers = { "Content-Type": "application/json" };
  try {
    const reply = await fetch(url, body && { method: "POST", redirect: "error", headers, body: JSON.stringify(body) });
    return { status: reply.status, out: await reply.json() };
  } catch {
    return null;
  }
}

/** Safari would leave the label and what is wrong out of sight. @type {GoTo} */
export function goTo(control) {
  const to = find("input", control) ?? control;
  to.focus();
  to.scrollIntoView({ block: "center" });
  return to;
}

/** What is wrong stands below a field and is named by it. isDoubt: it may be right. @type {Mark} */
export function mark(control, text, isDoubt) {
  const field = control.closest(".field");
  const hint = find(".hint", field);
  find(".err", field)?.remove();
  if (hint) hint.hidden = text !== null;
  if (control.matches("input")) control.ariaInvalid = `${text !== null && !isDoubt}`;
  control.setAttribute("aria-describedby", [hint?.id, text && `${control.id}-e`].join(" ").trim());
  if (text === null) return text;
  const line = copy("wrong");
  if (isDoubt) line.classList.add("doubt");
  line.id = `${control.id}-e`;
  line.append(text);
  field.append(line);
  return text;
}
