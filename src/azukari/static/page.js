// What every page with a script shares.

/** @type {(selector: string, within?: ParentNode) => any} */
export const find = (selector, within = document) => within.querySelector(selector);

/** @type {(selector: string, within?: ParentNode) => any[]} */
export const all = (selector, within = document) => [...within.querySelectorAll(selector)];

/** @type {(text: string, values: any) => string} */
export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => `${values[key]}`);

/** Steps on the way leave no trace: Back from what comes next leads to the shop. @param {string} url */
export const go = (url) => location.replace(url);

/** @param {number} ms */
export const wait = (ms) => new Promise((wake) => setTimeout(wake, ms, null));

/** The sign before what went wrong. */
export const sign = () => find("#wrong").content.cloneNode(true);

/** Null: no answer of ours, or a broken line. @param {string} url @param {object} [body] */
export async function ask(url, body) {
  const headers = { "Content-Type": "application/json" };
  try {
    const reply = await fetch(url, body && { method: "POST", redirect: "error", headers, body: JSON.stringify(body) });
    return { status: reply.status, /** @type {any} */ out: await reply.json() };
  } catch {
    return null;
  }
}

/** What is wrong stands below a field and is named by it. @param {HTMLElement} control @param {string | null} text */
export function mark(control, text) {
  const field = /** @type {HTMLElement} */ (control.closest(".field"));
  const hint = find(".hint", field);
  find(".err", field)?.remove();
  if (hint) hint.hidden = text !== null;
  if (control.matches("input")) control.ariaInvalid = `${text !== null}`;
  control.setAttribute("aria-describedby", [hint?.id, text && `${control.id}-e`].join(" ").trim());
  if (text === null) return text;
  const line = document.createElement("p");
  line.className = "err";
  line.id = `${control.id}-e`;
  line.append(sign(), text);
  field.append(line);
  return text;
}
